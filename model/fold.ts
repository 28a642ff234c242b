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
  TOMBSTONE_MS,
} from "../src/core/limits.ts";
import { cut, type ParsedRecord, parseRecord, type Proof } from "./parse.ts";
import { copyOf, type Dead, type Process, type Projection } from "./state.ts";

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
  held: number;
  left: number;
}

export interface Outcome {
  readonly state: Projection;
  readonly result: ModelResult;
  /** How many entries were removed from the log. */
  readonly taken: number;
  readonly told: readonly ToldEntry[];
  readonly setAside: readonly SetAside[];
}

/** One call of the projector: fold, then reap, then end grace. `before` stays as it is. */
export function project(before: Projection, call: Call): Outcome {
  return new ProjectorCall(copyOf(before), call).run();
}

const EMPTY: ReadonlyMap<number, number> = new Map();

/** What one phase does to users; its changes are reported together at its end. */
class Phase {
  readonly was = new Map<string, boolean>();
  readonly cause = new Map<string, ChangeCause>();
}

class ProjectorCall {
  readonly #state: Projection;
  readonly #call: Call;
  readonly #told: ToldEntry[] = [];
  readonly #setAside: SetAside[] = [];
  #phase = new Phase();
  #work = 0;
  #due: number | null = null;
  #taken = 0;
  readonly #did: ModelResult = {
    due: null, more: false, foldedId: "", records: 0, operations: 0, skipped: 0, fenced: 0, rejected: 0, reaped: 0, givenBack: 0,
    changes: 0, held: 0, left: 0,
  }; // prettier-ignore

  constructor(state: Projection, call: Call) {
    this.#state = state;
    this.#call = call;
  }

  run(): Outcome {
    const state = this.#state;
    this.#followClock();
    const drained = this.#fold();
    const more = !drained || this.#reap() || this.#endGrace() || this.#hasTombs();
    state.ran = this.#call.now;
    for (const name of ["records", "rejected", "fenced", "reaped"] as const)
      state.ever[name] += this.#did[name];
    return {
      state,
      taken: this.#taken,
      told: this.#told,
      setAside: this.#setAside,
      result: {
        ...this.#did,
        due: more ? this.#call.now : this.#due,
        more,
        foldedId: state.foldedId,
        left: more ? this.#call.log.length - this.#taken : 0,
      },
    };
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
      const record = parseRecord(fields, this.#call.proven);
      const reason =
        "reason" in record
          ? record.reason
          : this.#foldRecord(record, Math.min(Number(id.split("-", 1)[0]), now));
      if (reason !== undefined) {
        const kept = fields.slice(0, KEPT_VALUES).map((value) => cut(value, ID_BYTES_MAX));
        this.#setAside.push({ id, reason, fields: kept });
        this.#did.rejected++;
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
      } else {
        for (const other of record.replaces) if (other !== id) this.#replace(other, at);
      }
    }
    if (record.bye) this.#end(id, "bye", at);
    return undefined;
  }

  #register(record: ParsedRecord, at: number): Process {
    const state = this.#state;
    const { hello: host, pid, version, protocol } = record.texts;
    const about = { host, pid, version, protocol, started: String(at), ttl: String(record.ttl) };
    state.slots++;
    state.longestGrace = Math.max(state.longestGrace, record.grace);
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

  /** Applies the whole record or none of it. Returns why the process has to be fenced, if it has. */
  #apply(record: ParsedRecord, process: Process, at: number): string | undefined {
    const state = this.#state;
    // Users of an ended process lost those sockets before this record.
    const dead = new Map<number, string>();
    for (const [id, deadline] of state.leases)
      if (deadline === 0) dead.set(state.processes.get(id)!.slot, id);
    for (const { users: list } of record.lists) for (const user of list) this.#takeOffUser(user, dead);
    const users = new Map(state.users);
    const leaving = new Map(state.leaving);
    const causes = new Map<string, ChangeCause>();
    const met = new Set<string>();
    let sum = 0;
    for (const { name, users: list } of record.lists) {
      for (const user of list) {
        met.add(user);
        const slots = new Map(users.get(user) ?? EMPTY);
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
          users.set(user, EMPTY);
          leaving.set(user, at + process.grace);
        } else users.delete(user);
      }
    }
    const anonymous = record.anonymous ?? process.anonymous;
    const sockets = process.sockets + sum + anonymous - process.anonymous;
    if (sockets !== record.sockets)
      return `check digit: ${record.sockets} sockets declared, ${sockets} counted`;
    for (const user of met) this.#meet(user);
    for (const [user, cause] of causes) this.#phase.cause.set(user, cause);
    state.users = users;
    state.leaving = leaving;
    const { connections = process.connections } = record;
    this.#put(record.process, { seq: record.seq, sockets, anonymous, connections });
    this.#did.operations += record.operations;
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
    if (told.size === 0) return;
    this.#told.push(told);
    for (const users of told.values()) this.#did.changes += users.length;
  }

  #dueAt(deadline: number): void {
    this.#due = this.#due === null ? deadline : Math.min(this.#due, deadline);
  }

  /** Ends the processes whose lease expired, buries those without users. Returns whether there may be more. */
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
        if (sockets > anonymous) pass.push({ slot, id });
        else this.#bury(id);
      }
      this.#work++;
    }
    state.pass = pass;
    this.#forgetTheDead();
    return all && first.length === PASS_MAX;
  }

  /** Removes ended processes from a user, as of when they ended: the last one decides. */
  #takeOffUser(user: string, dead: ReadonlyMap<number, string>): void {
    const state = this.#state;
    const slots = state.users.get(user) ?? EMPTY;
    const gone = [...slots].filter(([slot]) => dead.has(slot));
    if (gone.length === 0) return;
    this.#meet(user);
    const ends = gone.map(([slot, open]) => {
      const id = dead.get(slot)!;
      const { sockets, cause, at, grace } = state.processes.get(id)!;
      this.#put(id, { sockets: sockets - open });
      this.#did.givenBack++;
      return { cause: cause!, at: at!, keep: cause !== "reap" && grace > 0 ? at! + grace : 0 };
    });
    const latest = Math.max(...ends.map(({ at }) => at));
    const last = ends.filter(({ at }) => at === latest).sort((a, b) => b.keep - a.keep)[0]!;
    this.#phase.cause.set(user, last.cause);
    const rest = new Map([...slots].filter(([slot]) => !dead.has(slot)));
    if (rest.size > 0) state.users.set(user, rest);
    else if (last.keep > 0) {
      state.users.set(user, EMPTY);
      state.leaving.set(user, last.keep);
    } else state.users.delete(user);
  }

  /** A pass in one slice: a small hash is returned whole. */
  #takeOff(): void {
    const state = this.#state;
    const dead = new Map(state.pass.map(({ slot, id }) => [slot, id]));
    const found = state.users.size;
    for (const user of state.users.keys()) this.#takeOffUser(user, dead);
    this.#work += found + 1;
    this.#tell();
    for (const { id } of state.pass) this.#bury(id);
    state.pass = [];
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

  #followClockInGrace(): void {
    const state = this.#state;
    if (!state.clockWentBack) return;
    const latest = this.#call.now + state.longestGrace;
    const limit = Math.floor((this.#call.budget - this.#work) / 4);
    if (limit < 1) return;
    const late = sortedByDeadline(state.leaving)
      .filter(([, deadline]) => deadline > latest)
      .slice(0, limit);
    for (const [user] of late) state.leaving.set(user, latest);
    this.#work += late.length;
    if (late.length < limit) state.clockWentBack = false;
  }

  /** Returns whether there are more. */
  #endGrace(): boolean {
    this.#followClockInGrace();
    const state = this.#state;
    const { now, reap, budget } = this.#call;
    const [first] = sortedByDeadline(state.leaving);
    if (first === undefined) return state.clockWentBack;
    if (first[1] > now || !reap) {
      if (first[1] <= now) this.#did.held++;
      this.#dueAt(first[1]);
      return state.clockWentBack;
    }
    const limit = Math.floor((budget - this.#work) / 2);
    if (limit < 1) return true;
    const over = sortedByDeadline(state.leaving)
      .filter(([, deadline]) => deadline <= now)
      .slice(0, limit);
    for (const [user] of over) {
      this.#meet(user);
      state.leaving.delete(user);
      state.users.delete(user);
      this.#phase.cause.set(user, "grace");
    }
    this.#tell();
    const [next] = sortedByDeadline(state.leaving);
    if (next === undefined) return state.clockWentBack;
    this.#dueAt(next[1]);
    return state.clockWentBack || next[1] <= now;
  }
}

function sortedByDeadline(leaving: ReadonlyMap<string, number>): [string, number][] {
  return [...leaving].sort(([a, x], [b, y]) => x - y || (utf8Before(a, b) ? -1 : 1));
}

/** Redis orders members of equal score by their bytes, which is the order of their code points. */
function utf8Before(a: string, b: string): boolean {
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const [p, q] = [x[i]!.codePointAt(0)!, y[i]!.codePointAt(0)!];
    if (p !== q) return p < q;
  }
  return x.length < y.length;
}
