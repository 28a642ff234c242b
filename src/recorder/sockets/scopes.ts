/**
 * Which scopes a socket is in: its namespace and, of the rooms that Socket.IO has it in, those that the application wants tracked.
 *
 * What a name is judged to be is kept, because matchers are the application's functions and should not run at each look, and so that
 * all sockets share one text. It is kept at least while some socket is in the room: each comparison meets all rooms, and what it has
 * not met may be forgotten after it.
 */
import type { Socket } from "socket.io";
import { PresenceError } from "../../core/errors.ts";
import { ROOMS_KNOWN_MAX, ROOMS_PER_SOCKET_MAX, SCOPE_BYTES_MAX } from "../../core/limits.ts";
import { quiet } from "../../core/options.ts";
import { scopeOf, whyNoScope } from "../../core/scope.ts";
import { compilePattern, matchesPattern } from "../../core/scope-patterns.ts";
import type { Reports } from "./reports.ts";

/** A room's name, where `*` stands for any text and a backslash escapes; a RegExp; or a function. What it throws means no. */
export type RoomMatcher = string | RegExp | ((room: string, namespace: string) => boolean);

/** The same, for the scopes whose changes are told. Of a namespace itself, `room` is undefined and only functions are asked. */
export type ChangeMatcher = string | RegExp | ((room: string | undefined, namespace: string) => boolean);

export interface RoomOptions {
  /** The rooms that are tracked; true: all. */
  readonly rooms: true | readonly RoomMatcher[];
  /** Of the scopes tracked, those whose changes are told; true: all. */
  readonly changes: true | readonly ChangeMatcher[];
  /** Rooms that are ours, which are never counted. Default: none. Must not throw. */
  readonly isOwnRoom?: ((name: string) => boolean) | undefined;
}

export interface ScopesOptions extends RoomOptions {
  readonly reports: Reports;
}

interface Known {
  /** As it is recorded: with `*` before it if its changes are told. Undefined: not tracked. */
  scope: string | undefined;
  /** Why it would be tracked and cannot be. */
  readonly why: string | undefined;
  /** The last comparison, or what came after it, that met it. */
  met: number;
}

const UNTRACKED: Known = { scope: undefined, why: undefined, met: 0 };

interface KnownNamespace extends Known {
  readonly name: string;
  readonly rooms: Map<string, Known>;
}

/** A test of a room's name; `room` undefined: of the namespace itself. */
type Test = (room: string | undefined, namespace: string) => boolean;

/** How many names are looked at in one turn when they are forgotten: about half a millisecond. */
const SLICE = 5_000;

/** The text of a name. Socket.IO takes anything for one; the adapters for Redis make the same text of a number. */
function textOf(room: unknown): string | undefined {
  if (typeof room === "string") return room;
  return typeof room === "number" && !Number.isNaN(room) ? String(room) : undefined;
}

export class Scopes {
  readonly #own: ScopesOptions;
  readonly #isTracked: Test;
  readonly #isTold: Test;
  readonly #known = new Map<string, KnownNamespace>();
  /** Names in `#known`, and how many there may be until the next comparison. */
  #size = 0;
  #most = ROOMS_KNOWN_MAX;
  #comparison = 0;

  constructor(options: ScopesOptions) {
    this.#own = options;
    this.#isTracked = this.#testOf("rooms", options.rooms);
    this.#isTold = this.#testOf("changes", options.changes);
  }

  /** The scopes of a socket, as they are recorded. Asks the application's functions, which may do anything. */
  of(socket: Socket): Set<string> {
    const scopes = new Set<string>();
    this.#each(socket, (scope) => scopes.add(scope));
    return scopes;
  }

  /** Whether these are not the scopes of a socket. As of(), and makes nothing. */
  differ(socket: Socket, told: ReadonlySet<string>): boolean {
    let found = 0;
    let isOther = false;
    this.#each(socket, (scope) => {
      found++;
      isOther ||= !told.has(scope);
    });
    return isOther || found !== told.size;
  }

  /** A comparison of all sockets begins. */
  begin(): void {
    this.#comparison++;
  }

  /** It is over: forgets the names that it has not met, if there are many. Yields so that it takes no long turn. */
  *end(): Generator<void> {
    let left = SLICE;
    const isDue = this.#size > ROOMS_KNOWN_MAX;
    if (isDue)
      for (const [name, namespace] of this.#known) {
        for (const [room, { met }] of namespace.rooms) {
          if (met !== this.#comparison && namespace.rooms.delete(room)) this.#size--;
          if (--left > 0) continue;
          left = SLICE;
          yield;
        }
        if (namespace.met !== this.#comparison && namespace.rooms.size === 0 && this.#known.delete(name))
          this.#size--;
      }
    this.#most = this.#size + ROOMS_KNOWN_MAX;
  }

  /** How many names are kept. For tests. */
  get size(): number {
    return this.#size;
  }

  /** Calls `visit` with each scope of a socket, once. */
  #each(socket: Socket, visit: (scope: string) => void): void {
    const { id, nsp } = socket;
    const rooms: ReadonlySet<unknown> = socket.rooms;
    const namespace = this.#namespace(nsp.name);
    if (namespace.scope === undefined) return;
    visit(namespace.scope);
    let left = ROOMS_PER_SOCKET_MAX;
    // A function of the application may join rooms meanwhile; they are met next time.
    let unmet = rooms.size;
    for (const room of rooms) {
      if (unmet-- === 0) return;
      if (room === id) continue;
      const scope = this.#scopeOf(namespace, room, rooms);
      if (scope === undefined) continue;
      if (left-- === 0) return this.#tooMany();
      visit(scope);
    }
  }

  #scopeOf(namespace: KnownNamespace, room: unknown, rooms: ReadonlySet<unknown>): string | undefined {
    const name = textOf(room);
    if (name === undefined) {
      if (this.#isMeant(undefined)) this.#uncountable("its name is neither text nor a number");
      return undefined;
    }
    // 1 and "1" are one room here.
    if (name !== room && rooms.has(name)) return undefined;
    const known = namespace.rooms.get(name) ?? this.#judged(namespace, name);
    known.met = this.#comparison;
    if (known.why !== undefined) this.#uncountable(known.why);
    return known.scope;
  }

  #namespace(name: string): KnownNamespace {
    const known = this.#known.get(name) ?? this.#judgedNamespace(name);
    known.met = this.#comparison;
    if (known.why !== undefined) this.#uncountable(known.why);
    return known;
  }

  #judgedNamespace(name: string): KnownNamespace {
    const why = whyNoScope({ namespace: name, room: undefined });
    const rooms = new Map<string, Known>();
    // As in #judged().
    this.#known.set(name, { ...UNTRACKED, name, rooms });
    const known: KnownNamespace = { ...UNTRACKED, name, rooms, why };
    if (why === undefined) known.scope = this.#marked(name, undefined);
    if (this.#keeps()) this.#known.set(name, known);
    else this.#known.delete(name);
    return known;
  }

  #judged(namespace: KnownNamespace, room: string): Known {
    const { rooms } = namespace;
    // For a look from within the function that is asked: it is not asked again.
    rooms.set(room, { ...UNTRACKED });
    const known = this.#judge(namespace.name, room);
    if (room.length <= SCOPE_BYTES_MAX && this.#keeps()) rooms.set(room, known);
    else rooms.delete(room);
    return known;
  }

  /** Whether there is room for one more name, which is then counted. */
  #keeps(): boolean {
    if (this.#size >= this.#most) return false;
    this.#size++;
    return true;
  }

  #judge(namespace: string, room: string): Known {
    if (this.#own.isOwnRoom?.(room) === true) return { ...UNTRACKED };
    const why = whyNoScope({ namespace, room });
    if (why !== undefined) return this.#isMeant(room) ? { scope: undefined, why, met: 0 } : { ...UNTRACKED };
    return this.#isTracked(room, namespace)
      ? { scope: this.#marked(namespace, room), why, met: 0 }
      : { ...UNTRACKED };
  }

  #marked(namespace: string, room: string | undefined): string {
    const scope = scopeOf(namespace, room);
    return this.#isTold(room, namespace) ? `*${scope}` : scope;
  }

  /** Whether a room that cannot be counted may be meant. Of others nobody wants to hear. `room` undefined: it has no name. */
  #isMeant(room: string | undefined): boolean {
    const { rooms } = this.#own;
    return (
      rooms === true ||
      rooms.some((matcher) => {
        if (typeof matcher !== "string") return true;
        return room === undefined ? matcher === "*" : matchesPattern(matcher, room);
      })
    );
  }

  #testOf(option: "rooms" | "changes", matchers: true | readonly (RoomMatcher | ChangeMatcher)[]): Test {
    if (matchers === true) return () => true;
    const tests = matchers.map((matcher): Test => {
      if (typeof matcher === "string") {
        const matches = compilePattern(matcher);
        return (room) => room !== undefined && matches(room);
      }
      if (typeof matcher === "function") return (...names) => this.#ask(option, matcher as Test, names);
      return (room) => {
        if (room === undefined) return false;
        matcher.lastIndex = 0;
        return matcher.test(room);
      };
    });
    return (room, namespace) => tests.some((test) => test(room, namespace));
  }

  #ask(option: "rooms" | "changes", matcher: Test, names: Parameters<Test>): boolean {
    try {
      const answer: unknown = matcher(...names);
      if (typeof answer !== "object" || answer === null) return Boolean(answer);
      // That of an async function would be yes for every room.
      quiet(answer);
      throw new TypeError("it must return true or false, not an object or a promise");
    } catch (cause) {
      this.#own.reports.error("failures of a function in `rooms` or `changes`", () => {
        // Not the name: clients often choose it.
        const result = option === "rooms" ? "the room is not counted" : "its changes are not told";
        const message = `a function in \`${option}\` failed: ${result}; \`cause\` is what it threw`;
        return new PresenceError("OPTIONS_INVALID", message, { cause });
      });
      return false;
    }
  }

  #uncountable(why: string): void {
    this.#own.reports.standing("names of rooms or namespaces that cannot be counted", () => {
      const message = `a socket is in a room or namespace that is not counted: ${why}`;
      return new PresenceError("ROOM_NOT_COUNTED", message);
    });
  }

  #tooMany(): void {
    this.#own.reports.standing("sockets in more rooms than are counted", () => {
      const message =
        `a socket is in more than ${ROOMS_PER_SOCKET_MAX} tracked rooms; the first ${ROOMS_PER_SOCKET_MAX} are counted. ` +
        "If clients choose what it joins, limit that; or track fewer `rooms`";
      return new PresenceError("ROOM_NOT_COUNTED", message);
    });
  }
}
