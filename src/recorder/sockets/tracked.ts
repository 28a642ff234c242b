/**
 * The sockets that are counted, and under which user. By object, not by id: connection state recovery brings an id back,
 * possibly on another node. Nothing more is kept of a socket, and all share their listeners: a server has very many.
 */
import type { Socket } from "socket.io";
import type { Departure } from "../../core/journal.ts";

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

  constructor(counts: Counts) {
    this.#counts = counts;
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
  }

  /**
   * The only place that counts: records the difference between the user a tracked socket is counted under and the one it belongs
   * to; null: none. `departure` is how it leaves the former. The rooms of a socket will be compared here too.
   */
  settle(socket: Socket, user: string | null, departure: Departure): void {
    const counted = this.#sockets.get(socket);
    if (counted === undefined || counted === user) return;
    this.#sockets.set(socket, user);
    if (counted !== null) this.#counts.disconnect(counted, departure);
    if (user !== null) this.#counts.connect(user);
  }
}
