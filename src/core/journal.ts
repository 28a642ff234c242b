/**
 * The journal of one process in one shard: which sockets are open, in which scopes they are, which changes are not in a record
 * yet, and the next record. Pure: no clock, no I/O. The recorder sends its records.
 *
 * Its memory is bounded by the sockets and memberships open now plus those open at the last record, however long Redis is away
 * (INV-9), plus twice GONE_MAX users who came and went since then, in the whole and in scopes (ledger.ts). What a record says is
 * what its operations would say one by one (INV-12).
 */
import { Backlog, type Departure, Ledger, takeEach } from "./ledger.ts";
import { OPERATIONS_MAX, REPLACES_MAX } from "./limits.ts";
import { Memberships } from "./memberships.ts";
import { RecordLists } from "./record-lists.ts";
import type { About, RecordEntry } from "./record.ts";
import { SocketIds } from "./socket-ids.ts";

export { type Departure, GONE_MAX } from "./ledger.ts";

export interface JournalOptions {
  readonly ttl: number;
  readonly about: About;
  /** Whether the ids of sockets are kept: then all records have fields of them. Default false. */
  readonly ids?: boolean | undefined;
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
  /** Sockets of users. */
  readonly #users = new Ledger(new Backlog());
  readonly #memberships = new Memberships();
  /** Undefined: they are not kept. */
  readonly #ids: SocketIds | undefined;
  #anonymous = 0;
  /** As in the last record. */
  #anonymousRecorded = 0;
  #connectionsRecorded: number | undefined;
  #process: string;
  #seq = 0;
  /** The check digit without anonymous sockets: sockets of users after the last record made. */
  #recorded = 0;
  /** The check digit of memberships. */
  #membershipsRecorded = 0;
  /** Earlier incarnations that may not have ended yet, oldest first. */
  #replaces: string[] = [];
  /** A new incarnation is still sending its full state: `replaces` goes into the last of those records. */
  #restating = false;
  /** The record that ended, or will end, the earlier ones. */
  #restatedBy = 0;
  /** Departures that a closing server has still to state. */
  #closing: Map<string, number> | undefined;

  constructor(process: string, { ttl, about, ids = false }: JournalOptions) {
    this.#process = process;
    this.#ttl = ttl;
    this.#about = about;
    this.#ids = ids ? new SocketIds() : undefined;
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
    return (
      this.#users.pending > 0 ||
      this.#restating ||
      this.#anonymous !== this.#anonymousRecorded ||
      this.#memberships.dirty ||
      this.#ids?.dirty === true
    );
  }

  /** About how many there are. */
  get pending(): number {
    return this.#users.pending + this.#memberships.operations + (this.#ids?.operations ?? 0);
  }

  /** Whether they fill a record. */
  get full(): boolean {
    return this.pending >= OPERATIONS_MAX;
  }

  /** Whether a new incarnation is still sending its full state. */
  get restating(): boolean {
    return this.#restating;
  }

  /** Whether the next record must not wait: it is full, or part of a full state. */
  get urgent(): boolean {
    return this.full || this.#restating || this.#seq === 0;
  }

  /** Sockets open now. */
  get sockets(): number {
    return this.#anonymous + this.#users.sockets;
  }

  /** Memberships open now: sockets in scopes. */
  get memberships(): number {
    return this.#memberships.open;
  }

  /** Entries kept in memory, for tests of INV-9. */
  get size(): number {
    return this.#users.open.size + this.#users.pending + this.#memberships.size + (this.#ids?.size ?? 0);
  }

  /** `""`: a socket without a user. */
  connect(user: string): void {
    if (user === "") {
      this.#anonymous++;
      return;
    }
    this.#users.add(user);
  }

  /** Undoes one `connect` of the same user. Returns false, and does nothing, when there was none. */
  disconnect(user: string, departure: Departure): boolean {
    if (user === "") {
      if (this.#anonymous === 0) return false;
      this.#anonymous--;
      return true;
    }
    return this.#users.remove(user, departure);
  }

  /**
   * A socket that is connected is in `scope` now; with `*` before it, its changes are told, as the last of these calls says. Returns
   * false, and does nothing, when this process tracks no scopes.
   */
  join(scope: string, user: string): boolean {
    if (this.#about.tracks === undefined) return false;
    this.#memberships.join(scope, user);
    return true;
  }

  /** Undoes one `join` of the same scope and user, before the `disconnect` of the socket. Returns false, and does nothing, when there was none. */
  part(scope: string, user: string, departure: Departure): boolean {
    return this.#memberships.part(scope, user, departure);
  }

  /**
   * A socket that is connected is in exactly these scopes now, whatever was said before; `*` before one means nothing here. They are read
   * when a record is made, so they may change until then, if that is told too. Returns false, and does nothing, when ids are not kept.
   */
  opened(id: string, user: string, scopes: Iterable<string>): boolean {
    this.#ids?.set(id, user, scopes);
    return this.#ids !== undefined;
  }

  /** There is no socket with this id any more. Returns false, and does nothing, when ids are not kept. */
  gone(id: string): boolean {
    this.#ids?.delete(id);
    return this.#ids !== undefined;
  }

  /** Makes the next record; one without operations is a heartbeat. Its operations are no longer pending. */
  take({ connections, bye = false }: TakeOptions = {}): RecordEntry {
    const lists = new RecordLists();
    // Of a process that ends nobody asks for its sockets.
    const complete = this.#takePending(lists) && (bye || this.#ids?.take(lists) !== false);
    if (bye && complete) this.#takeClosing(lists);
    const first = this.#seq === 0;
    const replaces = complete && this.#restating ? this.#replaces : [];
    const isLast = bye && complete && this.#closing?.size === 0;
    const anonymous = isLast ? 0 : this.#anonymousNow;
    const anonymousChanged = anonymous !== this.#anonymousRecorded;
    this.#anonymousRecorded = anonymous;
    this.#recorded += lists.sockets;
    this.#membershipsRecorded += lists.memberships;
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
      ...lists.scopes,
      ...(this.#about.tracks !== undefined && { memberships: this.#membershipsRecorded }),
      ...lists.ids,
      ...(this.#ids !== undefined && { ids: this.#ids.recorded }),
      ...(isLast && { bye: true }),
      ...(replaces.length > 0 && { replaces }),
    };
  }

  /**
   * Returns whether all fitted. Nobody is in a scope who is not in the whole, after any record: so users come before their
   * memberships, and go after them.
   */
  #takePending(lists: RecordLists): boolean {
    const users = this.#users;
    const memberships = this.#memberships;
    if (!memberships.dirty) return users.take(lists);
    return (
      users.takeComing(lists) &&
      memberships.takeJoins(lists, (user) => users.recorded(user) > 0) &&
      memberships.takeParts(lists) &&
      users.takeGoing(lists)
    );
  }

  /** Anonymous sockets for the record being made: they too go only after their memberships. */
  get #anonymousNow(): number {
    return this.#memberships.dirty ? Math.max(this.#anonymous, this.#anonymousRecorded) : this.#anonymous;
  }

  #takeClosing(lists: RecordLists): void {
    if (!this.#memberships.takeShut(lists)) return;
    this.#closing ??= new Map(this.#users.open);
    takeEach(this.#closing, (user) => lists.add("close", user));
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
    this.#membershipsRecorded = 0;
    this.#users.restate();
    this.#memberships.restate();
    this.#ids?.restate();
  }

  /** The projector accepts all records up to `seq`: if that includes the full state, the earlier incarnations have ended. */
  confirm(seq: number): void {
    if (!this.#restating && seq >= this.#restatedBy) this.#replaces = [];
  }
}
