/**
 * A shard in memory, with the test's own clock: `users` and `changes` as the script keeps them, processes that register again
 * after a loss, and all faults. A follower reads it through the port of a connection.
 */
import type { Random } from "../../../rig/random.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { keysOf } from "../../../src/core/keys.ts";
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

interface Process {
  /** What is really open. */
  readonly users: Set<string>;
  /** What of it the projection knows; undefined: it does not know the process. */
  known: Set<string> | undefined;
}

interface Entry {
  readonly id: string;
  readonly fields: string[];
}

interface State {
  readonly entries: readonly Entry[];
  readonly known: readonly (ReadonlySet<string> | undefined)[];
}

export class Source {
  readonly #clock: Clock;
  readonly #processes: Process[];
  #entries: Entry[] = [];
  #last = 0;
  #cutAt: number | undefined;
  #readers: { from: string; cancel: () => void; answer: (reply: Reply) => void }[] = [];
  /** While true, nothing gets through. */
  down = false;

  constructor(clock: Clock, processes: number) {
    this.#clock = clock;
    this.#processes = Array.from({ length: processes }, () => ({ users: new Set(), known: new Set() }));
  }

  /** Who is present, as the projection has it. */
  get users(): string[] {
    return [...new Set(this.#processes.flatMap(({ known }) => [...(known ?? [])]))].sort();
  }

  get isLost(): boolean {
    return this.#processes.some(({ known }) => known === undefined);
  }

  /** A user comes to a process or leaves it. A process that is not known says so when it registers. */
  toggle(process: number, user: string): void {
    const { users, known } = this.#processes[process]!;
    const comes = !users.delete(user);
    if (comes) users.add(user);
    if (known === undefined) return;
    this.#step("leave", () => (comes ? known.add(user) : known.delete(user)));
  }

  /** The process sends its full state. */
  register(process: number): void {
    const own = this.#processes[process]!;
    this.#step("replace", () => (own.known = new Set(own.users)));
  }

  registerAll(): void {
    for (const [i, { users, known }] of this.#processes.entries())
      if (known === undefined || [...users].join() !== [...known].join()) this.register(i);
  }

  /** Redis is empty: every process will find out. */
  flush(): void {
    this.#entries = [];
    for (const process of this.#processes) process.known = undefined;
  }

  /** The script has made the projection again. */
  rebuild(): void {
    this.#entries = [];
    for (const process of this.#processes) process.known = undefined;
    this.#append(["rebuilt", "by the test"]);
  }

  /** The stream keeps its last entries. */
  trim(keep: number): void {
    this.#entries = this.#entries.slice(-keep);
  }

  save(): State {
    return {
      entries: [...this.#entries],
      known: this.#processes.map(({ known }) => known && new Set(known)),
    };
  }

  /** A failover to a replica that was behind. Ids are by the clock, so none comes again. */
  restore({ entries, known }: State): void {
    this.#entries = [...entries];
    for (const [i, process] of this.#processes.entries()) process.known = known[i] && new Set(known[i]);
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

  /** What a call of the script does: the difference goes to `changes`. */
  #step(cause: string, act: () => unknown): void {
    const before = this.users;
    act();
    const after = this.users;
    const came = after.filter((user) => !before.includes(user));
    const went = before.filter((user) => !after.includes(user));
    const fields = [
      ...(came.length > 0 ? ["connect", JSON.stringify(came)] : []),
      ...(went.length > 0 ? [cause, JSON.stringify(went)] : []),
    ];
    if (fields.length > 0) this.#append(fields);
  }

  #append(fields: string[]): void {
    const id = `${1_000_000 + Math.floor(this.#clock.now())}-${++this.#last}`;
    this.#entries.push({ id, fields });
    const readers = this.#readers;
    this.#readers = [];
    for (const { cancel, answer, from } of readers) {
      cancel();
      answer(this.#after(from));
    }
  }

  #after(from: string): Reply {
    const entries = this.#entries.filter(({ id }) => isBefore(from, id));
    return entries.length === 0
      ? null
      : [[keysOf(PREFIX, 0, 1).changes, entries.slice(0, 100).map(({ id, fields }) => [id, fields])]];
  }

  #between(from: string, to: string): Entry[] {
    if (to !== "+") return this.#entries.filter(({ id }) => id === from);
    return this.#entries.filter(({ id }) => from === "-" || isBefore(from.slice(1), id)).slice(0, 1);
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
    const [name, key, ...args] = command;
    const { users, about } = keysOf(PREFIX, 0, 1);
    switch (name) {
      case "HMGET": {
        const present = new Set(this.users);
        const totals: Record<string, string> = {
          users: String(present.size),
          ran: "1000000",
          slots: "3",
        };
        return args.map((field) =>
          key === users ? (present.has(field) ? "1" : null) : (totals[field] ?? null),
        );
      }
      case "HSCAN": {
        if (key === about) return ["0", ["p", JSON.stringify({ ttl: String(TTL) })]];
        // By name, two at a time: a user who is there throughout is found, others may be.
        const from = Number(args[0]);
        const names = this.users;
        const found = NAMES.slice(from, from + 2).flatMap((user) =>
          names.includes(user) ? [user, "1"] : [],
        );
        // Pages take time: the world goes on in between.
        await new Promise<void>((resolve) => void this.#clock.after(1, resolve));
        if (this.down) throw new PresenceError("REDIS_UNAVAILABLE", "down");
        return [from + 2 >= NAMES.length ? "0" : String(from + 2), found];
      }
      case "XLEN":
        return this.#entries.length;
      case "XREVRANGE":
        return this.#entries.slice(-1).map(({ id, fields }) => [id, fields]);
      case "XRANGE":
        return this.#between(args[0]!, args[1]!).map(({ id, fields }) => [id, fields]);
      case "XREAD": {
        const from = command.at(-1)!;
        const now = this.#after(from);
        if (now !== null) return now;
        const reply = await new Promise<Reply>((resolve) => {
          const reader = { from, answer: resolve, cancel: () => {} };
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
