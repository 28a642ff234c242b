/**
 * Keeps each counted socket in the room of its user, and no other socket in it: so Socket.IO's own operators reach all sockets of a
 * user, through whatever adapter is installed.
 *
 * Applications let clients name the rooms they join. Who asks for another user's room is taken out again within the call of join(),
 * since a later broadcast of the same turn would reach them. A socket that is put out of its own room comes back in the next turn of
 * the event loop, and only once between two heartbeats: an application that leaves all rooms iterates over the set that we add to,
 * perhaps with an await in between, and would never come to its end. What no event tells is found at the heartbeat.
 */
import type { Namespace, Socket } from "socket.io";
import { orInternal } from "../../core/errors.ts";
import { quiet } from "../../core/options.ts";
import { isOpen } from "./level.ts";
import type { Reports } from "./reports.ts";
import { ANONYMOUS } from "./users.ts";
import type { SocketWatcher } from "./watcher.ts";

type Adapter = Namespace["adapter"];

/** The adapter that a socket was made with: not its namespace's, if io.adapter() was called since. */
const adapterOf = (socket: Socket): Adapter => (socket as unknown as { readonly adapter: Adapter }).adapter;

export class UserRooms implements SocketWatcher {
  readonly #prefix: string;
  readonly #reports: Reports;
  /** The room of each socket whose user is known. */
  readonly #rooms = new WeakMap<Socket, string>();
  /** Those that listeners of ours are on. */
  readonly #adapters = new Set<WeakRef<Adapter>>();
  readonly #known = new WeakSet<Adapter>();
  /** To be looked at in the next turn. */
  #doubtful = new Set<Socket>();
  /** Put back since the last heartbeat. */
  readonly #restored = new Set<Socket>();
  #isDetached = false;

  /** `prefix` begins the name of each room. */
  constructor(prefix: string, reports: Reports) {
    this.#prefix = prefix;
    this.#reports = reports;
  }

  /** The room of a user. */
  roomOf(user: string): string {
    return this.#prefix + user;
  }

  /** Whether a room is a user's, whoever joined it: such a room is none of the application's. */
  readonly isUserRoom = (room: unknown): boolean => typeof room === "string" && room.startsWith(this.#prefix);

  tracked(socket: Socket): void {
    this.#guard(() => {
      this.#listen(adapterOf(socket));
      // Restored by connection state recovery, or joined in a middleware.
      this.#review(socket);
    });
  }

  settled(socket: Socket, user: string): void {
    this.#guard(() => {
      if (user === ANONYMOUS) this.#rooms.delete(socket);
      else this.#rooms.set(socket, this.roomOf(user));
      this.#review(socket);
    });
  }

  /** Socket.IO takes it out of its rooms, and saves these for a recovery first: unless a listener throws. */
  gone(socket: Socket): void {
    this.#rooms.delete(socket);
    this.#restored.delete(socket);
    this.#doubt(socket);
  }

  heartbeat(): void {
    this.#restored.clear();
  }

  compared(socket: Socket): void {
    this.#guard(() => {
      this.#listen(adapterOf(socket));
      this.#review(socket);
    });
  }

  detached(): void {
    this.#isDetached = true;
    for (const ref of this.#adapters) {
      const adapter = ref.deref();
      adapter?.off("join-room", this.#onJoin);
      adapter?.off("leave-room", this.#onLeave);
    }
    this.#adapters.clear();
  }

  #listen(adapter: Adapter): void {
    if (!this.#known.has(adapter)) {
      this.#known.add(adapter);
      this.#adapters.add(new WeakRef(adapter));
    }
    // First, because one of the application's may throw; and again if they were removed.
    if (!adapter.listeners("join-room").includes(this.#onJoin))
      adapter.prependListener("join-room", this.#onJoin);
    if (!adapter.listeners("leave-room").includes(this.#onLeave))
      adapter.prependListener("leave-room", this.#onLeave);
  }

  /** Puts a socket into its room, if it has one, and out of those of other users. */
  #review(socket: Socket): void {
    // Two have the same id if a recovery session is used twice: the rooms are then those of the later one.
    const current = socket.nsp.sockets.get(socket.id);
    if (current !== undefined && current !== socket) return;
    const own = this.#rooms.get(socket);
    const others = [...socket.rooms].filter((room) => room !== own && this.isUserRoom(room));
    for (const room of others) quiet(socket.leave(room), this.#failed);
    if (own !== undefined && isOpen(socket) && !socket.rooms.has(own)) quiet(socket.join(own), this.#failed);
  }

  #doubt(socket: Socket): void {
    if (this.#doubtful.size === 0) setImmediate(this.#reviewDoubtful);
    this.#doubtful.add(socket);
  }

  readonly #reviewDoubtful = (): void => {
    const sockets = this.#doubtful;
    this.#doubtful = new Set();
    if (this.#isDetached) return;
    for (const socket of sockets) {
      if (this.#rooms.has(socket)) {
        if (this.#restored.has(socket)) continue;
        this.#restored.add(socket);
      }
      this.#guard(() => this.#review(socket));
    }
  };

  /** Listeners of an adapter, which all share. A socket that is not connected yet is not in its namespace, and no broadcast reaches it. */
  readonly #onJoin = this.#listener((socket, room, adapter) => {
    if (room !== this.#rooms.get(socket)) quiet(adapter.del(socket.id, room), this.#failed);
  });

  readonly #onLeave = this.#listener((socket, room) => {
    if (room === this.#rooms.get(socket)) this.#doubt(socket);
  });

  #listener(handle: (socket: Socket, room: string, adapter: Adapter) => void) {
    const heard = (adapter: Adapter, room: string, id: string): void =>
      this.#guard(() => {
        if (!this.isUserRoom(room)) return;
        const socket = (adapter.nsp as Namespace).sockets.get(id);
        if (socket !== undefined) handle(socket, room, adapter);
      });
    return function (this: Adapter, room: string, id: string): void {
      heard(this, room, id);
    };
  }

  /** An exception of ours would end the application's join(). */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failed(error);
    }
  }

  readonly #failed = (error: unknown): void => {
    this.#reports.error("bugs in Rollcall", () => orInternal(error));
  };
}
