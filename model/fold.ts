/**
 * The reference model of the projector: what the projection must be after any sequence of calls. docs/protocol.md as code,
 * for tests and for other implementations. Pure: no clock, no I/O, and independent of how src/lua/project works: it applies
 * one record at a time to whole maps and recomputes every sum.
 */
import type { ChangeCause } from "../src/core/change.ts";
import {
  FENCED_LEASES,
  FORGOTTEN_MAX,
  ID_BYTES_MAX,
  KEPT_VALUES,
  PASS_MAX,
  PROCESSES_MAX,
  RECORDS_MAX,
  SCOPE_OPERATIONS,
  TOMBSTONE_MS,
  VALUES_MAX,
} from "../src/core/limits.ts";
import { follow, type Happened, type Numbers } from "./history.ts";
import { before } from "./order.ts";
import { cut, type ParsedRecord, parseRecord, type Proof, type ScopeListName } from "./parse.ts";
import {
  lingerersByDeadline,
  membershipsOf,
  type MovedEntry,
  NONE,
  ScopePhase,
  setMember,
} from "./scopes.ts";
import { copyOf, copyOfScopes, type Dead, type Process, type Projection, sumsIn, sumsOf } from "./state.ts";

export type { MovedEntry } from "./scopes.ts";
export { emptyProjection, type Projection, sumsOf } from "./state.ts";

export interface LogEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

export interface Call {
  readonly now: number;
  /** The log, oldest first. */
  readonly log: readonly LogEntry[];
  /** Whether expired leases and graces may end. */
  readonly reap: boolean;
  readonly budget: number;
  /** Of a caller that has keys. */
  readonly proven?: Proof | undefined;
  /** Whether the caller keeps a history, and of which scopes: then all callers do. */
  readonly history?: boolean | { readonly scopes: readonly string[] } | undefined;
}

/** An entry of `changes`: the users of each cause, in any order. */
export type ToldEntry = ReadonlyMap<ChangeCause, readonly string[]>;

export interface SetAside {
  readonly id: string;
  readonly reason: string;
  readonly fields: readonly string[];
}

/** What the call did; the names are those of StepResult in src/projector/call.ts. */
export interface ModelResult {
  due: number | null;
  more: boolean;
  foldedId: string;
  records: number;
  operations: number;
  skipped: number;
  fenced: number;
  rejected: number;
  reaped: number;
  givenBack: number;
  changes: number;
  /** Transitions told in scopes. The reply of the script does not have it. */
  moves: number;
  held: number;
  left: number;
  /** The last record that was folded changed nothing. */
  unheard: boolean;
}

export interface Outcome {
  readonly state: Projection;
  readonly result: ModelResult;
  /** How many entries were removed from the log. */
  readonly taken: number;
  readonly told: readonly ToldEntry[];
  /** Entries of `moves`. How they are split over phases is not specified; what each scope is told, and in which order, is. */
  readonly moved: readonly MovedEntry[];
  readonly setAside: readonly SetAside[];
}

/** One call of the projector: fold, then reap, then end grace. `from` stays as it is. */
export function project(from: Projection, call: Call): Outcome {
  return new ProjectorCall(copyOf(from), call).run();
}

/** What took the last socket of a user on ended processes, and until when grace keeps the user; 0: it does not. */
interface LastEnd {
  readonly slot: number;
  readonly cause: ChangeCause;
  readonly keep: number;
}

/** The cause of a departure from a scope. */
const CAUSES = { drop: "disconnect", part: "leave", shut: "bye" } as const satisfies Record<
  Exclude<ScopeListName, "join">,
  ChangeCause
>;

/** What one phase does to users; its changes are reported together at its end. */
class Phase {
  readonly was = new Map<string, boolean>();
  readonly cause = new Map<string, ChangeCause>();
}

/** The last socket of a user left a scope. */
interface Departure {
  readonly scope: string;
  readonly user: string;
  readonly cause: ChangeCause;
}

class ProjectorCall {
  readonly #state: Projection;
  readonly #call: Call;
  readonly #told: ToldEntry[] = [];
  readonly #moved: MovedEntry[] = [];
  readonly #setAside: SetAside[] = [];
  #phase = new Phase();
  #scopes = new ScopePhase();
  #work = 0;
  #due: number | null = null;
  #taken = 0;
  readonly #did: ModelResult = {
    due: null, more: false, foldedId: "", records: 0, operations: 0, skipped: 0, fenced: 0, rejected: 0, reaped: 0, givenBack: 0,
    changes: 0, moves: 0, held: 0, left: 0, unheard: false,
  }; // prettier-ignore

  constructor(state: Projection, call: Call) {
    this.#state = state;
    this.#call = call;
  }

  run(): Outcome {
    const state = this.#state;
    const found = this.#found();
    this.#followClock();
    const drained = this.#fold();
    const more = !drained || this.#reap() || this.#endGrace() || this.#hasTombs();
    state.ran = this.#call.now;
    state.due = more ? this.#call.now : this.#due;
    if (this.#call.history !== undefined && this.#call.history !== false)
      state.history = follow(state.history, {
        ...found,
        after: sumsOf(state),
        told: this.#told,
        scopes: new Map(
          Array.from(found.scopes, ([scope, before]) => [scope, { before, after: sumsIn(state, scope) }]),
        ),
      });
    for (const name of ["records", "rejected", "fenced", "reaped"] as const)
      state.ever[name] += this.#did[name];
    return {
      state,
      taken: this.#taken,
      told: this.#told,
      moved: this.#moved,
      setAside: this.#setAside,
      result: {
        ...this.#did,
        due: state.due,
        more,
        foldedId: state.foldedId,
        left: more ? this.#call.log.length - this.#taken : 0,
      },
    };
  }

  /** What a history has to know of before the call. */
  #found(): Omit<Happened, "after" | "told" | "scopes"> & { readonly scopes: ReadonlyMap<string, Numbers> } {
    const { now, log, history } = this.#call;
    const { users, due } = this.#state;
    const waits = [
      ...(due === null ? [] : [due]),
      ...log.slice(0, 1).map(({ id }) => Number(id.split("-", 1)[0])),
    ];
    const waiting = waits.length === 0 ? undefined : Math.min(...waits);
    const names = typeof history === "object" ? history.scopes : [];
    const scopes = new Map(names.map((scope) => [scope, sumsIn(this.#state, scope)]));
    return { now, waiting, before: sumsOf(this.#state), usersBefore: [...users.keys()], scopes };
  }

  /** When the clock has gone back, all leases move back by the same amount. Graces follow in endGrace, a bounded number per call. */
  #followClock(): void {
    const state = this.#state;
    const back = state.ran - this.#call.now;
    if (back <= 0) return;
    state.clockWentBack = true;
    for (const [id, deadline] of state.leases) {
      // 0 means ended, so a lease never becomes that.
      if (deadline > 0) state.leases.set(id, Math.max(1, deadline - back));
    }
  }

  /** Returns whether the log is drained. */
  #fold(): boolean {
    const { budget, log, now } = this.#call;
    const count = Math.max(1, Math.min(RECORDS_MAX, Math.floor(budget / this.#state.size)));
    const entries = log.slice(0, count);
    if (entries.length === 0) return true;
    for (const { id, fields } of entries) {
      this.#taken++;
      this.#did.unheard = false;
      const record = parseRecord(fields, this.#call.proven);
      const reason =
        "reason" in record
          ? record.reason
          : this.#foldRecord(record, Math.min(Number(id.split("-", 1)[0]), now));
      if (reason !== undefined) {
        const kept = fields.slice(0, KEPT_VALUES).map((value) => cut(value, ID_BYTES_MAX));
        this.#setAside.push({ id, reason, fields: kept });
        this.#did.rejected++;
        this.#did.unheard = true;
      }
      this.#work += 1 + ("reason" in record ? 0 : record.operations);
      this.#state.foldedId = id;
      if (this.#work >= budget) break;
    }
    this.#tell();
    this.#state.size = Math.floor(this.#work / this.#taken);
    return this.#taken === entries.length && entries.length < count;
  }

  /** Returns why the entry is set aside, if it is. */
  #foldRecord(record: ParsedRecord, at: number): string | undefined {
    const state = this.#state;
    const id = record.process;
    let process = state.processes.get(id);
    this.#did.records++;
    if ((process === undefined && record.seq > 1) || process?.state === "ended") {
      this.#did.skipped++;
      this.#did.unheard = true;
      return undefined;
    }
    const lease = at + record.ttl;
    const renew = () => state.leases.set(id, Math.max(lease, state.leases.get(id) ?? 0));
    if (process === undefined) {
      if (state.leases.size >= PROCESSES_MAX) {
        return "too many processes";
      }
      process = this.#register(record, at);
    } else if (record.seq <= process.seq) {
      this.#did.skipped++;
      if (process.state === "live") renew();
      return undefined;
    }
    if (process.state === "live") {
      renew();
      const reason =
        record.seq === process.seq + 1
          ? this.#apply(record, process, at)
          : `seq ${record.seq} after ${process.seq}`;
      if (reason !== undefined) {
        this.#put(id, { state: "fenced" });
        state.about.set(id, { ...state.about.get(id), reason });
        state.leases.set(id, Math.max(state.leases.get(id) ?? 0, at + FENCED_LEASES * record.ttl));
        this.#did.fenced++;
        this.#did.unheard = true;
      } else {
        for (const other of record.replaces) if (other !== id) this.#replace(other, at);
      }
    } else this.#did.unheard = true;
    if (record.bye) this.#end(id, "bye", at);
    return undefined;
  }

  #register(record: ParsedRecord, at: number): Process {
    const state = this.#state;
    const { hello: host, pid, version, protocol } = record.texts;
    const about = { host, pid, version, protocol, started: String(at), ttl: String(record.ttl) };
    state.slots++;
    state.longestGrace = Math.max(state.longestGrace, record.grace);
    state.tracks = record.tracks ?? [];
    state.isScoped ||= record.tracks !== undefined;
    const process: Process = {
      state: "live", seq: 0, sockets: 0, anonymous: 0, connections: 0, slot: state.slots, grace: record.grace,
      cause: undefined, at: undefined,
    }; // prettier-ignore
    state.processes.set(record.process, process);
    state.about.set(
      record.process,
      Object.fromEntries(
        Object.entries(about).filter((pair): pair is [string, string] => pair[1] !== undefined),
      ),
    );
    this.#forgetTheDead();
    return process;
  }

  /**
   * Applies the whole record or none of it. Returns why the process has to be fenced, if it has. Users of an ended process lost those
   * sockets before this record, even if it fences; members of scopes too, unless the other lists have fenced by then.
   */
  #apply(record: ParsedRecord, process: Process, at: number): string | undefined {
    const state = this.#state;
    const dead = this.#dead();
    for (const { users } of record.lists) for (const user of users) this.#takeOffUser(user, dead);
    const users = new Map(state.users);
    const leaving = new Map(state.leaving);
    const causes = new Map<string, ChangeCause>();
    const met = new Set<string>();
    let sum = 0;
    for (const { name, users: list } of record.lists) {
      for (const user of list) {
        met.add(user);
        const slots = new Map(users.get(user) ?? NONE);
        const open = slots.get(process.slot) ?? 0;
        if (name === "connect") {
          sum++;
          slots.set(process.slot, open + 1);
          users.set(user, slots);
          leaving.delete(user);
          continue;
        }
        sum--;
        if (open === 0) return "a count would go negative";
        if (open === 1) slots.delete(process.slot);
        else slots.set(process.slot, open - 1);
        if (slots.size > 0) {
          users.set(user, slots);
          continue;
        }
        causes.set(user, name === "close" ? "bye" : name);
        if (name !== "leave" && process.grace > 0) {
          users.set(user, NONE);
          leaving.set(user, at + process.grace);
        } else users.delete(user);
      }
    }
    const anonymous = record.anonymous ?? process.anonymous;
    const sockets = process.sockets + sum + anonymous - process.anonymous;
    if (sockets !== record.sockets)
      return `check digit: ${record.sockets} sockets declared, ${sockets} counted`;
    for (const { items } of record.scopeLists)
      for (const { scope, users } of items) for (const user of users) this.#takeOffMember(scope, user, dead);
    const undo = copyOfScopes(state);
    const departures: Departure[] = [];
    const reason = this.#applyScopes(record, process, at, departures);
    if (reason !== undefined) {
      Object.assign(state, undo);
      return reason;
    }
    for (const user of met) this.#meet(user);
    for (const [user, cause] of causes) this.#phase.cause.set(user, cause);
    state.users = users;
    state.leaving = leaving;
    for (const { scope, user, cause } of departures) this.#scopes.cause(scope, user, cause);
    for (const [user, cause] of causes) {
      if (users.has(user)) continue;
      const own = new Set(departures.filter((one) => one.user === user).map(({ scope }) => scope));
      this.#wentFromTheWhole(user, cause, own);
    }
    const { connections = process.connections } = record;
    this.#put(record.process, { seq: record.seq, sockets, anonymous, connections });
    this.#did.operations += record.operations;
    return undefined;
  }

  /** Slot → id of the processes whose users are still to be removed. */
  #dead(): ReadonlyMap<number, string> {
    const { leases, processes } = this.#state;
    const ended = [...leases].filter(([, deadline]) => deadline === 0);
    return new Map(ended.map(([id]) => [processes.get(id)!.slot, id]));
  }

  /** Applies the lists of memberships. Returns why the process has to be fenced, if it has; the caller undoes it then. */
  #applyScopes(
    record: ParsedRecord,
    process: Process,
    at: number,
    departures: Departure[],
  ): string | undefined {
    const state = this.#state;
    const { slot, grace } = process;
    for (const { name, items } of record.scopeLists) {
      for (const { scope, told, users } of items) {
        if (told && name === "join") state.told.add(scope);
        for (const user of users) {
          this.#scopes.meet(state, scope, user);
          const slots = new Map(state.scopes.get(scope)?.get(user) ?? NONE);
          const open = slots.get(slot) ?? 0;
          if (name === "join") {
            setMember(state, scope, user, slots.set(slot, open + 1));
            continue;
          }
          if (open === 0) return "a membership would go negative";
          if (open === 1) slots.delete(slot);
          else slots.set(slot, open - 1);
          if (slots.size > 0) {
            setMember(state, scope, user, slots);
            continue;
          }
          departures.push({ scope, user, cause: CAUSES[name] });
          const lingers = name !== "part" && grace > 0 && user !== "";
          setMember(state, scope, user, lingers ? NONE : undefined, at + grace);
        }
      }
    }
    const { memberships } = record;
    state.isScoped ||= memberships !== undefined;
    const counted = membershipsOf(state, slot);
    if (memberships !== undefined && memberships !== counted)
      return `check digit: ${memberships} memberships declared, ${counted} counted`;
    return undefined;
  }

  #replace(id: string, at: number): void {
    const state = this.#state;
    if (state.processes.has(id)) return this.#end(id, "replace", at);
    // Its first record may not have arrived yet.
    const { now } = this.#call;
    state.processes.set(id, {
      state: "ended", seq: 0, sockets: 0, anonymous: 0, connections: 0, slot: 0, grace: 0, cause: "replace", at: now,
    }); // prettier-ignore
    state.ended.set(id, now + TOMBSTONE_MS);
  }

  #put(id: string, fields: Partial<Process>): void {
    this.#state.processes.set(id, { ...this.#state.processes.get(id)!, ...fields });
  }

  #end(id: string, cause: ChangeCause, at: number): void {
    if (this.#state.processes.get(id)?.state === "ended") return;
    this.#put(id, { state: "ended", cause, at });
    this.#state.leases.set(id, 0);
  }

  #bury(id: string): void {
    this.#put(id, { sockets: 0, anonymous: 0, connections: 0 });
    this.#state.leases.delete(id);
    this.#state.absentSince.delete(this.#state.processes.get(id)!.slot);
    this.#state.ended.set(id, this.#call.now + TOMBSTONE_MS);
  }

  /** Whether tombstones are left that are due: their number a call is bounded. */
  #hasTombs(): boolean {
    return [...this.#state.ended.values()].some((until) => until <= this.#call.now);
  }

  #forgetTheDead(): void {
    const over = [...this.#state.ended].filter(([, until]) => until <= this.#call.now);
    over.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
    for (const [id] of over.slice(0, FORGOTTEN_MAX)) {
      this.#state.ended.delete(id);
      this.#state.processes.delete(id);
      this.#state.about.delete(id);
    }
  }

  /** Before the first step of a phase on a user. */
  #meet(user: string): void {
    if (!this.#phase.was.has(user)) this.#phase.was.set(user, this.#state.users.has(user));
  }

  #tell(): void {
    const told = new Map<ChangeCause, string[]>();
    const add = (cause: ChangeCause, user: string) => told.set(cause, [...(told.get(cause) ?? []), user]);
    for (const [user, was] of this.#phase.was) {
      const is = this.#state.users.has(user);
      if (is && !was) add("connect", user);
      if (was && !is) add(this.#phase.cause.get(user)!, user);
    }
    this.#phase = new Phase();
    const moved = this.#scopes.end(this.#state);
    this.#scopes = new ScopePhase();
    if (told.size > 0) this.#told.push(told);
    for (const users of told.values()) this.#did.changes += users.length;
    if (moved.size > 0) this.#moved.push(moved);
    for (const causes of moved.values()) for (const users of causes.values()) this.#did.moves += users.length;
  }

  #dueAt(deadline: number): void {
    this.#due = this.#due === null ? deadline : Math.min(this.#due, deadline);
  }

  /** Ends the processes whose lease expired, buries those without users and memberships. Returns whether there may be more. */
  #gather(): boolean {
    const state = this.#state;
    const { now, reap } = this.#call;
    const member = (id: string) => `${state.processes.get(id)!.slot}:${id}`;
    const first = [...state.leases]
      .sort(([a, x], [b, y]) => x - y || (member(a) < member(b) ? -1 : 1))
      .slice(0, PASS_MAX);
    const pass: Dead[] = [];
    let all = true;
    for (const [id, deadline] of first) {
      if (deadline > now) {
        this.#dueAt(deadline);
        all = false;
        break;
      }
      if (state.processes.get(id)!.state !== "ended" && !reap) {
        this.#did.held++;
        this.#dueAt(deadline);
        all = false;
      } else {
        if (state.processes.get(id)!.state !== "ended") {
          this.#did.reaped++;
          this.#end(id, "reap", now);
        }
        const { slot, sockets, anonymous } = state.processes.get(id)!;
        if (sockets > anonymous || membershipsOf(state, slot) > 0) pass.push({ slot, id });
        else this.#bury(id);
      }
      this.#work++;
    }
    state.pass = pass;
    state.sweep = undefined;
    this.#forgetTheDead();
    return all && first.length === PASS_MAX;
  }

  /** What takes away a user's sockets `gone` on ended processes, as of when they ended: the last one decides. */
  #lastEnd(gone: readonly number[], dead: ReadonlyMap<number, string>): LastEnd {
    const ends = gone.map((slot) => {
      const { cause, at, grace } = this.#state.processes.get(dead.get(slot)!)!;
      return { slot, cause: cause!, at: at!, keep: cause !== "reap" && grace > 0 ? at! + grace : 0 };
    });
    const latest = Math.max(...ends.map(({ at }) => at));
    return ends.filter(({ at }) => at === latest).sort((a, b) => b.keep - a.keep)[0]!;
  }

  /** Removes ended processes from a user. Who is gone then lingers nowhere either. */
  #takeOffUser(user: string, dead: ReadonlyMap<number, string>): void {
    const state = this.#state;
    const slots = state.users.get(user) ?? NONE;
    const gone = [...slots.keys()].filter((slot) => dead.has(slot));
    if (gone.length === 0) return;
    this.#meet(user);
    for (const slot of gone) {
      const id = dead.get(slot)!;
      this.#put(id, { sockets: state.processes.get(id)!.sockets - slots.get(slot)! });
      this.#did.givenBack++;
    }
    const last = this.#lastEnd(gone, dead);
    this.#phase.cause.set(user, last.cause);
    const rest = new Map([...slots].filter(([slot]) => !dead.has(slot)));
    if (rest.size > 0) state.users.set(user, rest);
    else if (last.keep > 0) {
      state.users.set(user, NONE);
      state.leaving.set(user, last.keep);
    } else {
      state.users.delete(user);
      this.#wentFromTheWhole(user, last.cause);
    }
  }

  /**
   * Who is absent from the whole lingers nowhere: neither where it does so already nor where it will, once it is taken off processes that
   * have ended.
   */
  #wentFromTheWhole(user: string, cause: ChangeCause, own?: ReadonlySet<string>): void {
    const state = this.#state;
    this.#scopes.removeLingering(state, user, cause, own);
    for (const [id, deadline] of state.leases) {
      const { slot, grace, cause: end } = state.processes.get(id)!;
      if (deadline > 0 || end === "reap" || grace === 0 || membershipsOf(state, slot) === 0) continue;
      const absent = state.absentSince.get(slot) ?? new Map<string, ChangeCause>();
      if (!absent.has(user)) state.absentSince.set(slot, new Map(absent).set(user, cause));
    }
  }

  /** Removes ended processes from a member of a scope. Who has been absent from the whole since does not begin to linger. */
  #takeOffMember(scope: string, user: string, dead: ReadonlyMap<number, string>): void {
    const state = this.#state;
    const slots = state.scopes.get(scope)?.get(user) ?? NONE;
    const gone = [...slots.keys()].filter((slot) => dead.has(slot));
    if (gone.length === 0) return;
    this.#scopes.meet(state, scope, user);
    const last = this.#lastEnd(gone, dead);
    const rest = new Map([...slots].filter(([slot]) => !dead.has(slot)));
    const absence = state.absentSince.get(last.slot)?.get(user);
    const lingers = last.keep > 0 && state.users.has(user) && absence === undefined;
    setMember(state, scope, user, rest.size > 0 || lingers ? rest : undefined, last.keep);
    this.#scopes.cause(scope, user, (last.keep > 0 ? absence : undefined) ?? last.cause);
  }

  /** One slice of a pass: all users (a small hash is returned whole), or then scopes of one process. */
  #takeOff(): void {
    const state = this.#state;
    const dead = new Map(state.pass.map(({ slot, id }) => [slot, id]));
    if (state.sweep === undefined) {
      const found = state.users.size;
      for (const user of state.users.keys()) this.#takeOffUser(user, dead);
      this.#work += found + 1;
      this.#tell();
      state.sweep = state.isScoped ? 0 : state.pass.length;
    } else this.#takeOffScopes(state.sweep, dead);
    if (state.sweep < state.pass.length) return;
    for (const { id } of state.pass) this.#bury(id);
    state.pass = [];
  }

  /** The scopes of the process `at` of the pass, as far as the budget goes; once there are none, the next one's turn has come. */
  #takeOffScopes(at: number, dead: ReadonlyMap<number, string>): void {
    const state = this.#state;
    const scopes = [...(state.memberships.get(state.pass[at]!.slot)?.keys() ?? [])];
    for (const scope of scopes) {
      const members = [...state.scopes.get(scope)!.keys()];
      for (const user of members) this.#takeOffMember(scope, user, dead);
      this.#work += members.length + 1 + SCOPE_OPERATIONS;
      if (this.#work >= this.#call.budget / 2) break;
    }
    this.#tell();
    if (scopes.length === 0) state.sweep = at + 1;
    if (state.sweep! < state.pass.length) this.#work++;
  }

  /** Returns whether there is more to remove. */
  #reap(): boolean {
    for (;;) {
      if (this.#state.pass.length === 0) {
        const more = this.#gather();
        if (this.#state.pass.length === 0 && !more) return false;
      }
      if (this.#state.pass.length > 0) this.#takeOff();
      if (this.#work >= this.#call.budget / 2) return true;
    }
  }

  /** Those of users and those in scopes; both are bounded. */
  #followClockInGrace(): void {
    const state = this.#state;
    if (!state.clockWentBack) return;
    const latest = this.#call.now + state.longestGrace;
    const limit = Math.floor((this.#call.budget - this.#work) / 4);
    if (limit < 1) return;
    const users = sortedByDeadline(state.leaving).filter(([, deadline]) => deadline > latest);
    for (const [user] of users.slice(0, limit)) state.leaving.set(user, latest);
    const members = lingerersByDeadline(state).filter(({ deadline }) => deadline > latest);
    for (const { scope, user } of members.slice(0, limit)) setMember(state, scope, user, NONE, latest);
    this.#work += Math.min(limit, users.length) + Math.min(limit, members.length);
    if (users.length < limit && members.length < limit) state.clockWentBack = false;
  }

  /** Graces in scopes first, then those of users. Returns whether there are more. */
  #endGrace(): boolean {
    this.#followClockInGrace();
    return this.#endGraceInScopes() || this.#endGraceOfUsers() || this.#state.clockWentBack;
  }

  /** How many graces may end now; 0: none is over, or they are held. Undefined: there is no budget left for those that are over. */
  #graces(first: number | undefined): number | undefined {
    const { now, reap, budget } = this.#call;
    if (first === undefined) return 0;
    if (first > now || !reap) {
      if (first <= now) this.#did.held++;
      this.#dueAt(first);
      return 0;
    }
    const limit = Math.min(VALUES_MAX, Math.floor((budget - this.#work) / 2));
    return limit < 1 ? undefined : limit;
  }

  /** After some have ended: returns whether others are over too. */
  #moreGraces(next: number | undefined): boolean {
    if (next === undefined) return false;
    this.#dueAt(next);
    return next <= this.#call.now;
  }

  #endGraceInScopes(): boolean {
    const state = this.#state;
    const all = lingerersByDeadline(state);
    const limit = this.#graces(all[0]?.deadline);
    if (limit === undefined) return true;
    if (limit === 0) return false;
    const over = all.filter(({ deadline }) => deadline <= this.#call.now).slice(0, limit);
    for (const one of over) this.#scopes.remove(state, one, "grace");
    this.#work += over.length;
    this.#tell();
    return this.#moreGraces(lingerersByDeadline(state)[0]?.deadline);
  }

  #endGraceOfUsers(): boolean {
    const state = this.#state;
    const all = sortedByDeadline(state.leaving);
    const limit = this.#graces(all[0]?.[1]);
    if (limit === undefined) return true;
    if (limit === 0) return false;
    for (const [user] of all.filter(([, deadline]) => deadline <= this.#call.now).slice(0, limit)) {
      this.#meet(user);
      state.leaving.delete(user);
      state.users.delete(user);
      this.#phase.cause.set(user, "grace");
      this.#wentFromTheWhole(user, "grace");
    }
    this.#tell();
    return this.#moreGraces(sortedByDeadline(state.leaving)[0]?.[1]);
  }
}

function sortedByDeadline(leaving: ReadonlyMap<string, number>): [string, number][] {
  return [...leaving].sort(([a, x], [b, y]) => x - y || (before(a, b) ? -1 : 1));
}
