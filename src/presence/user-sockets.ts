/** The options `userRooms` and `onlyOne`: all sockets of one user, for createPresence. */
import { hostname } from "node:os";
import type { Server } from "socket.io";
import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { HOST_LENGTH_MAX } from "../core/limits.ts";
import { invalid, type Known, type Logger, refuseUnknown } from "../core/options.ts";
import { checkUser } from "../core/user.ts";
import type { Reader } from "../reader/reader.ts";
import type { RecordWatcher } from "../recorder/context.ts";
import { Replacing } from "../recorder/sockets/replacing.ts";
import { Reports } from "../recorder/sockets/reports.ts";
import { UserRooms } from "../recorder/sockets/user-rooms.ts";
import type { SocketWatcher } from "../recorder/sockets/watcher.ts";
import { fieldsOf, slotsOf } from "../redis/decode.ts";
import { type ReadPort, ReplyError } from "../redis/port.ts";
import { processRuntime } from "../time/runtime.ts";
import { AdapterCheck } from "./adapter-check.ts";

/** Options of socketsOf(). */
export interface SocketsOfOptions {
  /** The namespace; default "/", the main one. It must be one of those that are counted. */
  readonly namespace?: string | undefined;
}

/** Socket.IO's own: `emit`, `except`, `timeout().emitWithAck`, `disconnectSockets`, `socketsJoin`, `fetchSockets` … */
export type UserBroadcast = ReturnType<Server["in"]>;

const SOCKETS_OF_OPTIONS: Known<SocketsOfOptions> = { namespace: true };

/** The prefixes of user rooms on a server. */
const inUse = new WeakMap<Server, Set<string>>();

export interface UserSocketsOptions {
  readonly io: Server;
  /** What the names of the rooms begin with; null: no user has a room. */
  readonly userRooms: string | null;
  readonly onlyOne: boolean;
  readonly prefix: string;
  readonly shards: number;
  readonly port: ReadPort;
  readonly reader: Pick<Reader, "processes">;
  /** Must not throw. */
  readonly onError: (error: PresenceError) => void;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** Whether the sockets of a namespace of this name are counted. */
  readonly countsIn: (namespace: string) => boolean;
}

export class UserSockets {
  /** For attach(). */
  readonly watchers: readonly SocketWatcher[];
  /** For the recorder. */
  readonly records: RecordWatcher | undefined;
  /** Whether a room is a user's. */
  readonly isUserRoom: (room: unknown) => boolean;
  readonly #own: UserSocketsOptions;
  #isUsed: boolean;
  #isClosed = false;

  /** checkUserRooms() first. */
  constructor(options: UserSocketsOptions) {
    const { io, userRooms, onlyOne, onError, logger, reader } = options;
    this.#own = options;
    this.#isUsed = onlyOne;
    if (userRooms === null) {
      this.watchers = [];
      this.isUserRoom = () => false;
      return;
    }
    inUse.set(io, (inUse.get(io) ?? new Set()).add(userRooms));
    const reports = new Reports({ onError, logger });
    const rooms = new UserRooms(userRooms, reports);
    const replacing = onlyOne
      ? new Replacing({ ...options, reports, elsewhere: (shard, users) => this.#elsewhere(shard, users) })
      : undefined;
    const check = new AdapterCheck({
      io,
      logger,
      host: hostname().slice(0, HOST_LENGTH_MAX),
      pid: process.pid,
      processes: () => reader.processes(),
      now: () => processRuntime.now(),
    });
    this.isUserRoom = rooms.isUserRoom;
    this.records = replacing;
    const own: SocketWatcher = {
      heartbeat: () => {
        reports.heartbeat();
        if (this.#isUsed) void check.heartbeat();
      },
    };
    this.watchers = [own, rooms, ...(replacing === undefined ? [] : [replacing])];
  }

  /** Throws OPTIONS_INVALID, USER_INVALID and CLOSED. */
  socketsOf(user: string, options: SocketsOfOptions = {}): UserBroadcast {
    const { io, userRooms, countsIn } = this.#own;
    if (userRooms === null)
      invalid("socketsOf() needs the option `userRooms`: createPresence(io, { userRooms: true, … })");
    refuseUnknown(options, SOCKETS_OF_OPTIONS, "socketsOf()");
    const { namespace = "/" } = options;
    const room = userRooms + checkUser(user);
    if (typeof namespace !== "string" || !namespace.startsWith("/") || !countsIn(namespace))
      invalid(
        "socketsOf(): the namespace is not among `namespaces` of createPresence, so its sockets are in no user's room",
      );
    if (this.#isClosed) throw new PresenceError("CLOSED", "this presence has been closed");
    this.#isUsed = true;
    return io.of(namespace).in(room);
  }

  close(): void {
    const { io, userRooms } = this.#own;
    this.#isClosed = true;
    if (userRooms !== null) inUse.get(io)?.delete(userRooms);
  }

  async #elsewhere(shard: number, users: readonly string[]): Promise<ReadonlySet<string>> {
    const { port, prefix, shards } = this.#own;
    const asked = "HMGET of users";
    const [reply] = await port.read([["HMGET", keysOf(prefix, shard, shards).users, ...users]]);
    if (reply instanceof ReplyError) throw reply;
    const values = fieldsOf(reply, asked, users.length);
    return new Set(users.filter((_, i) => slotsOf(values[i] ?? "0", asked).length > 1));
  }
}

/** Two presences would put each other's sockets out of their rooms. Throws OPTIONS_INVALID. */
export function checkUserRooms(io: Server, prefix: string | null): void {
  for (const other of inUse.get(io) ?? [])
    if (prefix === null) return;
    else if (prefix.startsWith(other) || other.startsWith(prefix))
      invalid(
        `userRooms: another presence on this server has rooms whose names begin with ${JSON.stringify(other)}, as those with ` +
          `${JSON.stringify(prefix)} may: close() that one first, or use another prefix`,
      );
}
