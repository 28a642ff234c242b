/**
 * Client-read mode: for engines that let no script call XREADGROUP. The caller reads the log and passes the entries to the
 * same fold. Callers take turns (src/lua/parts/turn.lua); whatever one of them does late, twice or not at all, a call
 * folds nothing but the head of the log.
 *
 * One step is at most: a call that takes the turn and tells whether there is anything to read, a read, and a call that
 * folds it, the last two once more if they met nothing they could fold. With an empty log it is the first of these alone.
 */
import type { ShardKeys } from "../core/keys.ts";
import { BATCH_FIRST, BATCH_MAX, OPERATIONS_MAX } from "../core/limits.ts";
import { streamsOf } from "../redis/entries.ts";
import type { Command, WritePort } from "../redis/port.ts";
import type { CallResult, GivenEntry, StepResult } from "./call.ts";

export interface TurnOptions {
  readonly port: WritePort;
  readonly keys: ShardKeys;
  readonly budget: number;
  /** Entries of one read; undefined: as many as prove to fit the budget. */
  readonly batch: number | undefined;
}

/** Calls the script with these entries, read in the turn of `token`; undefined asks for a turn. */
export type TurnCall = (token: number | undefined, entries: readonly GivenEntry[]) => Promise<CallResult>;

/** One shard, as one caller reads it. Steps must not overlap; whoever lets them only wastes work. */
export class Turns {
  readonly #options: TurnOptions;
  /** Our turn goes on, and there is something to read. */
  #token: number | undefined;
  #batch: number;

  constructor(options: TurnOptions) {
    this.#options = options;
    this.#batch = options.batch ?? BATCH_FIRST;
  }

  /** To be told of the result of every call. */
  heard({ result, token }: CallResult): StepResult {
    this.#token = result.left > 0 ? token : undefined;
    return result;
  }

  async step(call: TurnCall): Promise<StepResult> {
    if (this.#token === undefined) {
      const result = this.heard(await call(undefined, []));
      if (result.left === 0) return result;
    }
    // Once more when the group's place was not where we left it: the call has put it back to the head of the log.
    for (let again = true; ; again = false) {
      const entries = await this.#read();
      const called = await call(this.#token, entries);
      const result = this.heard(called);
      if (again && result.left > 0 && called.leftOver === entries.length) continue;
      if (this.#options.batch === undefined) this.#batch = this.#next(entries.length, called.leftOver);
      return result;
    }
  }

  /** Reads are to be about as large as what one call folds. */
  #next(read: number, leftOver: number): number {
    if (leftOver === 0) return read < this.#batch ? this.#batch : Math.min(BATCH_MAX, this.#batch * 2);
    const slice = Math.max(1, Math.floor(this.#options.budget / 2 / (OPERATIONS_MAX + 1)));
    return Math.max(slice, Math.ceil((read - leftOver) * 1.25));
  }

  /** One read, so that it has no gaps. None when there is no group: the next call of the script makes one. */
  async #read(): Promise<readonly GivenEntry[]> {
    const { port, keys } = this.#options;
    const command: Command = [
      "XREADGROUP", "GROUP", "projector-client", "projector", "COUNT", String(this.#batch), "STREAMS", keys.records, ">",
    ]; // prettier-ignore
    try {
      return streamsOf(await port.call(command))[0]?.[1] ?? [];
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      if (cause instanceof Error && cause.message.includes("NOGROUP")) return [];
      throw error;
    }
  }
}
