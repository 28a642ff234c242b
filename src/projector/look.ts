/**
 * A look at one shard before a sweep calls the script there: is there anything to do at all? Two commands in one request,
 * where a call that finds nothing costs seven. A look never decides against doubt: what it cannot read, or cannot tell,
 * is for the script.
 */
import type { ShardKeys } from "../core/keys.ts";
import { UNSURE_MS } from "../core/limits.ts";
import { type ReadCommand, type Reply, ReplyError } from "../redis/port.ts";
import type { StepResult } from "./call.ts";

export type Seen = { readonly idle: false } | { readonly idle: true; readonly due: number | null };

const BUSY: Seen = { idle: false };

export class Look {
  readonly commands: readonly ReadCommand[];
  readonly #shards: string;
  readonly #clock: () => number;
  /** The clock of Redis minus ours, ms; undefined before the first call of the script. */
  #ahead: number | undefined;

  /** `clock` is this machine's, ms. */
  constructor(keys: ShardKeys, shards: number, clock: () => number) {
    this.commands = [
      ["HMGET", keys.totals, "shards", "ran", "due", "back"],
      ["XLEN", keys.records],
    ];
    this.#shards = String(shards);
    this.#clock = clock;
  }

  /** To be told of the result of every call: it knows what time it is. */
  heard(result: StepResult): StepResult {
    this.#ahead = result.now - this.#clock();
    return result;
  }

  /** What the replies to `commands` say. */
  see([totals, length]: readonly (Reply | ReplyError)[]): Seen {
    if (!Array.isArray(totals) || length instanceof ReplyError || Number(length) !== 0) return BUSY;
    const [shards, ran, due, back] = totals as (string | null)[];
    // Never projected, or with another number of shards, or by somebody who died while moving graces.
    if (shards !== this.#shards || typeof ran !== "string" || typeof due !== "string" || back === "1") {
      return BUSY;
    }
    // Nobody has a lease, nobody is in grace: no clock is needed to see that.
    if (Number(due) === -1) return { idle: true, due: null };
    const now = this.#clock() + (this.#ahead ?? 0);
    const latest = this.#ahead === undefined ? now + UNSURE_MS : now;
    // Clocks that go back, ours or that of Redis, show here: it is not to be earlier than at the last run.
    return Number(ran) <= now && Number(due) > latest ? { idle: true, due: Number(due) } : BUSY;
  }
}
