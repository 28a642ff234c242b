/**
 * One shard under a test's clock: appends records at chosen times, runs the real script, and reads the whole projection.
 * `check()` checks the invariants that must hold after every call.
 */
import { Redis } from "ioredis";
import { decodeChanges, type Change } from "../src/core/change.ts";
import { keysOf, type ShardKeys } from "../src/core/keys.ts";
import { encodeRecord, type Operation, type RecordEntry } from "../src/core/record.ts";
import type { ReadMode } from "../src/projector/options.ts";
import {
  type Projector,
  projectorOver,
  type StepOptions,
  type StepResult,
} from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";

let prefixes = 0;

export type Counts = Record<string, number>;

function counts(hash: Record<string, string>): Counts {
  return Object.fromEntries(Object.entries(hash).map(([id, n]) => [id, Number(n)]));
}

export class TestShard {
  readonly redis: Redis;
  readonly prefix: string;
  readonly keys: ShardKeys;
  readonly projector: Projector;
  /** The clock, ms. Starts at a round number. */
  now = 1_000_000;
  #ids = 0;

  constructor(url: string, options: { budget?: number; prefix?: string; read?: ReadMode } = {}) {
    this.redis = new Redis(url);
    this.prefix = options.prefix ?? `test-${process.pid}-${prefixes++}`;
    this.keys = keysOf(this.prefix, 0, 1);
    this.projector = projectorOver(
      ioredisPort(this.redis),
      { prefix: this.prefix, budget: options.budget, read: options.read },
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

  record(entry: Partial<RecordEntry> & { process: string; seq: number; sockets: number }): Promise<string> {
    return this.append(...encodeRecord({ ttl: 10_000, operations: [], ...entry }));
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

  async users(): Promise<Counts> {
    return counts(await this.redis.hgetall(this.keys.users));
  }

  async usersOf(process: string): Promise<Counts> {
    return counts(await this.redis.hgetall(this.keys.processUsers(process)));
  }

  async process(id: string): Promise<Record<string, string>> {
    return this.redis.hgetall(this.keys.process(id));
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

  /** Throws unless INV-1 and INV-4 hold and the totals equal the sums they stand for. */
  async check(): Promise<void> {
    const users = await this.users();
    // No prototype: `__proto__` is a valid user id.
    const sums = Object.create(null) as Counts;
    let sockets = 0;
    let connections = 0;
    for (const key of await this.redis.keys(`${this.keys.process("")}*`)) {
      if (key.endsWith(":users")) {
        for (const [id, n] of Object.entries(counts(await this.redis.hgetall(key)))) {
          if (n <= 0) throw new Error(`INV-1: ${key} holds ${n} for ${id}`);
          sums[id] = (sums[id] ?? 0) + n;
        }
      } else {
        const hash = await this.redis.hgetall(key);
        sockets += Number(hash["sockets"]);
        connections += Number(hash["connections"]);
      }
    }
    const leaving = await this.redis.zrange(this.keys.leaving, "0", "-1");
    for (const id of leaving) if (users[id] === 0) sums[id] ??= 0;
    const sorted = (all: Counts) => JSON.stringify(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (sorted(users) !== sorted(sums))
      throw new Error(`INV-1: users ${sorted(users)}, sum of processes ${sorted(sums)}`);

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
    const expected = { users: Object.keys(users).length, sockets, connections };
    for (const [name, n] of Object.entries(expected)) {
      if (Number(totals[name] ?? 0) !== n) throw new Error(`totals.${name} is ${totals[name]}, not ${n}`);
    }
  }

  async close(): Promise<void> {
    await this.redis.quit();
  }
}

/** `+alice` connects, `-alice` drops, `~alice` leaves; `+` alone is an anonymous socket. */
export function operations(...short: string[]): Operation[] {
  const names = { "+": "connect", "-": "disconnect", "~": "leave" } as const;
  return short.map((text) => ({ op: names[text[0] as "+"], user: text.slice(1) }));
}
