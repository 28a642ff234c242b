/**
 * The journal of one process in one shard: which sockets are open, which changes are not in a record yet, and the next
 * record. Pure: no clock, no I/O. The recorder sends its records.
 *
 * Changes that are not appended yet are kept as one net count per user, not as a list of operations. So memory is bounded by
 * the sockets open now plus those open at the last record, however long Redis is away (INV-9), plus GONE_MAX users who came
 * and went since then. They leave no socket, but their connect ends a grace that another process started, and a dropped
 * transport may start one, so both are recorded: what a record says is what its operations would say one by one (INV-12).
 */
import { LIST_BYTES_MAX, OPERATIONS_MAX, REPLACES_MAX } from "./limits.ts";
import { type About, LISTS, type ListName, type RecordEntry } from "./record.ts";
import { utf8Length } from "./utf8.ts";

/** `leave`: one side said goodbye. `disconnect`: the transport dropped, grace applies. */
export type Departure = Exclude<ListName, "connect" | "close">;

/** Most users kept who came and went while nothing could be appended; beyond it, those gone the longest are dropped. */
export const GONE_MAX = 10_000;

interface Pending {
  /** Sockets to add (positive) or remove (negative). */
  delta: number;
  /** How the last of them went; undefined: none went. */
  departure: Departure | undefined;
}

export interface JournalOptions {
  readonly ttl: number;
  readonly about: About;
}

export interface TakeOptions {
  /** `io.engine.clientsCount`, for shard 0. */
  readonly connections?: number | undefined;
  /** The server closes: the records state the departure of every open socket, and the last one has `bye`. */
  readonly bye?: boolean | undefined;
}

export class Journal {
  readonly #ttl: number;
  readonly #about: About;
  /** Open sockets by user. */
  readonly #open = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();
  /** Of `#pending`, those with neither a socket nor a delta, longest gone first. */
  readonly #gone = new Set<string>();
  #anonymous = 0;
  /** As in the last record. */
  #anonymousRecorded = 0;
  #connectionsRecorded: number | undefined;
  #process: string;
  #seq = 0;
  /** The check digit without anonymous sockets: sockets of users after the last record made. */
  #recorded = 0;
  /** Earlier incarnations that may not have ended yet, oldest first. */
  #replaces: string[] = [];
  /** A new incarnation is still sending its full state: `replaces` goes into the last of those records. */
  #restating = false;
  /** The record that ended, or will end, the earlier ones. */
  #restatedBy = 0;
  /** Departures that a closing server has still to state. */
  #closing: Map<string, number> | undefined;

  constructor(process: string, { ttl, about }: JournalOptions) {
    this.#process = process;
    this.#ttl = ttl;
    this.#about = about;
  }

  get process(): string {
    return this.#process;
  }

  /** Seq of the last record made; 0 before the first. */
  get seq(): number {
    return this.#seq;
  }

  /** Whether there are operations that are not in a record yet. */
  get dirty(): boolean {
    return this.#pending.size > 0 || this.#restating || this.#anonymous !== this.#anonymousRecorded;
  }

  /** Whether they fill a record. */
  get full(): boolean {
    return this.#pending.size >= OPERATIONS_MAX;
  }

  /** Whether the next record must not wait: it is full, or part of a full state. */
  get urgent(): boolean {
    return this.full || this.#restating || this.#seq === 0;
  }

  /** Sockets open now. */
  get sockets(): number {
    let sockets = this.#anonymous;
    for (const open of this.#open.values()) sockets += open;
    return sockets;
  }

  /** Entries kept in memory, for tests of INV-9. */
  get size(): number {
    return this.#open.size + this.#pending.size;
  }

  /** `""`: a socket without a user. */
  connect(user: string): void {
    if (user === "") {
      this.#anonymous++;
      return;
    }
    this.#open.set(user, (this.#open.get(user) ?? 0) + 1);
    this.#gone.delete(user);
    const pending = this.#pending.get(user);
    if (pending === undefined) this.#pending.set(user, { delta: 1, departure: undefined });
    else {
      pending.delta++;
      this.#settle(user, pending);
    }
  }

  /** Undoes one `connect` of the same user. Returns false, and does nothing, when there was none. */
  disconnect(user: string, departure: Departure): boolean {
    if (user === "") {
      if (this.#anonymous === 0) return false;
      this.#anonymous--;
      return true;
    }
    const open = this.#open.get(user) ?? 0;
    if (open === 0) return false;
    if (open === 1) this.#open.delete(user);
    else this.#open.set(user, open - 1);
    const pending = this.#pending.get(user);
    if (pending === undefined) this.#pending.set(user, { delta: -1, departure });
    else {
      pending.delta--;
      pending.departure = departure;
      this.#settle(user, pending);
    }
    return true;
  }

  /**
   * Drops a user whose sockets are as in the last record, unless none is open: then one came and went since. The user may be in
   * a grace that another process started, which the connect ends, also where this process gives none.
   */
  #settle(user: string, { delta }: Pending): void {
    if (delta !== 0) return;
    if (this.#open.has(user)) {
      this.#pending.delete(user);
      return;
    }
    this.#gone.delete(user);
    this.#gone.add(user);
    if (this.#gone.size <= GONE_MAX) return;
    const [longest] = this.#gone;
    this.#gone.delete(longest!);
    this.#pending.delete(longest!);
  }

  /** Makes the next record; one without operations is a heartbeat. Its operations are no longer pending. */
  take({ connections, bye = false }: TakeOptions = {}): RecordEntry {
    const lists = new Lists();
    this.#takePending(lists);
    if (bye && this.#pending.size === 0) this.#takeClosing(lists);
    const complete = this.#pending.size === 0;
    const first = this.#seq === 0;
    const replaces = complete && this.#restating ? this.#replaces : [];
    const isLast = bye && complete && this.#closing?.size === 0;
    const anonymous = isLast ? 0 : this.#anonymous;
    const anonymousChanged = anonymous !== this.#anonymousRecorded;
    this.#anonymousRecorded = anonymous;
    this.#recorded += lists.sum;
    const connectionsChanged = connections !== undefined && connections !== this.#connectionsRecorded;
    if (connectionsChanged) this.#connectionsRecorded = connections;
    this.#seq++;
    if (complete && this.#restating) {
      this.#restating = false;
      this.#restatedBy = this.#seq;
    }
    return {
      process: this.#process,
      seq: this.#seq,
      ttl: this.#ttl,
      ...(first && { about: this.#about }),
      ...lists.users,
      ...(anonymousChanged && { anonymous }),
      sockets: this.#recorded + anonymous,
      ...(connectionsChanged && { connections }),
      ...(isLast && { bye: true }),
      ...(replaces.length > 0 && { replaces }),
    };
  }

  #takePending(lists: Lists): void {
    for (const [user, pending] of this.#pending) {
      if (pending.delta === 0) {
        // Came and went: both are recorded, in the order of the lists.
        if (!lists.fits(user, 2)) return;
        lists.add("connect", user);
        lists.add(pending.departure!, user);
      }
      while (pending.delta > 0) {
        if (!lists.add("connect", user)) return;
        pending.delta--;
      }
      while (pending.delta < 0) {
        if (!lists.add(pending.departure!, user)) return;
        pending.delta++;
      }
      this.#pending.delete(user);
      this.#gone.delete(user);
    }
  }

  #takeClosing(lists: Lists): void {
    this.#closing ??= new Map(this.#open);
    for (const [user, open] of this.#closing) {
      for (let left = open; left > 0; left--) {
        if (!lists.add("close", user)) return;
        this.#closing.set(user, left - 1);
      }
      this.#closing.delete(user);
    }
  }

  /**
   * Starts a new incarnation under a fresh id: the coming records state every open socket, and the last of them ends
   * the earlier incarnations.
   */
  restate(process: string): void {
    this.#replaces = [...this.#replaces, this.#process].slice(-REPLACES_MAX);
    this.#process = process;
    this.#seq = 0;
    this.#recorded = 0;
    this.#anonymousRecorded = 0;
    this.#connectionsRecorded = undefined;
    this.#restating = true;
    this.#closing = undefined;
    // Who came and went since the last record did so without a socket in any: that is as true of the new incarnation.
    for (const user of this.#pending.keys()) if (!this.#gone.has(user)) this.#pending.delete(user);
    for (const [user, open] of this.#open) this.#pending.set(user, { delta: open, departure: undefined });
  }

  /** The projector accepts all records up to `seq`: if that includes the full state, the earlier incarnations have ended. */
  confirm(seq: number): void {
    if (!this.#restating && seq >= this.#restatedBy) this.#replaces = [];
  }
}

/** Text that JSON writes unescaped, one byte per character. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Bytes of an id in a JSON list, quotes and comma included. */
function bytesOf(user: string): number {
  return PLAIN.test(user) ? user.length + 3 : utf8Length(JSON.stringify(user)) + 1;
}

/** The lists of the record being made, within the limits of the protocol. */
class Lists {
  readonly users: { [Name in ListName]?: string[] } = {};
  readonly #bytes: Record<ListName, number> = { connect: 2, disconnect: 2, leave: 2, close: 2 };
  #operations = 0;
  /** Their net change in sockets. */
  sum = 0;

  fits(user: string, operations: number): boolean {
    const bytes = bytesOf(user);
    return (
      this.#operations + operations <= OPERATIONS_MAX &&
      LISTS.every((name) => this.#bytes[name] + bytes <= LIST_BYTES_MAX)
    );
  }

  /** Returns false, and adds nothing, when the list is full. */
  add(name: ListName, user: string): boolean {
    const bytes = bytesOf(user);
    if (this.#operations === OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX) return false;
    (this.users[name] ??= []).push(user);
    this.#bytes[name] += bytes;
    this.#operations++;
    this.sum += name === "connect" ? 1 : -1;
    return true;
  }
}
