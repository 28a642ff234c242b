/**
 * Goal: history() and distinct() say what the projection was: minutes, hours, days and multiples, what goes on included, quiet minutes as
 * values and gaps as null; shards add up; and where nothing is kept it is said.
 * Method: the real script and readers on the test's clock, with one shard and with three; random histories against a plain list of minutes.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Redis } from "ioredis";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/core/limits.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { type HistoryOptions, type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

const SEED = Number(process.env["HISTORY_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** 10:00 of a day, UTC. */
const START = Date.UTC(2024, 1, 28, 10);

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

/** Users who come and go on one process, on the test's clock. */
class World {
  readonly prefix = `history-${prefixes++}`;
  readonly reader: Reader;
  readonly projector: Projector;
  readonly without: Projector;
  readonly #shards: number;
  readonly #ttl: number;
  readonly #seqs: number[];
  readonly #sockets: number[];
  now = START;
  #ids = 0;

  constructor(shards = 1, ttl = HOUR_MS) {
    const [clock, keys] = [{ now: () => this.now }, { prefix: this.prefix, shards }];
    this.#shards = shards;
    this.#ttl = ttl;
    this.#seqs = Array<number>(shards).fill(0);
    this.#sockets = Array<number>(shards).fill(0);
    this.projector = projectorOver(ioredisPort(redis), { ...keys, history: true }, clock);
    this.without = projectorOver(ioredisPort(redis), keys, clock);
    this.reader = readerOver(ioredisPort(redis), keys, clock);
  }

  /** A record in each shard, folded: a heartbeat where nobody comes or goes. */
  async does(come: readonly string[] = [], go: readonly string[] = [], by = this.projector): Promise<void> {
    for (let shard = 0; shard < this.#shards; shard++) {
      const here = (users: readonly string[]) =>
        users.filter((user) => shardOf(user, this.#shards) === shard);
      const [connect, leave] = [here(come), here(go)];
      this.#sockets[shard]! += connect.length - leave.length;
      const seq = ++this.#seqs[shard]!;
      const fields = encodeRecord({
        process: "p",
        seq,
        ttl: this.#ttl,
        ...(seq === 1 && { about: { host: "h", pid: 1, version: "0", grace: 0 } }),
        ...(connect.length > 0 && { connect }),
        ...(leave.length > 0 && { leave }),
        sockets: this.#sockets[shard]!,
      });
      const key = keysOf(this.prefix, shard, this.#shards).records;
      await redis.call("XADD", key, `${this.now}-${++this.#ids}`, ...fields);
      while ((await by.step(shard)).more);
    }
  }

  /** `10:05 2 1 3` for each point: users last, min, max; `10:05 -` for a gap. */
  async users(options: HistoryOptions = {}): Promise<string[]> {
    const { points } = await this.reader.history(options);
    return points.map(({ at, users, sockets }) => {
      if ((sockets === null) !== (users === null)) throw new Error("half a gap");
      const text = users === null ? "-" : `${users.last} ${users.min} ${users.max}`;
      return `${at.toISOString().slice(11, 16)} ${text}`;
    });
  }
}

it("a minute that goes on, quiet ones, gaps, and 60 of them by default", async () => {
  const world = new World(1, 3 * MINUTE_MS);
  await world.does(["a", "b"]);
  world.now += 30_000;
  await world.does([], ["a"]);
  expect((await world.users()).slice(-2)).toEqual(["09:59 -", "10:00 1 1 2"]);
  // Nothing is said to be due until 10:03 (a lease that was renewed since), and 10 s more.
  world.now = START + 2 * MINUTE_MS + 5_000;
  expect((await world.users()).slice(-3)).toEqual(["10:00 1 1 2", "10:01 1 1 1", "10:02 1 1 1"]);
  world.now = START + 3 * MINUTE_MS + 10_000;
  expect((await world.users()).at(-1)).toBe("10:03 1 1 1");
  world.now += 1;
  expect((await world.users()).at(-1)).toBe("10:03 -");
  world.now = START + 6 * MINUTE_MS;
  expect((await world.users()).slice(-4)).toEqual(["10:03 -", "10:04 -", "10:05 -", "10:06 -"]);
  while ((await world.projector.step()).more);
  // Afterwards the stream says the same.
  expect((await world.users()).slice(-8)).toEqual([
    "09:59 -", "10:00 1 1 2", "10:01 1 1 1", "10:02 1 1 1", "10:03 -", "10:04 -", "10:05 -", "10:06 0 0 0",
  ]);
  expect(await world.users()).toHaveLength(60);
}); // prettier-ignore

it("steps that are multiples, hours and days join their parts; ends are moved out to whole steps", async () => {
  const world = new World();
  for (let minute = 0; minute < 130; minute++) {
    world.now = START + minute * MINUTE_MS;
    await world.does([`u${minute}`], minute % 10 === 9 ? [`u${minute}`, `u${minute - 1}`] : []);
  }
  const [from, to] = [START + 7 * MINUTE_MS, new Date(START + 31 * MINUTE_MS)];
  expect(await world.users({ from, to, step: "15m" })).toEqual(["10:00 13 1 13", "10:15 24 13 25", "10:30 37 24 37"]);
  expect(await world.users({ from, to: START + 3 * HOUR_MS, step: "hour" })).toEqual([
    "10:00 48 1 49", "11:00 96 48 97", "12:00 104 96 105",
  ]);
  expect(await world.users({ from, step: "2h" })).toEqual(["10:00 96 1 97", "12:00 104 96 105"]);
  const { points, step, ...answer } = await world.reader.history({ from: START - DAY_MS, step: "day" });
  expect(step).toBe(DAY_MS);
  expect(points.map(({ at, users }) => [at.toISOString(), users])).toEqual([
    ["2024-02-27T00:00:00.000Z", null],
    ["2024-02-28T00:00:00.000Z", { last: 104, min: 1, max: 105 }],
  ]);
  expect(answer).toMatchObject({ bounds: false, from: new Date("2024-02-27"), to: new Date("2024-02-29") });
  // 13 of 130 came and went in one call, which is no change.
  expect(points[1]!.distinct).toBeGreaterThanOrEqual(115);
  expect(points[1]!.distinct).toBeLessThanOrEqual(119);
  expect(points[0]!.distinct).toBeNull();
}); // prettier-ignore

it("what somebody without a history folded since makes a gap, not a wrong number", async () => {
  const world = new World();
  await world.does(["a"]);
  world.now += 2 * MINUTE_MS;
  await world.does(["b"], [], world.without);
  world.now += MINUTE_MS;
  expect((await world.users()).slice(-4)).toEqual(["10:00 1 1 1", "10:01 -", "10:02 -", "10:03 -"]);
});

it("shards add up, a part that one of them does not know is a gap, and min and max are bounds", async () => {
  const world = new World(3);
  const users = ["a", "b", "c", "d", "e", "f", "g"];
  await world.does(users);
  world.now += MINUTE_MS;
  await world.does([], ["a", "b"]);
  const { bounds, points } = await world.reader.history();
  expect(bounds).toBe(true);
  expect(points.slice(-2).map((point) => point.users)).toEqual([{ last: 7, min: 7, max: 7 }, { last: 5, min: 5, max: 7 }]);
  world.now += MINUTE_MS;
  // One shard only, with records that wait in the others.
  await redis.xadd(keysOf(world.prefix, 1, 3).records, `${world.now}-0`, "no", "record");
  world.now += MINUTE_MS;
  await world.projector.step(0);
  expect((await world.users()).slice(-4)).toEqual(["10:00 7 7 7", "10:01 5 5 7", "10:02 -", "10:03 -"]);
  expect((await world.reader.distinct({ day: "2024-02-28" })).distinct).toBe(7);
}); // prettier-ignore

it("distinct users of a day, a week and a month, in UTC", async () => {
  const world = new World();
  const days: string[] = [];
  for (let day = 0; day < 31; day++) {
    world.now = START + day * DAY_MS;
    days.push(new Date(world.now).toISOString().slice(0, 10));
    // Each comes on two days; the lease ends in between.
    await world.does([`u${day}`, `u${day - 1}`], []);
    await world.does([], [`u${day}`, `u${day - 1}`]);
  }
  const last = days.at(-1)!;
  const distinct = async (options: Parameters<Reader["distinct"]>[0]) => (await world.reader.distinct(options)).distinct;
  expect(await distinct({ day: last })).toBe(2);
  expect(await distinct({ day: new Date(`${last}T23:59:59.999Z`) })).toBe(2);
  expect(await distinct({ from: days.at(-7)!, to: last })).toBe(8);
  expect(await distinct({ from: days[0]!, to: last })).toBe(32);
  expect(await world.reader.distinct({ from: days[29]! })).toMatchObject({ from: days[29], to: days[29], distinct: 2 });
  const week = await world.reader.history({ from: START, to: world.now, step: "7d" });
  expect(week.points.map((point) => point.distinct)).toContain(8);
  for (const refused of [{}, { day: "2024-02-30" }, { day: last, to: last }, { from: last, to: days[0]! }, { from: "2024-01-01", to: last }, { day: "2023-01-01" }])
    await expect(distinct(refused)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
}); // prettier-ignore

it("where nothing is kept, it is an error and not a list of gaps", async () => {
  const world = new World();
  await world.does(["a"], [], world.without);
  await expect(world.reader.history()).rejects.toMatchObject({ code: "HISTORY_UNTRACKED" });
  await expect(world.reader.distinct({ day: "2024-02-28" })).rejects.toMatchObject({
    code: "HISTORY_UNTRACKED",
  });
  expect((await world.reader.totals()).changes).toBeNull();
});

it.each([
  { step: "second" }, { step: "0m" }, { step: "1.5h" }, { step: "99999m" }, { from: -1 }, { from: 1.5 }, { to: Number.NaN }, { from: new Date("x") },
  { from: START, to: START + 1_501 * MINUTE_MS }, { from: 0 }, { until: 5 },
])("%j is refused", async (options) => {
  const world = new World();
  await world.does(["a"]);
  await expect(world.reader.history(options as HistoryOptions)).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
}); // prettier-ignore

it("totals() has the changes by cause, over all shards", async () => {
  const world = new World(3);
  await world.does(["a", "b", "c", "d"]);
  await world.does([], ["a", "b"]);
  expect((await world.reader.totals()).changes).toEqual({
    connect: 4, disconnect: 0, leave: 2, grace: 0, bye: 0, reap: 0, replace: 0, repair: 0,
  });
}); // prettier-ignore

it(`every minute, hour and day agrees with a plain list of what was (HISTORY_SEED=${SEED})`, async () => {
  const random = new Random(String(SEED));
  const world = new World();
  /** Minute → what the projection was in it. */
  const seen = new Map<number, number[]>();
  const note = (count: number) => {
    const minute = world.now - (world.now % MINUTE_MS);
    seen.set(minute, [...(seen.get(minute) ?? []), count]);
  };
  const here = new Set<string>();
  for (let i = 0; i < 400; i++) {
    const until = world.now + random.int(1, 12 * MINUTE_MS);
    if (i > 0) {
      for (; world.now < until; world.now = Math.min(until, world.now - (world.now % MINUTE_MS) + MINUTE_MS)) note(here.size);
      note(here.size);
    }
    const user = `u${random.int(0, 19)}`;
    const goes = here.has(user);
    if (goes) here.delete(user);
    else here.add(user);
    await world.does(goes ? [] : [user], goes ? [user] : []);
    note(here.size);
  }
  for (const [step, length] of [["minute", MINUTE_MS], ["5m", 5 * MINUTE_MS], ["hour", HOUR_MS], ["day", DAY_MS]] as const) {
    const from = Math.max(START, world.now - 1_400 * length);
    const { points } = await world.reader.history({ from, step });
    for (const { at, users } of points) {
      const all = [...seen].filter(([minute]) => minute >= at.getTime() && minute < at.getTime() + length).flatMap(([, counts]) => counts);
      expect([step, at, users]).toEqual([step, at, all.length === 0 ? null : { last: all.at(-1), min: Math.min(...all), max: Math.max(...all) }]);
    }
    expect(points.length).toBeGreaterThan(step === "day" ? 1 : 30);
  }
}, 60_000); // prettier-ignore
