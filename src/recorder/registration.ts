/**
 * Checks the registration of this process in one shard: whether the projector has fenced, ended or lost it. Pure.
 */
import type { ShardKeys } from "../core/keys.ts";
import { isBefore } from "../core/stream-id.ts";
import type { ReadCommand, Reply, ReplyError } from "../redis/port.ts";

/**
 * `believed`: all records up to `seq` are accepted. `unknown`: not folded yet, or Redis was emptied; only a call of the
 * projector can tell. `over`: register again; `state` is this process's state in the projection, if any. `unread`: Redis did
 * not answer.
 */
export type Registration =
  | { readonly is: "believed"; readonly seq: number }
  | { readonly is: "unknown" | "unread" }
  | { readonly is: "over"; readonly state: string | null };

export interface Look {
  readonly registration: Registration;
  /** The number of shards in the totals; null: not there. */
  readonly shards: string | null;
  /** The keys of signed records in the totals; "": not there. */
  readonly mac: string;
}

/** A record that was appended: its process, its seq and the id of its entry. */
export interface Appended {
  readonly process: string;
  readonly seq: number;
  readonly id: string;
}

/**
 * Sent in the same round trip as a record, after it. How far the log is folded is read before the state: whatever is folded
 * in between, the state is not older, so a record that seems to be lost is lost.
 */
export function registrationCommands(keys: ShardKeys, process: string): readonly ReadCommand[] {
  return [
    ["HMGET", keys.totals, "folded", "shards", "mac"],
    ["HMGET", keys.states, process],
  ];
}

/** The state, the seq and the rest of a state; empty where there is none. */
function stateOf(reply: Reply | ReplyError): string[] {
  return Array.isArray(reply) ? ((reply as (string | null)[])[0]?.split(" ") ?? []) : [];
}

/**
 * Picks the record that shows whether this process was lost: an entry that the projector has folded past. The last record
 * rarely is at the moment it is appended, so an earlier one is kept until then.
 */
export class Watch {
  #kept: Appended | undefined;

  /**
   * What the state alone says: `believed` when it has reached the record that is watched, `over` when it says so. Undefined: only
   * a look at the totals too can tell.
   */
  glance(states: Reply | ReplyError, last: Appended): Registration | undefined {
    const [state = null, seq = 0] = stateOf(states);
    if (state === "fenced" || state === "ended") return { is: "over", state };
    const kept = this.#kept;
    if (state !== "live" || kept?.process !== last.process || Number(seq) < kept.seq) return undefined;
    this.#kept = last;
    return { is: "believed", seq: Number(seq) };
  }

  /** What the replies say, after `last` was appended. */
  see([totals, states]: readonly (Reply | ReplyError)[], last: Appended): Look {
    // Of an earlier incarnation; or the log was recreated, with earlier ids.
    if (this.#kept?.process !== last.process || isBefore(last.id, this.#kept.id)) this.#kept = last;
    if (!Array.isArray(totals) || !Array.isArray(states))
      return { registration: { is: "unread" }, shards: null, mac: "" };
    const [folded = null, shards = null, keys] = totals as (string | null)[];
    const mac = keys ?? "";
    const [state = null, seq = 0] = stateOf(states);
    const isFolded = ({ id }: Appended) => folded !== null && !isBefore(folded, id);
    const lost = [this.#kept, last].some((record) => isFolded(record) && Number(seq) < record.seq);
    if (isFolded(this.#kept)) this.#kept = last;
    if (state === "fenced" || state === "ended" || lost)
      return { registration: { is: "over", state: state === "live" ? null : state }, shards, mac };
    return {
      registration: state === "live" ? { is: "believed", seq: Number(seq) } : { is: "unknown" },
      shards,
      mac,
    };
  }
}
