/**
 * A shard in memory, with the test's own clock: users and changes, of the whole and of scopes, as the script keeps them, processes that
 * register again after a loss, and all faults. A follower reads it through the port of a connection.
 */
import type { Random } from "../../../rig/random.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { keysOf, scopeKey } from "../../../src/core/keys.ts";
import { SCOPE_UNIT } from "../../../src/core/limits.ts";
import { isBefore } from "../../../src/core/stream-id.ts";
import type { Connection } from "../../../src/redis/connect.ts";
import type { Command, ReadCommand, Reply } from "../../../src/redis/port.ts";
import type { Runtime } from "../../../src/time/runtime.ts";

export const TTL = 10_000;
export const PREFIX = "source";

/** A clock that the test advances. */
export class Clock implements Runtime {
  #now = 0;
  readonly #timers = new Set<{ at: number; ring: () => void }>();
  readonly random: () => number;

  constructor(random: Random) {
    this.random = () => random.next();
  }

  now = (): number => this.#now;

  after = (ms: number, ring: () => void): (() => void) => {
    const timer = { at: this.#now + Math.max(0, ms), ring };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  /** Lets `ms` pass, timer by timer. What a timer sets off is carried out before the next one. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.ring();
    }
    this.#now = end;
  }
}

/** Whatever can go on without time passing has gone on: nothing here takes more than a few dozen microtasks. */
async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++)
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
}

/** Undefined: the whole. */
type Scope = string | undefined;

/** Who is in what. */
type Present = Map<Scope, Set<string>>;

interface Process {
  /** What is really open. */
  readonly open: Present;
  /** What of it the projection knows; undefined: it does not know the process. */
  known: Present | undefined;
}

interface Entry {
  readonly id: string;
  readonly fields: string[];
}

/** Entries by key of the stream. */
type Streams = Map<string, Entry[]>;

interface State {
  readonly streams: Streams;
  readonly known: readonly (Present | undefined)[];
}

/** How long after a rebuild scopes are still being deleted, ms. */
const CLEARING_MS = 20;
const KEYS = keysOf(PREFIX, 0, 1);

const copyOf = (present: Present): Present =>
  new Map([...present].map(([scope, users]) => [scope, new Set(users)]));
const textOf = (present: Present) =>
  JSON.stringify([...present].map(([scope, users]) => [scope ?? null, [...users].sort()]));

export class Source {
  readonly #clock: Clock;
  readonly #processes: Process[];
  readonly #scopes: readonly Scope[];
  #streams: Streams = new Map();
  #last = 0;
  #cutAt: number | undefined;
  #readers: { key: string; from: string; cancel: () => void; answer: (reply: Reply) => void }[] = [];
  /** What scopes had before a rebuild, until it is deleted. */
  #void: Present | undefined;
  /** While true, nothing gets through. */
  down = false;

  constructor(clock: Clock, processes: number, scopes: readonly Scope[] = [undefined]) {
    this.#clock = clock;
    this.#scopes = scopes;
    const none = (): Present => new Map(scopes.map((scope) => [scope, new Set()]));
    this.#processes = Array.from({ length: processes }, () => ({ open: none(), known: none() }));
  }

  /** Who is present, as the projection has it. */
  get users(): string[] {
    return this.usersIn(undefined);
  }

  usersIn(scope: Scope): string[] {
    return [...new Set(this.#processes.flatMap(({ known }) => [...(known?.get(scope) ?? [])]))].sort();
  }

  get isLost(): boolean {
    return this.#processes.some(({ known }) => known === undefined);
  }

  /** A user comes to a process or leaves it. A process that is not known says so when it registers. */
  toggle(process: number, user: string, scope?: Scope): void {
    const { open, known } = this.#processes[process]!;
    const comes = !open.get(scope)!.delete(user);
    if (comes) open.get(scope)!.add(user);
    if (known === undefined) return;
    this.#step("leave", () => {
      if (comes) known.get(scope)!.add(user);
      else known.get(scope)!.delete(user);
    });
  }

  /** The process sends its full state. */
  register(process: number): void {
    const own = this.#processes[process]!;
    this.#step("replace", () => (own.known = copyOf(own.open)));
  }

  registerAll(): void {
    for (const [i, { open, known }] of this.#processes.entries())
      if (known === undefined || textOf(open) !== textOf(known)) this.register(i);
  }

  /** Redis is empty: every process will find out. */
  flush(): void {
    this.#streams = new Map();
    this.#void = undefined;
    for (const process of this.#processes) process.known = undefined;
  }

  /** The script has made the projection again. What scopes had is deleted a while later. */
  rebuild(): void {
    this.#streams = new Map();
    const before: Present = new Map(this.#scopes.map((scope) => [scope, new Set(this.usersIn(scope))]));
    for (const process of this.#processes) process.known = undefined;
    this.#append(KEYS.changes, ["rebuilt", "by the test"]);
    this.#append(KEYS.moves, ["rebuilt", "by the test"]);
    this.#void = before;
    this.#clock.after(CLEARING_MS, () => {
      if (this.#void === before) this.#void = undefined;
    });
  }

  /** The streams keep their last entries. */
  trim(keep: number): void {
    for (const [key, entries] of this.#streams) this.#streams.set(key, entries.slice(-keep));
  }

  save(): State {
    return {
      streams: new Map([...this.#streams].map(([key, entries]) => [key, [...entries]])),
      known: this.#processes.map(({ known }) => known && copyOf(known)),
    };
  }

  /** A failover to a replica that was behind. Ids are by the clock, so none comes again. */
  restore({ streams, known }: State): void {
    this.#streams = new Map([...streams].map(([key, entries]) => [key, [...entries]]));
    this.#void = undefined;
    for (const [i, process] of this.#processes.entries()) process.known = known[i] && copyOf(known[i]);
  }

  /** Cuts all connections: those that are reading fail, the others are restored unnoticed. */
  cut(): void {
    this.#cutAt = this.#clock.now();
    const readers = this.#readers;
    this.#readers = [];
    for (const { cancel, answer } of readers) {
      cancel();
      answer("cut");
    }
  }

  /** What a call of the script does: the differences go to `changes` and `moves`. */
  #step(cause: string, act: () => unknown): void {
    // Before anything else a call deletes what is void.
    this.#void = undefined;
    const before = this.#scopes.map((scope) => this.usersIn(scope));
    act();
    const moves: string[] = [];
    for (const [i, scope] of this.#scopes.entries()) {
      const after = this.usersIn(scope);
      const came = after.filter((user) => !before[i]!.includes(user));
      const went = before[i]!.filter((user) => !after.includes(user));
      const lists = { ...(came.length > 0 && { connect: came }), ...(went.length > 0 && { [cause]: went }) };
      if (came.length + went.length === 0) continue;
      if (scope !== undefined) moves.push(scope, JSON.stringify(lists));
      else
        this.#append(
          KEYS.changes,
          Object.entries(lists).flatMap(([name, users]) => [name, JSON.stringify(users)]),
        );
    }
    if (moves.length > 0) this.#append(KEYS.moves, moves);
  }

  #append(key: string, fields: string[]): void {
    const id = `${1_000_000 + Math.floor(this.#clock.now())}-${++this.#last}`;
    this.#streams.set(key, [...this.#entries(key), { id, fields }]);
    const readers = this.#readers.filter((reader) => reader.key === key);
    this.#readers = this.#readers.filter((reader) => reader.key !== key);
    for (const { cancel, answer, from } of readers) {
      cancel();
      answer(this.#after(key, from));
    }
  }

  #entries(key: string): readonly Entry[] {
    return this.#streams.get(key) ?? [];
  }

  #after(key: string, from: string): Reply {
    const entries = this.#entries(key).filter(({ id }) => isBefore(from, id));
    return entries.length === 0 ? null : [[key, entries.slice(0, 100).map(({ id, fields }) => [id, fields])]];
  }

  #between(key: string, from: string, to: string): readonly Entry[] {
    const entries = this.#entries(key);
    if (to !== "+") return entries.filter(({ id }) => id === from);
    return entries.filter(({ id }) => from === "-" || isBefore(from.slice(1), id)).slice(0, 1);
  }

  /** Who is in the hash of a key; undefined: it is of no hash of users. */
  #hash(key: string): readonly string[] | undefined {
    const scope = this.#scopes.find((one) => key === (one === undefined ? KEYS.users : scopeKey(KEYS, one)));
    if (scope === undefined) return key === KEYS.users ? this.users : undefined;
    return this.#void === undefined ? this.usersIn(scope) : [...this.#void.get(scope)!];
  }

  /** A connection of a follower. */
  open(): Connection {
    const cutAt = () => this.#cutAt;
    const answer = async (command: Command): Promise<Reply> => {
      await Promise.resolve();
      if (this.down) throw new PresenceError("REDIS_UNAVAILABLE", "down");
      return this.#answer(command);
    };
    const all = (commands: readonly Command[]) => Promise.all(commands.map((command) => answer(command)));
    return {
      client: { isCluster: false } as Connection["client"],
      user: "default",
      place: {},
      wasUsable: true,
      port: { call: answer, pipeline: all, read: (commands: readonly ReadCommand[]) => all(commands) },
      ready: async () => {},
      get reconnectedAt() {
        return cutAt();
      },
      onReconnect: undefined,
      close: () => this.cut(),
    };
  }

  async #answer(command: Command): Promise<Reply> {
    const [name, key = "", ...args] = command;
    const hash = this.#hash(key);
    const inOrder = (entries: readonly Entry[]) => entries.map(({ id, fields }) => [id, fields]);
    switch (name) {
      case "HMGET": {
        const totals: Record<string, string> = {
          users: String(this.users.length),
          ran: "1000000",
          slots: "3",
          ...(this.#void && { clearing: "1" }),
        };
        return args.map((field) =>
          hash === undefined ? (totals[field] ?? null) : hash.includes(field) ? "1" : null,
        );
      }
      case "HSCAN": {
        if (hash === undefined) return ["0", ["p", JSON.stringify({ ttl: String(TTL) })]];
        // By name, two at a time: a user who is there throughout is found, others may be.
        const from = Number(args[0]);
        const found = NAMES.slice(from, from + 2).flatMap((user) => (hash.includes(user) ? [user, "1"] : []));
        // Pages take time: the world goes on in between.
        await new Promise<void>((resolve) => void this.#clock.after(1, resolve));
        if (this.down) throw new PresenceError("REDIS_UNAVAILABLE", "down");
        return [from + 2 >= NAMES.length ? "0" : String(from + 2), found];
      }
      case "ZMSCORE":
        return args.map((scope) => {
          const users = this.#hash(scopeKey(KEYS, scope))!.length;
          return users === 0 ? null : String(users * SCOPE_UNIT + users);
        });
      case "SMISMEMBER":
        return args.map(() => 1);
      case "XLEN":
        return this.#entries(key).length;
      case "XREVRANGE":
        return inOrder(this.#entries(key).slice(-1));
      case "XRANGE":
        return inOrder(this.#between(key, args[0]!, args[1]!));
      case "XREAD": {
        const [stream, from] = command.slice(-2) as [string, string];
        const now = this.#after(stream, from);
        if (now !== null) return now;
        const reply = await new Promise<Reply>((resolve) => {
          const reader = { key: stream, from, answer: resolve, cancel: () => {} };
          reader.cancel = this.#clock.after(Number(command[4]), () => {
            this.#readers = this.#readers.filter((one) => one !== reader);
            resolve(null);
          });
          this.#readers.push(reader);
        });
        if (reply === "cut") throw new PresenceError("REDIS_UNAVAILABLE", "cut");
        return reply;
      }
      default:
        throw new Error(`a follower sent ${name}`);
    }
  }
}

/** All possible users. The first three never leave. */
export const NAMES = Array.from({ length: 12 }, (_, i) => `user-${String(i).padStart(2, "0")}`);
