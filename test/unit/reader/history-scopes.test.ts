/**
 * Goal: history() of a namespace or room says what was in it, minute by minute; what nobody tracks or nobody keeps is an error and never 0; shards
 * add up.
 * Method: the real script and readers on the test's clock; random histories of several rooms against a plain list of minutes.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Redis } from "ioredis";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import type { HistoryKept } from "../../../src/core/history.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/core/limits.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { type HistoryOptions, type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

const SEED = Number(process.env["HISTORY_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** 10:00 of a day, UTC. */
const START = Date.UTC(2024, 1, 28, 10);
const KEPT = { scopes: ["/chat", "/chat,news", "/chat,näws"] };

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

let prefixes = 0;

/** Users with a socket each, who join and part on one process, on the test's clock. */
class World {
  readonly prefix = `scopes-${prefixes++}`;
  readonly reader: Reader;
  readonly #shards: number;
  readonly #history: boolean | HistoryKept;
  readonly #tracks: readonly string[];
  readonly #seqs: number[];
  readonly #sockets: number[];
  readonly #memberships: number[];
  now = START;
  #ids = 0;

  constructor(history: boolean | HistoryKept = KEPT, shards = 1, tracks: readonly string[] = ["/chat", "/chat,*"]) {
    this.#history = history;
    this.#shards = shards;
    this.#tracks = tracks;
    [this.#seqs, this.#sockets, this.#memberships] = [0, 1, 2].map(() => Array<number>(shards).fill(0)) as [number[], number[], number[]];
    this.reader = readerOver(ioredisPort(redis), { prefix: this.prefix, shards }, { now: () => this.now });
  } // prettier-ignore

  /** A record in each shard, folded: a heartbeat where nobody comes or goes. A user comes with a socket, and goes with it. */
  async does(
    scope = "/chat",
    come: readonly string[] = [],
    go: readonly string[] = [],
    history = this.#history,
  ): Promise<void> {
    const options = { prefix: this.prefix, shards: this.#shards, history };
    const projector = projectorOver(ioredisPort(redis), options, { now: () => this.now });
    for (let shard = 0; shard < this.#shards; shard++) {
      const here = (users: readonly string[]) =>
        users.filter((user) => shardOf(user, this.#shards) === shard);
      const [connect, leave] = [here(come), here(go)];
      this.#sockets[shard]! += connect.length - leave.length;
      this.#memberships[shard]! += connect.length - leave.length;
      const seq = ++this.#seqs[shard]!;
      const fields = encodeRecord({
        process: "p",
        seq,
        ttl: HOUR_MS,
        ...(seq === 1 && { about: { host: "h", pid: 1, version: "0", grace: 0, tracks: this.#tracks } }),
        ...(connect.length > 0 && { connect, join: [[scope, ...connect]] }),
        ...(leave.length > 0 && { leave, part: [[scope, ...leave]] }),
        sockets: this.#sockets[shard]!,
        memberships: this.#memberships[shard]!,
      });
      const key = keysOf(this.prefix, shard, this.#shards).records;
      await redis.call("XADD", key, `${this.now}-${++this.#ids}`, ...fields);
      while ((await projector.step(shard)).more);
    }
  }

  /** `10:05 2 1 3` for each point: users last, min, max; `10:05 -` for a gap. */
  async users(room: string | undefined, options: HistoryOptions = {}): Promise<string[]> {
    const scope = this.reader.of("/chat");
    const { points } = await (room === undefined ? scope : scope.in(room)).history(options);
    return points.map(({ at, users, sockets, distinct }) => {
      if (distinct !== null) throw new Error("distinct users of a scope are not kept");
      if ((sockets === null) !== (users === null)) throw new Error("half a gap");
      const text = users === null ? "-" : `${users.last} ${users.min} ${users.max}`;
      return `${at.toISOString().slice(11, 16)} ${text}`;
    });
  }
}

it("what goes on, quiet minutes, gaps, and steps that are multiples", async () => {
  const world = new World();
  await world.does("/chat,news", ["a", "b"]);
  world.now += 30_000;
  await world.does("/chat,news", [], ["a"]);
  expect((await world.users("news")).slice(-2)).toEqual(["09:59 -", "10:00 1 1 2"]);
  // Empty, but tracked: 0 is 0.
  expect((await world.users("näws")).slice(-2)).toEqual(["09:59 -", "10:00 0 0 0"]);
  world.now = START + 2 * MINUTE_MS + 5_000;
  expect((await world.users("news")).slice(-3)).toEqual(["10:00 1 1 2", "10:01 1 1 1", "10:02 1 1 1"]);
  await world.does("/chat,news", ["c"]);
  expect((await world.users("news")).slice(-3)).toEqual(["10:00 1 1 2", "10:01 1 1 1", "10:02 2 1 2"]);
  expect(await world.users("news", { from: START, step: "5m" })).toEqual(["10:00 2 1 2"]);
  expect(await world.users("news", { from: START, step: "day" })).toEqual(["00:00 2 1 2"]);
  const { points } = await world.reader.history();
  expect(points.at(-1)!.users).toEqual({ last: 2, min: 1, max: 2 });
});

it("what a caller that names none folded since is a gap, not a wrong number", async () => {
  const world = new World();
  await world.does("/chat,news", ["a"]);
  world.now += 2 * MINUTE_MS;
  await world.does("/chat,news", ["b"], [], true);
  world.now += MINUTE_MS;
  expect((await world.users("news")).slice(-4)).toEqual(["10:00 1 1 1", "10:01 -", "10:02 -", "10:03 -"]);
});

it("what is not tracked is never 0, and what is not kept is no list of gaps", async () => {
  const world = new World({ scopes: ["/chat,news", "/other"] }, 1, ["/chat", "/chat,news"]);
  await world.does("/chat,news", ["a"]);
  await expect(world.reader.of("/other").history()).rejects.toMatchObject({ code: "SCOPE_UNTRACKED" });
  await expect(world.reader.of("/chat").history()).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
  await expect(world.reader.of("/chat").in("none").history()).rejects.toMatchObject({
    code: "SCOPE_UNTRACKED",
  });
  await world.does("/chat,news", [], [], { scopes: ["/chat"] });
  // It is not named any more.
  await expect(world.users("news")).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
  expect((await world.users(undefined)).at(-1)).toBe("10:00 0 0 0");
  const whole = new World(true);
  await whole.does("/chat,news", ["a"]);
  await expect(whole.users("news")).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
  for (const options of [{ step: "second" }, { until: 5 }, { from: 0 }])
    await expect(world.users(undefined, options as HistoryOptions)).rejects.toMatchObject({
      code: "OPTIONS_INVALID",
    });
});

it("shards add up, and a part that one of them does not know is a gap", async () => {
  const world = new World(KEPT, 3);
  await world.does("/chat,news", ["a", "b", "c", "d", "e", "f", "g"]);
  world.now += MINUTE_MS;
  await world.does("/chat,news", [], ["a", "b"]);
  const { bounds, points } = await world.reader.of("/chat").in("news").history();
  expect(bounds).toBe(true);
  expect(points.slice(-2).map((point) => point.sockets)).toEqual([{ last: 7, min: 7, max: 7 }, { last: 5, min: 5, max: 7 }]);
  await redis.hdel(keysOf(world.prefix, 1, 3).totals, "watched");
  expect((await world.users("news")).slice(-2)).toEqual(["10:00 7 7 7", "10:01 -"]);
}); // prettier-ignore

it(`every minute, hour and day of each scope agrees with a plain list of what was (HISTORY_SEED=${SEED})`, async () => {
  const random = new Random(String(SEED));
  const world = new World();
  const rooms = [undefined, "news", "näws"];
  const here = rooms.map(() => new Set<string>());
  /** Minute → what the scope was in it. */
  const seen = rooms.map(() => new Map<number, number[]>());
  const note = () => {
    const minute = world.now - (world.now % MINUTE_MS);
    for (const [i, users] of here.entries()) seen[i]!.set(minute, [...(seen[i]!.get(minute) ?? []), users.size]);
  };
  for (let i = 0; i < 300; i++) {
    const until = world.now + random.int(1, 12 * MINUTE_MS);
    if (i > 0) {
      for (; world.now < until; world.now = Math.min(until, world.now - (world.now % MINUTE_MS) + MINUTE_MS)) note();
      note();
    }
    const which = random.int(0, 2);
    const user = `u${which}.${random.int(0, 9)}`;
    const goes = here[which]!.has(user);
    if (goes) here[which]!.delete(user);
    else here[which]!.add(user);
    const scope = rooms[which] === undefined ? "/chat" : `/chat,${rooms[which]}`;
    await world.does(scope, goes ? [] : [user], goes ? [user] : []);
    note();
  }
  for (const [i, room] of rooms.entries()) {
    for (const [step, length] of [["minute", MINUTE_MS], ["5m", 5 * MINUTE_MS], ["hour", HOUR_MS], ["day", DAY_MS]] as const) {
      const from = Math.max(START, world.now - 1_400 * length);
      const scope = world.reader.of("/chat");
      const { points } = await (room === undefined ? scope : scope.in(room)).history({ from, step });
      for (const { at, users } of points) {
        const all = [...seen[i]!].filter(([minute]) => minute >= at.getTime() && minute < at.getTime() + length).flatMap(([, counts]) => counts);
        expect([room, step, at, users]).toEqual([room, step, at, all.length === 0 ? null : { last: all.at(-1), min: Math.min(...all), max: Math.max(...all) }]);
      }
      expect(points.length).toBeGreaterThan(step === "day" ? 1 : 20);
    }
  }
}, 60_000); // prettier-ignore
