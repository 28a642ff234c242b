/**
 * What the projection has to hold, told by docs/protocol.md alone: the log as it was appended, and each process as the
 * records folded so far make it. Knows nothing of Redis; when Redis loses something, the simulation makes the oracle
 * lose the same.
 */
import type { RecordEntry } from "../../src/core/record.ts";
import { isBefore } from "../../src/core/stream-id.ts";

export interface Registration {
  state: "live" | "fenced" | "ended";
  cause: string;
  seq: number;
  users: Map<string, number>;
  anonymous: number;
  sockets: number;
  connections: number;
  /** When the last record of it that was folded was appended, in the time in which a lease lasts: see Server.elapsed. */
  renewedAt: number;
  ttl: number;
}

interface Entry {
  readonly id: string;
  /** null: not a record. */
  readonly record: RecordEntry | null;
  readonly at: number;
}

export class Oracle {
  log: Entry[] = [];
  processes = new Map<string, Registration>();
  /** Who is present, as the changes tell it. */
  present = new Set<string>();
  /** Id of the last change read. */
  changeId = "0-0";

  clone(): Oracle {
    const copy = new Oracle();
    copy.log = [...this.log];
    for (const [id, process] of this.processes)
      copy.processes.set(id, { ...process, users: new Map(process.users) });
    copy.present = new Set(this.present);
    copy.changeId = this.changeId;
    return copy;
  }

  /** Folds the log up to `foldedId`. Returns how many records and other entries that were, and how many fenced somebody. */
  fold(foldedId: string): { records: number; rejected: number; fenced: number } {
    const done = { records: 0, rejected: 0, fenced: 0 };
    let taken = 0;
    for (const { id, record, at } of this.log) {
      if (isBefore(foldedId, id)) break;
      taken++;
      if (record === null) done.rejected++;
      else {
        done.records++;
        if (this.#apply(record, at)) done.fenced++;
      }
    }
    this.log.splice(0, taken);
    return done;
  }

  /** Returns whether the record fenced its process. */
  #apply(record: RecordEntry, at: number): boolean {
    const known = this.processes.get(record.process);
    if (known?.state === "ended") return false;
    const process: Registration = known ?? {
      state: "live", cause: "", seq: 0, users: new Map(), anonymous: 0, sockets: 0, connections: 0,
      renewedAt: at, ttl: record.ttl,
    }; // prettier-ignore
    this.processes.set(record.process, process);
    process.renewedAt = at;
    process.ttl = record.ttl;
    if (record.seq <= process.seq) return false;
    const fences =
      process.state === "live" && (record.seq !== process.seq + 1 || !this.#count(process, record));
    if (fences) process.state = "fenced";
    if (process.state === "live") for (const id of record.replaces ?? []) this.#end(id, "replace");
    if (record.bye === true) this.#end(record.process, "bye");
    return fences;
  }

  /** Returns false, and changes nothing, when the record cannot be true. */
  #count(process: Registration, record: RecordEntry): boolean {
    const users = new Map(process.users);
    let { anonymous, sockets } = process;
    for (const { op, user } of record.operations) {
      const step = op === "connect" ? 1 : -1;
      sockets += step;
      if (user === "") {
        anonymous += step;
        continue;
      }
      const n = (users.get(user) ?? 0) + step;
      if (n < 0) return false;
      if (n === 0) users.delete(user);
      else users.set(user, n);
    }
    if (anonymous < 0 || sockets !== record.sockets) return false;
    Object.assign(process, { users, anonymous, sockets, seq: record.seq });
    process.connections = record.connections ?? process.connections;
    return true;
  }

  #end(id: string, cause: string): void {
    const process = this.processes.get(id);
    if (process === undefined || process.state === "ended") return;
    process.state = "ended";
    process.cause = cause;
    process.connections = 0;
  }

  reaped(id: string): void {
    this.#end(id, "reap");
  }
}
