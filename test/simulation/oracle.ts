/**
 * What the projection must hold, derived from docs/protocol.md alone: the log as it was appended, and each process by the
 * records folded so far. It does not use Redis; when Redis loses something, the simulation makes the oracle lose the same.
 */
import { FENCED_LEASES } from "../../src/core/limits.ts";
import { LISTS, type RecordEntry } from "../../src/core/record.ts";
import { type Members, membersAfter, NOBODY } from "./oracle-scopes.ts";
import { OURS } from "./next-version.ts";
import { isBefore } from "../../src/core/stream-id.ts";

export interface Registration {
  state: "live" | "fenced" | "ended";
  cause: string;
  seq: number;
  users: Map<string, number>;
  anonymous: number;
  sockets: number;
  connections: number;
  /** Its memberships of scopes. */
  members: Members;
  /** When the record that renewed its lease last was appended, in the time in which a lease lasts: see Server.elapsed. */
  renewedAt: number;
  /** How long that lease is, at least. */
  ttl: number;
}

interface Entry {
  readonly id: string;
  /** null: not a record. */
  readonly record: RecordEntry | null;
  readonly at: number;
  /** When it was appended, ms of the world. */
  readonly made: number;
  /** The protocol of who appended it. */
  readonly protocol: number;
}

export class Oracle {
  log: Entry[] = [];
  processes = new Map<string, Registration>();
  /** Who is present, as the changes tell it. */
  present = new Set<string>();
  /** Who was in which scope after the last call, and which scopes were told. */
  inScopes = new Map<string, ReadonlySet<string>>();
  toldScopes = new Set<string>();
  /** Process → until when it is remembered as ended, on the clock of Redis. */
  ended = new Map<string, number>();
  /** That of the projector that wrote the totals. */
  protocol = OURS;
  /** A key was lost without which nothing adds up, and no call has noticed yet. */
  doubt = false;
  /** Id of the last change read, and of the last in scopes. */
  changeId = "0-0";
  movedId = "0-0";

  clone(): Oracle {
    const copy = new Oracle();
    copy.log = [...this.log];
    for (const [id, process] of this.processes)
      copy.processes.set(id, { ...process, users: new Map(process.users) });
    copy.present = new Set(this.present);
    copy.inScopes = new Map(this.inScopes);
    copy.toldScopes = new Set(this.toldScopes);
    copy.movedId = this.movedId;
    copy.ended = new Map(this.ended);
    copy.protocol = this.protocol;
    copy.doubt = this.doubt;
    copy.changeId = this.changeId;
    return copy;
  }

  /** A call forgot all that is derived. */
  rebuilt(): void {
    this.processes.clear();
    this.present.clear();
    this.inScopes.clear();
    this.toldScopes.clear();
    this.ended.clear();
    this.doubt = false;
  }

  /**
   * Folds the log up to `foldedId`, at a time of the clock of Redis. Returns how many records and other entries that were, and
   * how many fenced somebody.
   */
  fold(foldedId: string, clock: number): { records: number; rejected: number; fenced: number } {
    const done = { records: 0, rejected: 0, fenced: 0 };
    let taken = 0;
    for (const { id, record, at, protocol } of this.log) {
      if (isBefore(foldedId, id)) break;
      taken++;
      // Its first record says so: one of a later version than the projector is set aside.
      const isTooNew = record?.seq === 1 && protocol > this.protocol;
      if (record === null || isTooNew) done.rejected++;
      else {
        done.records++;
        if (this.#apply(record, at, clock)) done.fenced++;
      }
    }
    this.log.splice(0, taken);
    return done;
  }

  /** Returns whether the record fenced its process. */
  #apply(record: RecordEntry, at: number, clock: number): boolean {
    const known = this.processes.get(record.process);
    if (known === undefined ? record.seq > 1 : known.state === "ended") return false;
    const process: Registration = known ?? {
      state: "live", cause: "", seq: 0, users: new Map(), anonymous: 0, sockets: 0, connections: 0,
      members: NOBODY, renewedAt: at, ttl: record.ttl,
    }; // prettier-ignore
    this.processes.set(record.process, process);
    if (known === undefined) this.forget(clock);
    if (process.state === "live") {
      process.renewedAt = at;
      process.ttl = record.ttl;
    }
    if (record.seq <= process.seq) return false;
    const fences =
      process.state === "live" && (record.seq !== process.seq + 1 || !this.#count(process, record));
    if (fences) {
      process.state = "fenced";
      process.ttl = FENCED_LEASES * record.ttl;
    }
    if (process.state === "live")
      for (const id of record.replaces ?? []) if (id !== record.process) this.#replace(id);
    if (record.bye === true) this.#end(record.process, "bye");
    return fences;
  }

  /** Returns false, and changes nothing, when the record cannot be true. */
  #count(process: Registration, record: RecordEntry): boolean {
    const users = new Map(process.users);
    const { anonymous = process.anonymous } = record;
    let sockets = process.sockets + anonymous - process.anonymous;
    for (const name of LISTS) {
      const step = name === "connect" ? 1 : -1;
      for (const user of record[name] ?? []) {
        sockets += step;
        const n = (users.get(user) ?? 0) + step;
        if (n < 0) return false;
        if (n === 0) users.delete(user);
        else users.set(user, n);
      }
    }
    const members = membersAfter(process.members, record);
    if (sockets !== record.sockets || members === undefined) return false;
    Object.assign(process, { users, anonymous, sockets, members, seq: record.seq });
    process.connections = record.connections ?? process.connections;
    return true;
  }

  /** One that was never heard of has ended all the same: its first record may still be on its way. */
  #replace(id: string): void {
    if (this.processes.has(id)) return this.#end(id, "replace");
    this.processes.set(id, {
      state: "ended", cause: "replace", seq: 0, users: new Map(), anonymous: 0, sockets: 0, connections: 0,
      members: NOBODY, renewedAt: 0, ttl: 0,
    }); // prettier-ignore
  }

  #end(id: string, cause: string): void {
    const process = this.processes.get(id);
    if (process === undefined || process.state === "ended") return;
    process.state = "ended";
    process.cause = cause;
  }

  reaped(id: string): void {
    this.#end(id, "reap");
  }

  /** Those whose time as tombstones is over. */
  forget(clock: number): void {
    for (const [id, until] of this.ended) {
      if (until > clock) continue;
      this.ended.delete(id);
      this.processes.delete(id);
    }
  }
}
