/**
 * Who is present now, even when the projection is behind the clock (INV-15).
 *
 * `users` holds the slots of the processes a user has sockets on. A slot no longer counts once its process's lease has
 * expired, even if no projector has reaped it; a grace ends at its deadline, even if no projector has ended it. So every
 * answer about users also reads, in the same transaction, the processes whose deadlines have passed: usually none. More is
 * read only when one of them, or a grace, affects the answer.
 *
 * A lease that looks expired may have been renewed by a record that is not folded yet, which is normal where a scheduled
 * function projects. So the latest records of the log are searched before a process is treated as expired. If the log is
 * too long to search, the process is kept.
 */
import { HOLD_MS, PROCESSES_MAX, RENEWALS_PAGE, RENEWALS_PAGES, TTL_MS_MAX } from "../core/limits.ts";
import type { ShardKeys } from "../core/keys.ts";
import { entriesOf, fieldsOf, list, scored, slotsOf } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import type { UserPresence } from "./answers/users.ts";
import type { View } from "../core/view.ts";
import { readAbout, readState } from "./states.ts";

/** The processes whose deadlines have passed: usually none, at most PROCESSES_MAX. */
export function lapsedCommand(keys: ShardKeys, now: number): ReadCommand {
  return ["ZRANGE", keys.processes, "0", String(now), "BYSCORE", "LIMIT", "0", String(PROCESSES_MAX), "WITHSCORES"]; // prettier-ignore
}

const LAPSED_ASKED = "ZRANGE of leases";
const STATES_ASKED = "HMGET of states";
const LEAVING_ASKED = "ZMSCORE of leaving";
const RECORDS_ASKED = "XREVRANGE of records";

/** What one transaction read about the users of one shard. */
export interface FoundUsers {
  /** Values of `users`; null for an absent user. */
  readonly found: readonly (readonly [id: string, slots: string | null])[];
  /** The reply to lapsedCommand(). */
  readonly lapsed: Reply | undefined;
  /** Redis's clock, ms. */
  readonly now: number;
  /** Records in the log. */
  readonly records: number;
  /** The command, for error messages. */
  readonly asked: string;
  /** Where they were found. */
  readonly view: View;
}

type Read = (commands: readonly ReadCommand[]) => Promise<readonly Reply[]>;

/** A user and the slots that count: null: absent; empty: in grace. */
export interface JudgedUser {
  readonly id: string;
  readonly slots: readonly (readonly [slot: string, sockets: number])[] | null;
}

/** Decides who is present in one shard. Caches the renewals it found in the log until they expire. */
export class Lapsed {
  readonly #keys: ShardKeys;
  readonly #read: Read;
  /** Process → the end of the lease renewed by a record that is not folded yet, ms. */
  readonly #renewed = new Map<string, number>();

  constructor(keys: ShardKeys, read: Read) {
    this.#keys = keys;
    this.#read = read;
  }

  /** In the order found. `lostAgo`: time since Redis last failed to answer, ms. */
  async judge(found: FoundUsers, lostAgo: number): Promise<UserPresence[]> {
    return (await this.judgeSlots(found, lostAgo)).map(presence);
  }

  /** The same, with the slots. `lapsed` may also be the reply of leasesCommand(). */
  async judgeSlots(
    { found, lapsed, now, records, asked, view }: FoundUsers,
    lostAgo: number,
  ): Promise<JudgedUser[]> {
    const users: JudgedUser[] = found.map(([id, value]) => ({
      id,
      slots: value === null ? null : slotsOf(value, asked),
    }));
    const named = new Set(users.flatMap(({ slots }) => (slots ?? []).map(([slot]) => slot)));
    const processes = new Map<string, string>();
    for (const [member, deadline] of scored(lapsed, LAPSED_ASKED)) {
      // The reply showed that this machine's clock was ahead.
      if (deadline > now) continue;
      const at = member.indexOf(":");
      const slot = member.slice(0, at);
      // If we lost Redis a moment ago, others did too: let processes renew their leases first, as a projector's hold does.
      if (named.has(slot) && (deadline === 0 || lostAgo >= HOLD_MS))
        processes.set(slot, member.slice(at + 1));
    }
    const inGrace = users.filter(({ slots }) => slots?.length === 0).map(({ id }) => id);
    if (processes.size + inGrace.length === 0) return users;

    const { kept, ended } = await this.#ask(processes, inGrace, now, records, view);
    return users.map(({ id, slots }) => {
      if (slots === null || slots.length === 0) return { id, slots: ended.has(id) ? null : slots };
      const left = slots.filter(([slot]) => !processes.has(slot) || kept.get(slot) === "live");
      const isKept = left.length > 0 || slots.some(([slot]) => kept.get(slot) === "grace");
      return { id, slots: isKept ? left : null };
    });
  }

  /** Which of these slots still count or keep their users in grace, and which graces are over. */
  async #ask(
    processes: ReadonlyMap<string, string>,
    inGrace: readonly string[],
    now: number,
    records: number,
    view: View,
  ) {
    const ids = [...processes.values()];
    const replies = await this.#read([
      ...(ids.length > 0 ? [["HMGET", this.#keys.states, ...ids], ["HMGET", this.#keys.about, ...ids]] as const : []),
      ...(inGrace.length > 0 ? [["ZMSCORE", view.deadlines(this.#keys), ...inGrace.map(view.memberOf)]] as const : []),
    ]); // prettier-ignore
    const kept = new Map<string, "live" | "grace">();
    const doubts = new Map<string, number>();
    if (ids.length > 0) {
      const [states, about] = [replies[0], replies[1]].map((reply) =>
        fieldsOf(reply, STATES_ASKED, ids.length),
      );
      for (const [i, [slot, id]] of [...processes].entries()) {
        const state = readState(states![i] ?? null);
        if (state === null) continue;
        if (state.state === "ended") {
          // Users of a process that ended have its grace, counted from its end; after an expired lease there is no grace.
          if (state.cause !== "reap" && state.grace > 0 && state.at + state.grace > now)
            kept.set(slot, "grace");
        } else if (state.state === "live" && records > 0)
          doubts.set(id, readAbout(about![i] ?? null).ttl ?? TTL_MS_MAX);
      }
    }
    const renewed = await this.#lookForRenewals(doubts, now);
    for (const [slot, id] of processes) if (renewed.has(id)) kept.set(slot, "live");
    // No deadline: the grace has ended since, and `changes` has the transition.
    const deadlines = inGrace.length > 0 ? list(replies.at(-1), LEAVING_ASKED, inGrace.length) : [];
    const ended = new Set(inGrace.filter((_, i) => deadlines[i] !== null && Number(deadlines[i]) <= now));
    return { kept, ended };
  }

  /** Those of these processes (id → lease, ms) that a record in the log keeps, or may keep, alive. */
  async #lookForRenewals(doubts: Map<string, number>, now: number): Promise<Set<string>> {
    const renewed = new Set<string>();
    for (const [id, until] of this.#renewed) {
      if (until <= now) this.#renewed.delete(id);
      else if (doubts.delete(id)) renewed.add(id);
    }
    // Older records can no longer renew a lease.
    const start = String(Math.max(0, now - Math.max(0, ...doubts.values()) + 1));
    let end = "+";
    for (let pages = 1; doubts.size > 0; pages++) {
      const [reply] = await this.#read([
        ["XREVRANGE", this.#keys.records, end, start, "COUNT", String(RENEWALS_PAGE)],
      ]);
      const entries = entriesOf(reply, RECORDS_ASKED);
      for (const { id, fields } of entries) {
        const [name, process = "", , , ttlName, text = ""] = fields;
        const ttl = Number(text);
        // An invalid record renews nothing.
        if (name !== "process" || ttlName !== "ttl" || !(ttl >= 1 && ttl <= TTL_MS_MAX)) continue;
        if (!doubts.delete(process)) continue;
        const until = Math.min(Number(id.split("-", 1)[0]), now) + ttl;
        if (until <= now) continue;
        renewed.add(process);
        this.#renewed.set(process, until);
      }
      if (entries.length < RENEWALS_PAGE) break;
      if (pages === RENEWALS_PAGES) for (const id of doubts.keys()) renewed.add(id);
      if (pages === RENEWALS_PAGES) break;
      end = `(${entries.at(-1)!.id}`;
    }
    return renewed;
  }
}

export function presence({ id, slots }: JudgedUser): UserPresence {
  return {
    id,
    online: slots !== null,
    sockets: (slots ?? []).reduce((sum, [, sockets]) => sum + sockets, 0),
  };
}
