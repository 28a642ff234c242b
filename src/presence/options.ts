/** The options of createPresence and its methods, and their checks. */
import type { Server } from "socket.io";
import {
  CLOSE_MS,
  MIRROR_USERS,
  MIRROR_USERS_MAX,
  READY_MS,
  TIMER_MS_MAX,
  USER_ROOM_PREFIX,
  USER_ROOM_PREFIX_MAX,
} from "../core/limits.ts";
import { boolean, callable, invalid, type Known, loggerOr, refuseUnknown, whole } from "../core/options.ts";
import { resolveTelemetry, type TelemetryOptions } from "../core/telemetry.ts";
import { CONSOLE } from "../time/console.ts";
import { RECORDER_OPTIONS, type RecorderOptions, resolveRecorderOptions } from "../recorder/options.ts";
import { tracksOf } from "../core/scope-patterns.ts";
import type {
  ChangeMatcher,
  NamespaceMatcher,
  RoomMatcher,
  RoomOptions,
  UserFunction,
} from "../recorder/socket-io.ts";
import type { RedisInput } from "../redis/connect.ts";

export interface PresenceOptions extends RecorderOptions, TelemetryOptions {
  /**
   * A redis:// or rediss:// URL, or an ioredis client or Cluster. Rollcall opens its own connections with the same settings
   * and closes only those.
   */
  readonly redis: RedisInput;
  /**
   * Returns the id of the user a socket belongs to, 1 to 256 bytes; null or undefined for an anonymous socket. Asked when the
   * application's `connection` listeners have run. May be async: the socket is counted once it is known, and as anonymous after
   * 30 s. When it throws, the socket is counted as anonymous and `error` is emitted (USER_FUNCTION_FAILED), once while that lasts.
   *
   *   user: (socket) => socket.data.userId
   */
  readonly user: UserFunction;
  /**
   * The namespaces whose sockets are counted: a list of names, patterns and functions of the name, or a single pattern or
   * function. Namespaces created later are included. Default `["/"]`, the main one.
   */
  readonly namespaces?: readonly NamespaceMatcher[] | RegExp | ((name: string) => boolean) | undefined;
  /**
   * The rooms whose sockets and users are counted, besides those of each counted namespace as a whole: true, all of them; a list of
   * names (`*` stands for any text, a backslash takes the meaning from what follows it), patterns tested on the name, and functions
   * of room and namespace; or a single pattern or function. `[]`: namespaces only. A function is asked once for a name while
   * somebody is in the room. Default: nothing of this is tracked. A name that is a number counts as its text; others that are no
   * text, or more than 512 bytes with the namespace, are not counted (`error` with ROOM_NOT_COUNTED), nor is a socket's own room, nor
   * more than 2,000 rooms of a socket.
   *
   *   rooms: ["lobby", "game:*"]
   */
  readonly rooms?:
    | true
    | readonly RoomMatcher[]
    | RegExp
    | ((room: string, namespace: string) => boolean)
    | undefined;
  /**
   * The tracked rooms and namespaces whose changes are told, in the same forms as `rooms`. Of a namespace as a whole only true and
   * functions match; these get undefined for the room. Default: none. Requires `rooms`.
   */
  readonly changes?:
    | true
    | readonly ChangeMatcher[]
    | RegExp
    | ((room: string | undefined, namespace: string) => boolean)
    | undefined;
  /**
   * Whether the ids of the counted sockets are kept, with user and rooms, so that sockets() can list them, and withPresence() answer for
   * all servers. Default false. Needs `rooms`; the same on all servers. Of a socket 100 rooms are kept, and about 4,000 bytes of their
   * names. Each socket that comes, goes or changes its rooms costs one operation more in a record.
   */
  readonly socketIds?: boolean | undefined;
  /**
   * Most users this process keeps in memory while it has listeners, so that changes lost on the way are still emitted. 1 to
   * 16,000,000, default 1,000,000. With more users online it keeps none, and `gap` is emitted when changes may be lost.
   */
  readonly mirrorMax?: number | undefined;
  /**
   * How long `ready` waits before it rejects with why it is not, ms. Attempts go on, and asking for `ready` again waits again. 0 to
   * 2,147,483,647, default 10,000. 0: it waits for as long as it takes.
   */
  readonly readyTimeout?: number | undefined;
  /**
   * Whether each counted socket is in a room of its user, so that socketsOf() works. Default false. The room's name is `prefix`, 1 to 64
   * characters, and the user id; default prefix `rollcall:user:`. The same on all servers. A socket of another user that joins such
   * a room is taken out again at once, so no room of the application may begin with it.
   *
   *   userRooms: true
   *   userRooms: { prefix: "user:" }
   */
  readonly userRooms?: boolean | UserRoomsOptions | undefined;
  /**
   * Whether a user may have only one socket in each counted namespace. Default false; needs `userRooms`, and an adapter for several
   * servers where there are several. When a user connects anew, the older sockets are disconnected on every server, with
   * Socket.IO's reason "server namespace disconnect". Of two that connect at the same instant, the one whose record is later in the
   * log stays. While Redis is away only sockets of the same process replace each other.
   */
  readonly onlyOne?: boolean | undefined;
}

/** The option `userRooms`. */
export interface UserRoomsOptions {
  readonly prefix?: string | undefined;
}

const USER_ROOMS_OPTIONS: Known<UserRoomsOptions> = { prefix: true };

const PRESENCE_OPTIONS: Known<PresenceOptions> = {
  redis: true,
  user: true,
  namespaces: true,
  rooms: true,
  changes: true,
  socketIds: true,
  mirrorMax: true,
  readyTimeout: true,
  userRooms: true,
  onlyOne: true,
  telemetry: true,
  ...RECORDER_OPTIONS,
};

/** Throws PresenceError OPTIONS_INVALID. `redis` is checked when the connection is opened. */
export function resolvePresenceOptions(input: PresenceOptions) {
  refuseUnknown(input, PRESENCE_OPTIONS, "createPresence");
  const { redis, user, namespaces: names = ["/"], rooms: roomsInput, changes, ...more } = input;
  const { socketIds, mirrorMax, readyTimeout, userRooms, onlyOne, telemetry, logger, ...recorder } = more;
  const namespaces = namespaceMatchers(names);
  const rooms = roomOptions(roomsInput, changes);
  const ids = boolean("socketIds", socketIds ?? false);
  if (ids && rooms === undefined)
    invalid("socketIds needs rooms: set `rooms` too, [] for namespaces only, or leave out `socketIds`");
  return {
    redis,
    user: callable("user", user, "a function of a socket that returns its user's id or null"),
    namespaces,
    rooms,
    /** What `rooms` and `changes` come to, for readers. */
    tracks: rooms && tracksOf({ namespaces, ...rooms, ids }),
    socketIds: ids,
    mirrorMax: whole("mirrorMax", mirrorMax ?? MIRROR_USERS, 1, MIRROR_USERS_MAX),
    readyTimeout: whole("readyTimeout", readyTimeout ?? READY_MS, 0, TIMER_MS_MAX),
    ...resolveUserSockets(userRooms, onlyOne),
    telemetry: resolveTelemetry(telemetry),
    recorder: resolveRecorderOptions({ ...recorder, logger: loggerOr(CONSOLE, logger) }),
  };
}

/** `userRooms`: what the names of the rooms begin with; null: there are none. */
function resolveUserSockets(userRooms: unknown = false, onlyOne: unknown = false) {
  const isOnlyOne = boolean("onlyOne", onlyOne);
  const prefix = userRoomPrefix(userRooms);
  if (isOnlyOne && prefix === null)
    invalid("onlyOne needs userRooms: set `userRooms: true` too, or leave out `onlyOne`");
  return { userRooms: prefix, onlyOne: isOnlyOne };
}

function userRoomPrefix(userRooms: unknown): string | null {
  if (userRooms === false) return null;
  if (userRooms === true) return USER_ROOM_PREFIX;
  if (typeof userRooms !== "object")
    invalid(`userRooms must be true, false or { prefix }, got ${typeof userRooms}`);
  refuseUnknown(userRooms, USER_ROOMS_OPTIONS, "createPresence", "userRooms");
  const { prefix = USER_ROOM_PREFIX }: { readonly prefix?: unknown } = userRooms as UserRoomsOptions;
  if (
    typeof prefix === "string" &&
    prefix !== "" &&
    prefix.length <= USER_ROOM_PREFIX_MAX &&
    prefix.isWellFormed()
  )
    return prefix;
  return invalid(
    `userRooms.prefix must be 1 to ${USER_ROOM_PREFIX_MAX} characters, got ${JSON.stringify(prefix)}`,
  );
}

function namespaceMatchers(input: NonNullable<PresenceOptions["namespaces"]>): readonly NamespaceMatcher[] {
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (list.length === 0) invalid("namespaces must name at least one namespace");
  for (const matcher of list) {
    if (typeof matcher === "string" && !matcher.startsWith("/")) {
      invalid(`namespaces: ${JSON.stringify(matcher)} must start with "/"`);
    }
    if (typeof matcher !== "string" && typeof matcher !== "function" && !(matcher instanceof RegExp)) {
      invalid(`namespaces must contain names, patterns and functions, got ${typeof matcher}`);
    }
  }
  return list as readonly NamespaceMatcher[];
}

function roomOptions(
  rooms: PresenceOptions["rooms"],
  changes: PresenceOptions["changes"],
): RoomOptions | undefined {
  if (rooms !== undefined)
    return { rooms: roomMatchers("rooms", rooms), changes: roomMatchers("changes", changes ?? []) };
  if (changes !== undefined)
    invalid(
      "changes requires rooms, since only what is tracked has changes: set rooms, [] for namespaces only",
    );
  return undefined;
}

function roomMatchers<Matcher extends RoomMatcher | ChangeMatcher>(
  name: "rooms" | "changes",
  input: true | Matcher | readonly Matcher[],
): true | readonly Matcher[] {
  if (input === true) return true;
  if (typeof input === "string") invalid(`${name} must be a list, got one text: put it into [ ]`);
  const list: readonly unknown[] = Array.isArray(input) ? input : [input];
  for (const matcher of list) {
    if (typeof matcher === "function" || matcher instanceof RegExp) continue;
    if (typeof matcher !== "string")
      invalid(`${name} must be true, or contain names, patterns and functions, got ${typeof matcher}`);
    const problem = matcher.isWellFormed()
      ? endOf(matcher)
      : "is no well-formed Unicode: it has a lone surrogate";
    if (problem !== undefined) invalid(`${name}: ${JSON.stringify(matcher)} ${problem}`);
  }
  return list as readonly Matcher[];
}

/** What is wrong with the end of a name. */
function endOf(matcher: string): string | undefined {
  const backslashes = matcher.length - matcher.replace(/\\+$/, "").length;
  return backslashes % 2 === 1 ? "ends with a backslash that has nothing to escape: write two" : undefined;
}

/**
 * Throws PresenceError OPTIONS_INVALID for anything but a Socket.IO server, recognised by its shape: the application may use
 * another copy of socket.io.
 */
export function checkServer(io: unknown): asserts io is Server {
  const has = (name: string): boolean =>
    typeof io === "object" && io !== null && typeof (io as Record<string, unknown>)[name] === "function";
  if (has("of") && has("on") && has("off") && has("close")) return;
  const found = has("fetchSockets") ? "a namespace: pass its server (`namespace.server`)" : typeof io;
  invalid(`the first argument of createPresence must be a Socket.IO server (new Server()), got ${found}`);
}

export interface CloseOptions {
  /**
   * How long to wait for Redis, ms. 0 to 2,147,483,647, default 5,000. If Redis does not answer in time, close() still
   * resolves, and the users of this process stay present until its lease expires (`ttl`).
   */
  readonly timeout?: number | undefined;
}

const CLOSE_OPTIONS: Known<CloseOptions> = { timeout: true };

export function resolveCloseOptions(options: CloseOptions) {
  refuseUnknown(options, CLOSE_OPTIONS, "close()");
  return { timeout: whole("timeout", options.timeout ?? CLOSE_MS, 0, TIMER_MS_MAX) };
}
