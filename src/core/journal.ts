/**
 * The journal of one process in one shard: which sockets are open, what of that is not in a record yet, and the next
 * record. Pure: no clock, no I/O. The recorder sends what it makes.
 *
 * What is not appended yet is kept as one net count a user, not as a list of operations. So a socket that came and went
 * meanwhile leaves nothing, and the memory is bounded by the sockets that are open now plus those that were open when
 * the last record was appended, however long Redis is away (INV-9).
 */
import { PresenceError } from "./errors.ts";
import { OPERATIONS_MAX, REPLACES_MAX } from "./limits.ts";
import type { About, Operation, OperationName, RecordEntry } from "./record.ts";

/** `leave`: one side said goodbye. `disconnect`: the transport dropped, grace applies. */
export type Fall = Exclude<OperationName, "connect">;

interface Pending {
  /** Sockets to add (positive) or to take away. Never 0. */
  delta: number;
  /** How the last of them fell. */
  fall: Fall;
}

export interface JournalOptions {
  readonly ttl: number;
  readonly about: About;
}

export interface TakeOptions {
  /** `io.engine.clientsCount`, for shard 0. */
  readonly connections?: number | undefined;
  /** Make this the last record of the process, if everything fits in. */
  readonly bye?: boolean | undefined;
}

export class Journal {
  readonly #ttl: number;
  readonly #about: About;
  /** Open sockets by user; "" for anonymous ones. */
  readonly #open = new Map<string, number>();
  readonly #pending = new Map<string, Pending>();
  #process: string;
  #seq = 0;
  /** The check digit: sockets after the last record made. */
  #recorded = 0;
  /** Earlier incarnations not known to have ended, oldest first. */
  #replaces: string[] = [];
  /** While a new incarnation states all it has: `replaces` goes into its last record, not before. */
  #restating = false;

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

  /** Are there operations that no record holds yet? */
  get dirty(): boolean {
    return this.#pending.size > 0 || this.#restating;
  }

  /** Is there a full record of them? */
  get full(): boolean {
    return this.#pending.size >= OPERATIONS_MAX;
  }

  /** Not to be kept waiting: a full record, or an incarnation that has not stated all it has. */
  get urgent(): boolean {
    return this.full || this.#restating || this.#seq === 0;
  }

  /** Entries kept in memory, for tests of INV-9. */
  get size(): number {
    return this.#open.size + this.#pending.size;
  }

  connect(user: string): void {
    this.#open.set(user, (this.#open.get(user) ?? 0) + 1);
    this.#add(user, 1);
  }

  /** Takes back one `connect` of the same user. Throws PresenceError INTERNAL, and changes nothing, when there is none. */
  disconnect(user: string, fall: Fall): void {
    const open = this.#open.get(user) ?? 0;
    if (open === 0) throw new PresenceError("INTERNAL", "disconnect without connect: a bug in Rollcall");
    if (open === 1) this.#open.delete(user);
    else this.#open.set(user, open - 1);
    this.#add(user, -1, fall);
  }

  #add(user: string, step: 1 | -1, fall?: Fall): void {
    const known = this.#pending.get(user);
    if (known === undefined) {
      this.#pending.set(user, { delta: step, fall: fall ?? "disconnect" });
      return;
    }
    known.delta += step;
    if (fall !== undefined) known.fall = fall;
    if (known.delta === 0) this.#pending.delete(user);
  }

  /** Makes the next record: at most 100 operations, or none, which is a heartbeat. What it took is no longer pending. */
  take({ connections, bye = false }: TakeOptions = {}): RecordEntry {
    const operations: Operation[] = [];
    for (const [user, pending] of this.#pending) {
      const rises = pending.delta > 0;
      while (pending.delta !== 0 && operations.length < OPERATIONS_MAX) {
        operations.push({ op: rises ? "connect" : pending.fall, user });
        pending.delta += rises ? -1 : 1;
        this.#recorded += rises ? 1 : -1;
      }
      if (pending.delta !== 0) break;
      this.#pending.delete(user);
    }
    const complete = this.#pending.size === 0;
    const first = this.#seq === 0;
    const replaces = complete && this.#restating ? this.#replaces : [];
    if (complete) this.#restating = false;
    this.#seq++;
    return {
      process: this.#process,
      seq: this.#seq,
      ttl: this.#ttl,
      ...(first && { about: this.#about }),
      operations,
      ...(replaces.length > 0 && { replaces }),
      ...(bye && complete && { bye: true }),
      sockets: this.#recorded,
      ...(connections !== undefined && { connections }),
    };
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
    this.#restating = true;
    this.#pending.clear();
    for (const [user, open] of this.#open) this.#pending.set(user, { delta: open, fall: "disconnect" });
  }

  /** The new incarnation is believed: what it replaced has ended. */
  confirm(): void {
    if (!this.#restating) this.#replaces = [];
  }
}
