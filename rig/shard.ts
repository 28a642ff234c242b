/**
 * One shard under a test's clock: appends records at chosen times, runs the real script, and reads the whole projection.
 * `check()` checks the invariants that must hold after every call.
 */
import { Redis } from "ioredis";
import { decodeChanges, type Change } from "../src/core/change.ts";
import type { Keep } from "../src/core/keep.ts";
import type { KeepsHistory } from "../src/core/history.ts";
import { keysOf, type ShardKeys } from "../src/core/keys.ts";
import { encodeRecord, type RecordEntry } from "../src/core/record.ts";
import { deriveRecordKeys } from "../src/projector/record-keys.ts";
import { signed } from "../src/recorder/sign.ts";
import type { ReadMode } from "../src/projector/options.ts";
import {
  type Projector,
  projectorOver,
  type StepOptions,
  type StepResult,
} from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { checkScopes, readScopes } from "./scopes.ts";
import { isSlots, slotsOf } from "./slots.ts";

let prefixes = 0;

export type Counts = Record<string, number>;

export { slotsOf };

const sum = (slots: ReadonlyMap<number, number>) => [...slots.values()].reduce((all, n) => all + n, 0);

/** What a socket does, for tests that write it down in a row. */
export interface Operation {
  readonly op: "connect" | "disconnect" | "leave" | "close";
  /** `""`: a socket without a user. */
  readonly user: string;
}

/** A process as `states`, `about` and `processes` have it. */
export interface ProcessState {
  readonly state: string;
  readonly seq: number;
  readonly sockets: number;
  readonly anonymous: number;
  readonly connections: number;
  readonly slot: number;
  readonly grace: number;
  readonly cause?: string;
  readonly about: Readonly<Record<string, string>>;
}

export function stateOf(text: string, about: string | null): ProcessState {
  const [state, seq, sockets, anonymous, connections, slot, grace, cause] = text.split(" ");
  return {
    state: state!,
    seq: Number(seq),
    sockets: Number(sockets),
    anonymous: Number(anonymous),
    connections: Number(connections),
    slot: Number(slot),
    grace: Number(grace),
    ...(cause !== undefined && { cause }),
    about: about === null ? {} : (JSON.parse(about) as Record<string, string>),
  };
}

export class TestShard {
  readonly redis: Redis;
  readonly prefix: string;
  readonly keys: ShardKeys;
  readonly projector: Projector;
  /** The clock, ms. Starts at a round number. */
  now = 1_000_000;
  #ids = 0;
  /** Sockets without a user, as the last record of each process had them. */
  readonly #anonymous = new Map<string, number>();
  readonly #recordKeys: readonly string[] | undefined;

  constructor(
    url: string,
    options: {
      budget?: number;
      prefix?: string;
      read?: ReadMode;
      keep?: Keep | undefined;
      history?: KeepsHistory["history"];
      recordKeys?: readonly string[] | undefined;
    } = {},
  ) {
    this.#recordKeys = options.recordKeys;
    this.redis = new Redis(url);
    this.prefix = options.prefix ?? `test-${process.pid}-${prefixes++}`;
    this.keys = keysOf(this.prefix, 0, 1);
    this.projector = projectorOver(
      ioredisPort(this.redis),
      {
        prefix: this.prefix,
        budget: options.budget,
        read: options.read,
        keep: options.keep,
        history: options.history,
        recordKeys: options.recordKeys,
      },
      { now: () => this.now },
    );
  }

  /** Appends any fields at the current time; returns the id. */
  async append(...fields: string[]): Promise<string> {
    return (await this.redis.call(
      "XADD",
      this.keys.records,
      `${this.now}-${++this.#ids}`,
      ...fields,
    )) as string;
  }

  /** Signed, if this shard has keys. */
  async record(record: TestRecord): Promise<string> {
    const fields = this.fieldsOf(record);
    const { signing } = await deriveRecordKeys(this.#recordKeys, this.prefix);
    return this.append(...(signing === undefined ? fields : signed(fields, this.keys.records, signing)));
  }

  /** The fields of a record, without a signature. */
  fieldsOf({ operations = [], ...entry }: TestRecord): string[] {
    const id = entry.process;
    let anonymous = this.#anonymous.get(id) ?? 0;
    for (const { op, user } of operations) if (user === "") anonymous += op === "connect" ? 1 : -1;
    const changed = anonymous !== (this.#anonymous.get(id) ?? 0);
    this.#anonymous.set(id, anonymous);
    return encodeRecord({ ttl: 10_000, ...listsOf(operations), ...(changed && { anonymous }), ...entry });
  }

  step(options?: StepOptions): Promise<StepResult> {
    return this.projector.step(0, options);
  }

  /** Steps until there is nothing more to do now. Returns the results. */
  async drain(): Promise<StepResult[]> {
    const results: StepResult[] = [];
    do results.push(await this.step());
    while (results.at(-1)!.more);
    return results;
  }

  /** User → sockets on all processes; 0: in grace. */
  async users(): Promise<Counts> {
    const found = Object.entries(await this.redis.hgetall(this.keys.users));
    return Object.fromEntries(found.map(([user, text]) => [user, sum(slotsOf(text))]));
  }

  /** The same on one process. */
  async usersOf(process: string): Promise<Counts> {
    const { slot } = await this.process(process);
    const found = Object.entries(await this.redis.hgetall(this.keys.users));
    return Object.fromEntries(
      found.flatMap(([user, text]) => {
        const sockets = slotsOf(text).get(slot);
        return sockets === undefined ? [] : [[user, sockets]];
      }),
    );
  }

  async process(id: string): Promise<ProcessState> {
    const [text, about] = await Promise.all([
      this.redis.hget(this.keys.states, id),
      this.redis.hget(this.keys.about, id),
    ]);
    if (text === null) throw new Error(`${id} is not known`);
    return stateOf(text, about);
  }

  async isKnown(id: string): Promise<boolean> {
    return (await this.redis.hexists(this.keys.states, id)) === 1;
  }

  async totals(): Promise<Record<string, string>> {
    return this.redis.hgetall(this.keys.totals);
  }

  async changes(): Promise<Change[]> {
    const entries = await this.redis.xrange(this.keys.changes, "-", "+");
    return entries.flatMap(([id, fields]) => decodeChanges(id, fields));
  }

  /** Changes as short text: `+alice connect`, `-bob reap`. */
  async told(): Promise<string[]> {
    return (await this.changes()).map(
      ({ user, type, cause }) => `${type === "online" ? "+" : "-"}${user} ${cause}`,
    );
  }

  async rejected(): Promise<string[]> {
    return (await this.redis.xrange(this.keys.rejected, "-", "+")).map(([, fields]) => fields[1]!);
  }

  /** Throws unless INV-1 and INV-4 hold, in scopes too, and the totals equal the sums they stand for. */
  async check(): Promise<void> {
    const users = await this.redis.hgetall(this.keys.users);
    const states = Object.entries(await this.redis.hgetall(this.keys.states)).map(([id, text]) => ({
      id,
      ...stateOf(text, null),
    }));
    const onSlot = new Map<number, number>();
    const leaving = new Set(await this.redis.zrange(this.keys.leaving, "0", "-1"));
    for (const [user, text] of Object.entries(users)) {
      if (!isSlots(text)) throw new Error(`INV-1: users holds ${text} for ${user}`);
      for (const [slot, sockets] of slotsOf(text)) {
        onSlot.set(slot, (onSlot.get(slot) ?? 0) + sockets);
      }
      if (text === "0" && !leaving.has(user)) throw new Error(`INV-1: ${user} is in grace without end`);
    }
    let sockets = 0;
    let connections = 0;
    for (const process of states) {
      const counted = onSlot.get(process.slot) ?? 0;
      if (process.slot > 0 && process.sockets - process.anonymous !== counted) {
        throw new Error(
          `INV-1: ${process.id} has ${process.sockets - process.anonymous}, users say ${counted}`,
        );
      }
      onSlot.delete(process.slot);
      sockets += process.sockets;
      connections += process.connections;
    }
    if (onSlot.size > 0)
      throw new Error(`INV-1: users name the slots ${[...onSlot.keys()].join()} of nobody`);

    const online = new Set<string>();
    for (const { user, type } of await this.changes()) {
      if (online.has(user) === (type === "online")) throw new Error(`INV-4: ${user} ${type} twice`);
      if (type === "online") online.add(user);
      else online.delete(user);
    }
    const last = [...online].sort().join();
    const present = Object.keys(users).sort().join();
    if (last !== present) throw new Error(`INV-4: changes end with ${last}, users are ${present}`);

    const totals = await this.totals();
    const expected = { users: Object.keys(users).length, sockets, connections, graced: leaving.size };
    for (const [name, n] of Object.entries(expected)) {
      if (Number(totals[name] ?? 0) !== n) throw new Error(`totals.${name} is ${totals[name]}, not ${n}`);
    }
    const slots = (await this.redis.zrange(this.keys.processes, "0", "-1")).map(
      (one) => one.split(":", 1)[0]!,
    );
    checkScopes(await readScopes(this.redis, this.keys), new Set(Object.keys(users)), new Set(slots));
  }

  async close(): Promise<void> {
    await this.redis.quit();
  }
}

export interface TestRecord extends Partial<RecordEntry> {
  readonly process: string;
  readonly seq: number;
  readonly sockets: number;
  readonly operations?: readonly Operation[];
}

/** The lists of a record, in which operations are named by kind. */
export function listsOf(operations: readonly Operation[]): Partial<Record<Operation["op"], string[]>> {
  const lists: Partial<Record<Operation["op"], string[]>> = {};
  for (const { op, user } of operations) if (user !== "") (lists[op] ??= []).push(user);
  return lists;
}

/** `+alice` connects, `-alice` drops, `~alice` leaves, `!alice` closes with its server; `+` alone is an anonymous socket. */
export function operations(...short: string[]): Operation[] {
  const names = { "+": "connect", "-": "disconnect", "~": "leave", "!": "close" } as const;
  return short.map((text) => ({ op: names[text[0] as "+"], user: text.slice(1) }));
}
