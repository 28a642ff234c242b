/**
 * The sockets that are counted, and under which user. By object, not by id: connection state recovery brings an id back,
 * possibly on another node. Nothing more is kept of a socket, but its memberships where there are scopes, and all share their
 * listeners: a server has very many.
 */
import type { Socket } from "socket.io";
import type { Departure } from "../../core/journal.ts";
import type { Memberships } from "./memberships.ts";

export interface Counts {
  readonly connect: (user: string) => void;
  readonly disconnect: (user: string, departure: Departure) => void;
}

export class Tracked {
  readonly #counts: Counts;
  /** The user counted; null while the application has not said who it is. */
  readonly #sockets = new Map<Socket, string | null>();
  /** Those that have gone. Socket.IO may keep one as connected, if a listener threw when it went. */
  readonly #gone = new WeakSet<Socket>();

  /** Undefined: no scopes are tracked. */
  readonly #memberships: Memberships | undefined;

  constructor(counts: Counts, memberships: Memberships | undefined) {
    this.#counts = counts;
    this.#memberships = memberships;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** May be iterated while sockets come and go. */
  get sockets(): IterableIterator<Socket> {
    return this.#sockets.keys();
  }

  has(socket: Socket): boolean {
    return this.#sockets.has(socket);
  }

  hasGone(socket: Socket): boolean {
    return this.#gone.has(socket);
  }

  /** The user counted for a socket. Null: not known yet; undefined: the socket is not tracked. */
  userOf(socket: Socket): string | null | undefined {
    return this.#sockets.get(socket);
  }

  /** Tracks a socket, which is counted once its user is known. */
  add(socket: Socket): void {
    this.#sockets.set(socket, null);
  }

  /** A socket has gone, for good. */
  remove(socket: Socket, departure: Departure): void {
    this.#gone.add(socket);
    this.settle(socket, null, departure);
    this.#sockets.delete(socket);
  }

  clear(): void {
    this.#sockets.clear();
    this.#memberships?.forget();
  }

  /**
   * The only place that counts: records the difference between the user a tracked socket is counted under and the one it belongs
   * to, null: none; and between the scopes it is counted in and those it is in. `departure` is how it leaves the former user and
   * all that it was in; a scope that it leaves while it stays is always left with a goodbye. Returns whether anything was recorded.
   */
  settle(socket: Socket, user: string | null, departure: Departure): boolean {
    const counted = this.#sockets.get(socket);
    // First, because functions of the application are asked. One that calls us has the last word; the rest is done without a pause.
    const wanted = user === null ? undefined : this.#memberships?.wanted(socket);
    if (counted === undefined || this.#sockets.get(socket) !== counted) return false;
    if (counted !== user) {
      this.#sockets.set(socket, user);
      if (counted !== null) {
        this.#memberships?.clear(socket, counted, departure);
        this.#counts.disconnect(counted, departure);
      }
      if (user !== null) this.#counts.connect(user);
    }
    const isMoved =
      user !== null && wanted !== undefined && this.#memberships?.settle(socket, user, wanted) === true;
    return isMoved || counted !== user;
  }

  /** A comparison of all sockets begins. */
  compare(): void {
    this.#memberships?.begin();
  }

  /**
   * Compares the scopes that a socket is counted in with those it is in, and settles it. Returns true if something was recorded that
   * no event had announced.
   */
  correct(socket: Socket): boolean {
    const user = this.#sockets.get(socket);
    if (user === undefined || user === null || this.#memberships?.differ(socket) !== true) return false;
    // What was left out before may find room now. And what was just asked may have changed the user.
    const { isShort } = this.#memberships;
    const now = this.#sockets.get(socket);
    return now === user && this.settle(socket, user, "leave") && !isShort;
  }
}
