/**
 * The memberships of one process in one shard: a ledger for each scope that has any (docs/protocol.md, "Scopes"). Pure. It is part of
 * the journal, which decides what goes into a record when.
 */
import { Backlog, type Departure, Ledger, takeEach } from "./ledger.ts";
import { SCOPE_OPERATIONS } from "./limits.ts";
import { type RecordLists, ScopeSink } from "./record-lists.ts";

/** A scope with `*` before it is the same scope, whose changes are told. */
const unmarked = (scope: string) => (scope.startsWith("*") ? scope.slice(1) : scope);

export class Memberships {
  /** By scope, without `*`. Empty ones are dropped. */
  readonly #scopes = new Map<string, Ledger>();
  readonly #backlog = new Backlog((ledger) => this.#scopes.delete(unmarked(ledger.name)));
  /** What a closing server has still to state: by scope as records call it, then by user. */
  #closing: Map<string, Map<string, number>> | undefined;

  /** Whether something is not in a record yet. */
  get dirty(): boolean {
    return this.#backlog.size > 0;
  }

  /** About how many operations of a record that takes. */
  get operations(): number {
    return this.#backlog.size + SCOPE_OPERATIONS * this.#backlog.ledgers.size;
  }

  /** Memberships open now. */
  get open(): number {
    let open = 0;
    for (const ledger of this.#scopes.values()) open += ledger.sockets;
    return open;
  }

  /** Entries kept in memory. */
  get size(): number {
    let size = this.#scopes.size + this.#backlog.size;
    for (const { open } of this.#scopes.values()) size += open.size;
    return size;
  }

  join(scope: string, user: string): void {
    const key = unmarked(scope);
    let ledger = this.#scopes.get(key);
    if (ledger === undefined) {
      ledger = new Ledger(this.#backlog, scope);
      this.#scopes.set(key, ledger);
    }
    ledger.name = scope;
    ledger.add(user);
  }

  /** Undoes one `join` of the same user and scope. Returns false, and does nothing, when there was none. */
  part(scope: string, user: string, departure: Departure): boolean {
    return this.#scopes.get(unmarked(scope))?.remove(user, departure) ?? false;
  }

  /**
   * Moves what came into a record; of users who came and went since the last one, only those whose socket is in a record: the other
   * ones were too many to keep. Returns false when the record is full before the end.
   */
  takeJoins(lists: RecordLists, isRecorded: (user: string) => boolean): boolean {
    for (const ledger of this.#backlog.ledgers)
      if (!ledger.takeComing(new ScopeSink(lists, ledger.name), isRecorded)) return false;
    return true;
  }

  /** Moves what went, once all that came is taken. Returns false when the record is full before the end. */
  takeParts(lists: RecordLists): boolean {
    for (const ledger of this.#backlog.ledgers)
      if (!ledger.takeGoing(new ScopeSink(lists, ledger.name))) return false;
    return true;
  }

  /** Moves all that was open at the first of these calls, as departures of a server that closes. Returns false when the record is full before the end. */
  takeShut(lists: RecordLists): boolean {
    this.#closing ??= new Map([...this.#scopes.values()].map(({ name, open }) => [name, new Map(open)]));
    for (const [scope, users] of this.#closing) {
      if (!takeEach(users, (user) => lists.addMembership("shut", scope, user))) return false;
      this.#closing.delete(scope);
    }
    return true;
  }

  /** Makes all that is open pending again. */
  restate(): void {
    this.#closing = undefined;
    for (const ledger of this.#scopes.values()) ledger.restate();
  }
}
