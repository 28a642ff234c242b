/**
 * A look at one shard before a sweep calls the script: is there anything to do? Two commands in one request, where a call
 * that finds nothing costs seven. If the look cannot read or decide something, the script is called.
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
  /** Redis's clock minus ours, ms; undefined before the first call of the script. */
  #ahead: number | undefined;

  /** `clock` is this machine's, ms. */
  constructor(keys: ShardKeys, shards: number, clock: () => number) {
    this.commands = [
      ["HMGET", keys.totals, "shards", "ran", "due", "back", "forget", "users"],
      ["XLEN", keys.records],
    ];
    this.#shards = String(shards);
    this.#clock = clock;
  }

  /** Call it with the result of every call, which has Redis's time. */
  heard(result: StepResult): StepResult {
    this.#ahead = result.now - this.#clock();
    return result;
  }

  /** Evaluates the replies to `commands`. */
  see([totals, length]: readonly (Reply | ReplyError)[]): Seen {
    if (!Array.isArray(totals) || length instanceof ReplyError || Number(length) !== 0) return BUSY;
    const [shards, ran, leases, back, forget, users] = totals as (string | null)[];
    // Never projected, or with another number of shards, or a caller died while moving graces.
    if (shards !== this.#shards || typeof ran !== "string" || typeof leases !== "string" || back === "1") {
      return BUSY;
    }
    // Users, and nothing that will ever end them: the script finds out what is gone.
    if (Number(leases) === -1 && Number(users ?? 0) > 0) return BUSY;
    // No lease and no grace: then something may be due to be forgotten. Without that no clock is needed.
    const due = Number(leases) === -1 ? (forget ?? leases) : leases;
    if (Number(due) === -1) return { idle: true, due: null };
    const now = this.#clock() + (this.#ahead ?? 0);
    const latest = this.#ahead === undefined ? now + UNSURE_MS : now;
    // A clock that went back, ours or Redis's, shows here: it must not be earlier than the last run.
    return Number(ran) <= now && Number(due) > latest ? { idle: true, due: Number(due) } : BUSY;
  }
}
