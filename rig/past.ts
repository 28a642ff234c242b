/**
 * A history for the past to be rebuilt from: users of several processes who come and go, with graces, goodbyes, servers that close and servers that
 * crash, written by hand and folded by the real script; and who was in `users` at some of its moments, as Redis itself had it.
 */
import type { Redis } from "ioredis";
import { keysOf, type ShardKeys } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { shardOf } from "../src/core/shard.ts";
import { projectorOver } from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import type { Random } from "./random.ts";
import { until } from "./until.ts";

export interface PastOptions {
  readonly prefix: string;
  readonly shards: number;
  readonly random: Random;
  /** How many users there are, most of whom come and go all the time. */
  readonly users: number;
}

/** Who was present at a time of Redis, ms. */
export interface Moment {
  readonly at: number;
  readonly users: readonly string[];
}

interface Server {
  readonly process: string;
  readonly ttl: number;
  readonly grace: number;
  readonly seqs: number[];
  readonly open: Map<string, number>[];
}

const SERVERS = 6;
const LEASE = 600_000;
/** Of a server that will crash: its last record keeps its users present for so long. */
const SHORT_LEASE = 60;

export class PastHistory {
  readonly #redis: Redis;
  readonly #options: PastOptions;
  readonly #keys: readonly ShardKeys[];
  readonly #projector;
  #servers: Server[] = [];
  #started = 0;
  /** What happened, for a test that wants to know that it did. */
  readonly ended = { byes: 0, crashes: 0 };
  /** How many transitions were told so far. */
  transitions = 0;

  constructor(redis: Redis, options: PastOptions) {
    this.#redis = redis;
    this.#options = options;
    const { prefix, shards } = options;
    this.#keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
    this.#projector = projectorOver(ioredisPort(redis), { prefix, shards });
  }

  /** Something happens on every server, and is folded; sometimes in more than one call. */
  async round(): Promise<void> {
    const { random } = this.#options;
    while (this.#servers.length < SERVERS) this.#servers.push(this.#start());
    for (const server of this.#servers) {
      await this.#operate(server);
      if (random.chance(0.3)) await this.#fold();
    }
    await this.#fold();
    const fate = random.next();
    if (fate < 0.06) await this.#close(this.#servers.shift()!);
    else if (fate < 0.12) {
      this.ended.crashes++;
      // Nothing tells its end but its lease. Its users may be on other servers too, or come back on one.
      const dying = this.#start(SHORT_LEASE);
      for (let i = 0; i < 8; i++) await this.#operate(dying);
      await this.#fold();
    }
  }

  /** Who is in `users` now. Ends when the clock of Redis has moved on, so that nothing else happens at that time. */
  async moment(): Promise<Moment> {
    const transaction = this.#redis.multi().time();
    for (const { users } of this.#keys) transaction.hkeys(users);
    const [time, ...replies] = (await transaction.exec())!.map(([, reply]) => reply);
    const at = msOf(time);
    await until("the clock has moved on", async () => msOf(await this.#redis.time()) > at, { every: 1 });
    return { at, users: (replies as string[][]).flat().sort() };
  }

  /** Every lease and grace that can end has ended. */
  async settle(): Promise<void> {
    const { prefix } = this.#options;
    await until(`what is left of ${prefix} has ended`, async () => {
      await this.#fold();
      const graced = await Promise.all(this.#keys.map(({ leaving }) => this.#redis.zcard(leaving)));
      const processes = await Promise.all(this.#keys.map(({ processes: own }) => this.#redis.zcard(own)));
      return graced.every((n) => n === 0) && processes.every((n) => n <= SERVERS);
    });
  }

  #start(ttl = LEASE): Server {
    const { random, shards } = this.#options;
    return {
      process: `server-${++this.#started}`,
      ttl,
      grace: random.chance(0.7) ? random.int(5, 60) : 0,
      seqs: Array.from({ length: shards }, () => 0),
      open: Array.from({ length: shards }, () => new Map<string, number>()),
    };
  }

  async #operate(server: Server): Promise<void> {
    const { random, users, shards } = this.#options;
    const lists = this.#keys.map(() => ({
      connect: [] as string[],
      disconnect: [] as string[],
      leave: [] as string[],
    }));
    const named = new Set<string>();
    for (let i = random.int(20, 400); i > 0; i--) {
      const n = random.int(1, users);
      const user = `user-${n}`;
      const shard = shardOf(user, shards);
      const [list, open] = [lists[shard]!, server.open[shard]!];
      const sockets = open.get(user) ?? 0;
      // Who is on several servers seldom goes, so most are on one of them.
      if (sockets === 0 && n % SERVERS !== this.#servers.indexOf(server) && random.chance(0.98)) continue;
      if (named.has(user)) continue;
      named.add(user);
      if (sockets === 0 || random.chance(0.1)) {
        list.connect.push(user);
        open.set(user, sockets + 1);
      } else {
        list[random.chance(0.3) ? "disconnect" : "leave"].push(user);
        if (sockets === 1) open.delete(user);
        else open.set(user, sockets - 1);
      }
    }
    for (const [shard, list] of lists.entries()) await this.#append(server, shard, list);
  }

  async #close(server: Server): Promise<void> {
    this.ended.byes++;
    for (const [shard, open] of server.open.entries()) {
      const close = [...open].flatMap(([user, sockets]) => Array.from({ length: sockets }, () => user));
      open.clear();
      await this.#append(server, shard, { close, bye: true });
    }
    await this.#fold();
  }

  async #append(
    { process, ttl, grace, seqs, open }: Server,
    shard: number,
    lists: { readonly [name: string]: readonly string[] | boolean },
  ): Promise<void> {
    const sockets = [...open[shard]!.values()].reduce((sum, n) => sum + n, 0);
    const seq = ++seqs[shard]!;
    const about = { host: "host.example", pid: 1, version: "1.0.0", grace };
    const record = encodeRecord({ process, seq, ttl, sockets, ...lists, ...(seq === 1 && { about }) });
    await this.#redis.call("XADD", this.#keys[shard]!.records, "*", ...record);
  }

  async #fold(): Promise<void> {
    const { rejected, fenced, changes } = await this.#projector.sweep();
    this.transitions += changes;
    if (rejected + fenced > 0) throw new Error(`a record of the test was wrong: ${rejected}, ${fenced}`);
  }
}

function msOf(time: unknown): number {
  const [seconds, micros] = time as [string, string];
  return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
}
