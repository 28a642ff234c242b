/**
 * A ledger: who has how many sockets in one place, the whole or a scope, and which changes of that are not in a record yet. Pure.
 *
 * Changes are one net count per user, not a list of operations, so a ledger is bounded by the sockets open now plus those open
 * at the last record. Who came and went since then leaves no count, but their coming ends a grace that another process started,
 * and a dropped transport may start one, so both are recorded: the latest GONE_MAX of them, over all ledgers of a backlog.
 */

/** `leave`: one side said goodbye. `disconnect`: the transport dropped, grace applies. */
export type Departure = "disconnect" | "leave";

/** Most users kept who came and went while nothing could be appended; beyond it, those gone the longest are dropped. */
export const GONE_MAX = 10_000;

interface Pending {
  readonly ledger: Ledger;
  readonly user: string;
  /** Sockets to add (positive) or remove (negative); 0: the user came and went. */
  delta: number;
  /** How the last of them went; undefined: none went. */
  departure: Departure | undefined;
  isGone: boolean;
  /** Its neighbours among those who came and went. */
  before: Pending | undefined;
  after: Pending | undefined;
}

/** Where a ledger writes what it had pending. Each returns false, and writes nothing, when the record is full. */
export interface Sink {
  came(user: string): boolean;
  went(user: string, departure: Departure): boolean;
}

/** One that writes both or neither. */
export interface WholeSink extends Sink {
  cameAndWent(user: string, departure: Departure): boolean;
}

/** What is pending in several ledgers. */
export class Backlog {
  /** Users with something pending, over all ledgers. */
  size = 0;
  /** The ledgers with something pending. */
  readonly ledgers = new Set<Ledger>();
  /** Those with neither a socket nor a delta, longest gone first. */
  readonly gone = new Gone();
  /** Called with a ledger that has become empty. */
  readonly onEmpty: (ledger: Ledger) => void;

  constructor(onEmpty: (ledger: Ledger) => void = () => {}) {
    this.onEmpty = onEmpty;
  }
}

/** A list whose links are in its items: one who comes and goes costs a third less than with a Set. */
class Gone {
  size = 0;
  first: Pending | undefined;
  #last: Pending | undefined;

  add(pending: Pending): void {
    pending.isGone = true;
    pending.before = this.#last;
    if (this.#last === undefined) this.first = pending;
    else this.#last.after = pending;
    this.#last = pending;
    this.size++;
  }

  /** Does nothing with one who is not in it. */
  delete(pending: Pending): void {
    if (!pending.isGone) return;
    pending.isGone = false;
    const { before, after } = pending;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    pending.before = undefined;
    pending.after = undefined;
    this.size--;
  }
}

export class Ledger {
  /** What records call it. */
  name: string;
  readonly #backlog: Backlog;
  readonly #open = new Map<string, number>();
  /** Undefined: nothing is. Most scopes have nothing pending most of the time, and an empty Map takes 200 bytes. */
  #pending: Map<string, Pending> | undefined;
  /** Whether something may have come that is pending: a backlog of departures need not be searched for each record. */
  #comes = false;

  constructor(backlog: Backlog, name = "") {
    this.#backlog = backlog;
    this.name = name;
  }

  /** Open sockets by user. */
  get open(): ReadonlyMap<string, number> {
    return this.#open;
  }

  /** Users with something pending. */
  get pending(): number {
    return this.#pending?.size ?? 0;
  }

  /** Sockets open now. */
  get sockets(): number {
    let sockets = 0;
    for (const open of this.#open.values()) sockets += open;
    return sockets;
  }

  /** Sockets of a user that are in records. */
  recorded(user: string): number {
    return (this.#open.get(user) ?? 0) - (this.#pending?.get(user)?.delta ?? 0);
  }

  /** `""`: a socket without a user, which makes no transition, so nothing is kept of those that came and went. */
  add(user: string): void {
    this.#open.set(user, (this.#open.get(user) ?? 0) + 1);
    this.#comes = true;
    const pending = this.#pending?.get(user);
    if (pending === undefined) return this.#begin(user, 1, undefined);
    this.#backlog.gone.delete(pending);
    pending.delta++;
    if (pending.delta === 0) this.#settle(pending);
  }

  /** Undoes one `add` of the same user. Returns false, and does nothing, when there was none. */
  remove(user: string, departure: Departure): boolean {
    const open = this.#open.get(user) ?? 0;
    if (open === 0) return false;
    if (open === 1) this.#open.delete(user);
    else this.#open.set(user, open - 1);
    const pending = this.#pending?.get(user);
    if (pending === undefined) {
      this.#begin(user, -1, departure);
      return true;
    }
    pending.delta--;
    pending.departure = departure;
    if (pending.delta === 0) this.#settle(pending);
    return true;
  }

  /**
   * Drops a user whose sockets are as in the last record, unless none is open: then one came and went since. The user may be in
   * a grace that another process started, which the coming ends, also where this process gives none.
   */
  #settle(pending: Pending): void {
    const { user } = pending;
    if (this.#open.has(user) || user === "") {
      this.#end(pending);
      return;
    }
    const { gone } = this.#backlog;
    gone.add(pending);
    if (gone.size > GONE_MAX) gone.first!.ledger.#end(gone.first!);
  }

  #begin(user: string, delta: number, departure: Departure | undefined): void {
    if (this.#pending === undefined) {
      this.#pending = new Map();
      this.#backlog.ledgers.add(this);
    }
    this.#pending.set(user, {
      ledger: this,
      user,
      delta,
      departure,
      isGone: false,
      before: undefined,
      after: undefined,
    });
    this.#backlog.size++;
  }

  #end(pending: Pending): void {
    const backlog = this.#backlog;
    backlog.gone.delete(pending);
    this.#pending!.delete(pending.user);
    backlog.size--;
    if (this.#pending!.size > 0) return;
    this.#pending = undefined;
    backlog.ledgers.delete(this);
    if (this.#open.size === 0) backlog.onEmpty(this);
  }

  /** Moves what is pending into a record, in the order in which it began. Returns false when the record is full before the end. */
  take(sink: WholeSink): boolean {
    for (const pending of this.#pending?.values() ?? []) {
      if (pending.delta === 0 && !sink.cameAndWent(pending.user, pending.departure!)) return false;
      if (!came(pending, sink) || !went(pending, sink)) return false;
      this.#end(pending);
    }
    return true;
  }

  /**
   * Moves only what came; of users who came and went one socket, whose departure stays pending. Those of them are dropped for
   * whom `holds` is false. Returns false when the record is full before the end.
   */
  takeComing(sink: Sink, holds: (user: string) => boolean = () => true): boolean {
    if (!this.#comes) return true;
    for (const pending of this.#pending?.values() ?? []) {
      if (pending.delta < 0) continue;
      if (pending.delta === 0 && holds(pending.user)) {
        if (!sink.came(pending.user)) return false;
        this.#backlog.gone.delete(pending);
        pending.delta = -1;
        continue;
      }
      if (!came(pending, sink)) return false;
      this.#end(pending);
    }
    this.#comes = false;
    return true;
  }

  /** Moves what went, once all that came is moved. Returns false when the record is full before the end. */
  takeGoing(sink: Sink): boolean {
    for (const pending of this.#pending?.values() ?? []) {
      if (!went(pending, sink)) return false;
      this.#end(pending);
    }
    return true;
  }

  /** Makes all that is open pending again. Who came and went did so without a socket in any record: that stays true. */
  restate(): void {
    for (const pending of this.#pending?.values() ?? []) if (pending.delta !== 0) this.#end(pending);
    this.#comes = true;
    for (const [user, open] of this.#open) this.#begin(user, open, undefined);
  }
}

function came(pending: Pending, sink: Sink): boolean {
  while (pending.delta > 0) {
    if (!sink.came(pending.user)) return false;
    pending.delta--;
  }
  return true;
}

function went(pending: Pending, sink: Sink): boolean {
  while (pending.delta < 0) {
    if (!sink.went(pending.user, pending.departure!)) return false;
    pending.delta++;
  }
  return true;
}

/** Moves each user as many times as `left` says, and takes them off it. Returns false when the record is full before the end. */
export function takeEach(left: Map<string, number>, add: (user: string) => boolean): boolean {
  for (const [user, sockets] of left) {
    for (let n = sockets; n > 0; n--) {
      if (!add(user)) return false;
      left.set(user, n - 1);
    }
    left.delete(user);
  }
  return true;
}
