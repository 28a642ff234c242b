/** A follower of a test's own prefix, and the protocol's keys written through the real script. */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { until } from "../../../rig/until.ts";
import type { Change } from "../../../src/core/change.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { follow, type FollowOptions, type Following, type Gap } from "../../../src/follow/mirror.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

export interface Heard {
  readonly following: Following;
  /** `+alice connect`, `-ben resync` … */
  readonly told: string[];
  readonly changes: Change[];
  readonly gaps: Gap[];
  readonly logged: string[];
  readonly states: string[];
}

let prefixes = 0;
export const newPrefix = () => `follow-${process.pid}-${prefixes++}`;

/** A Redis of the file's own, and what is closed after each test. */
export function useFollowers() {
  let server: RedisServer;
  let redis: Redis;
  const open: { close(): Promise<unknown> }[] = [];
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
    await redis.flushdb();
  });
  afterAll(async () => {
    await redis.quit();
    await server.stop();
  });

  function start(options: Partial<FollowOptions> & { prefix: string }): Heard {
    const told: string[] = [];
    const changes: Change[] = [];
    const gaps: Gap[] = [];
    const logged: string[] = [];
    const states: string[] = [];
    const log = (message: string) => void logged.push(message);
    const following = follow({
      redis: server.url,
      shards: 1,
      ttl: 300,
      max: 1_000_000,
      logger: { info: log, warn: log, error: log },
      onChange(change) {
        told.push(`${change.type === "online" ? "+" : "-"}${change.user} ${change.cause}`);
        changes.push(change);
      },
      onGap: (gap) => gaps.push(gap),
      onState: (error) => states.push(error === null ? "works" : error.code),
      ...options,
    });
    open.push(following);
    return { following, told, changes, gaps, logged, states };
  }

  return {
    get server() {
      return server;
    },
    get redis() {
      return redis;
    },
    start,
    /** The same, once it follows. */
    async started(options: Partial<FollowOptions> & { prefix: string }): Promise<Heard> {
      const heard = start(options);
      await heard.following.ready;
      return heard;
    },
    writer(prefix: string, shards = 1): Writer {
      return new Writer(redis, prefix, shards);
    },
    shard(prefix: string): TestShard {
      const shard = new TestShard(server.url, { prefix });
      open.push(shard);
      return shard;
    },
  };
}

/** A process that appends to every shard and folds at once, on the clock of Redis. */
export class Writer {
  readonly redis: Redis;
  readonly prefix: string;
  readonly shards: number;
  #processes = 0;

  constructor(redis: Redis, prefix: string, shards: number) {
    this.redis = redis;
    this.prefix = prefix;
    this.shards = shards;
  }

  /** A process that has not registered yet. */
  process(ttl = 300): WriterProcess {
    return new WriterProcess(this, `p${++this.#processes}`, ttl);
  }

  /** Without reaping: leases are short here and not renewed. */
  async fold(): Promise<void> {
    const projector = projectorOver(ioredisPort(this.redis), { prefix: this.prefix, shards: this.shards });
    for (let shard = 0; shard < this.shards; shard++)
      await until("all is folded", async () => !(await projector.step(shard, { reap: false })).more);
  }

  async users(): Promise<string[]> {
    const all = await Promise.all(
      Array.from({ length: this.shards }, (_, shard) =>
        this.redis.hkeys(keysOf(this.prefix, shard, this.shards).users),
      ),
    );
    return all.flat().sort();
  }
}

/** One process: `+alice`, `~ben` as in operations(). Its records heal as a recorder's do: register() after a loss. */
export class WriterProcess {
  readonly #writer: Writer;
  readonly #name: string;
  readonly #ttl: number;
  #incarnation = 0;
  #seq: number[];
  #users: string[][];

  constructor(writer: Writer, name: string, ttl: number) {
    this.#writer = writer;
    this.#name = name;
    this.#ttl = ttl;
    this.#seq = Array.from({ length: writer.shards }, () => 0);
    this.#users = Array.from({ length: writer.shards }, () => []);
  }

  /** Appends one record to each shard concerned, and folds. */
  async do(...short: string[]): Promise<void> {
    await this.quietly(...short);
    await this.#writer.fold();
  }

  /** Changes what the process has without appending anything. */
  forget(...users: string[]): void {
    this.#users = this.#users.map((all) => all.filter((user) => !users.includes(user)));
  }

  /** Appends without folding. */
  async quietly(...short: string[]): Promise<void> {
    const { shards } = this.#writer;
    for (let shard = 0; shard < shards; shard++) {
      const own = operations(...short).filter(({ user }) => shardOf(user, shards) === shard);
      for (const { op, user } of own) {
        const users = this.#users[shard]!;
        if (op === "connect") users.push(user);
        else users.splice(users.indexOf(user), 1);
      }
      const lists: Record<string, string[]> = {};
      for (const { op, user } of own) (lists[op] ??= []).push(user);
      await this.#append(shard, lists, []);
    }
  }

  async #append(shard: number, lists: object, replaces: readonly string[]): Promise<void> {
    const { redis, prefix, shards } = this.#writer;
    const fields = encodeRecord({
      process: `${this.#name}.${this.#incarnation}`,
      seq: ++this.#seq[shard]!,
      ttl: this.#ttl,
      sockets: this.#users[shard]!.length,
      ...lists,
      ...(replaces.length > 0 && { replaces: [...replaces] }),
    });
    await redis.call("XADD", keysOf(prefix, shard, shards).records, "*", ...fields);
  }

  /** Registers again with its full state, and folds. */
  async register(): Promise<void> {
    const before = `${this.#name}.${this.#incarnation++}`;
    this.#seq = this.#seq.map(() => 0);
    for (const [shard, users] of this.#users.entries())
      await this.#append(shard, users.length > 0 ? { connect: users } : {}, [before]);
    await this.#writer.fold();
  }
}
