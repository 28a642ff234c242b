/**
 * Goal: the history has what the projection was, minute by minute: quiet minutes are values, minutes without a projector are gaps, no
 * clock makes it count twice or stop, and a caller that keeps none sends and writes what it always did.
 * Method: the real script under a clock of the test; keys and commands as Redis has them. Sums over random histories: test/model.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { DAY_MS, HISTORY_LATE_MS, HOUR_MS, MINUTE_MS, SLICE_MAX } from "../../../src/core/limits.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

/** 10:05:00 of a day, UTC. */
const NOON = Date.UTC(2024, 1, 28, 10, 5);
const DISTINCT = ":distinct:20240228";
const about = { host: "h", pid: 1, version: "0", grace: 0 };

let server: RedisServer;
const open: TestShard[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.all(open.map((shard) => shard.close()));
  await server.stop();
});

function newShard(history = true): TestShard {
  const shard = new TestShard(server.url, { history });
  shard.now = NOON;
  open.push(shard);
  return shard;
}

/** One process with a lease of an hour. */
class Process {
  readonly #shard: TestShard;
  readonly #id: string;
  readonly #ttl: number;
  #seq = 0;
  #sockets = 0;

  constructor(shard: TestShard, id = "p", ttl = HOUR_MS) {
    this.#shard = shard;
    this.#id = id;
    this.#ttl = ttl;
  }

  /** Appends `+alice -bob`, or a heartbeat. */
  async append(...texts: string[]): Promise<void> {
    const all = operations(...texts);
    for (const { op } of all) this.#sockets += op === "connect" ? 1 : -1;
    this.#seq++;
    const first = this.#seq === 1 && { about };
    await this.#shard.record({ process: this.#id, seq: this.#seq, ttl: this.#ttl, ...first, operations: all, sockets: this.#sockets });
  }

  /** The same, folded at once. */
  async does(...texts: string[]): Promise<void> {
    await this.append(...texts);
    await this.#shard.drain();
  }

  /** Lets time pass, with a heartbeat every 50 minutes at most and one at the end. */
  async lasts(ms: number): Promise<void> {
    for (const end = this.#shard.now + ms; this.#shard.now < end;) {
      this.#shard.now = Math.min(end, this.#shard.now + 50 * MINUTE_MS);
      await this.does();
    }
  }
} // prettier-ignore

const users = (count: number, name = "u") => Array.from({ length: count }, (_, i) => `+${name}${i}`);
const at = (ms: number) => new Date(ms).toISOString().slice(5, 16);

/** Entries as `02-28T10:05 users 1 0 1 sockets 1 0 1`. */
async function entries(shard: TestShard, name: "minutes" | "hours" | "days"): Promise<string[]> {
  const found = await shard.redis.xrange(`${shard.keys.tag}:${name}`, "-", "+");
  return found.map(([id, fields]) => {
    const shown = fields.map((text, i) => (fields[i - 1] === "until" ? at(Number(text)) : text));
    return [at(Number(id.split("-", 1)[0])), ...shown].join(" ");
  });
}

const counted = async (shard: TestShard) => (await shard.totals())["counted"];
const distinct = (shard: TestShard, ...names: string[]) =>
  shard.redis.pfcount(...(names as [string]).map((name) => shard.keys.tag + name));

it("a minute has the last, least and most of what the projection was in it", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a", "+b");
  shard.now += 20_000;
  await process.does("+c", "+c", "+d");
  shard.now += 20_000;
  await process.does("-a", "-b");
  expect(await entries(shard, "minutes")).toEqual([]);
  shard.now = NOON + MINUTE_MS;
  await process.does("+e");
  shard.now += MINUTE_MS;
  await shard.step();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 2 2 4 sockets 3 2 5",
    // It began with what the one before ended with.
    "02-28T10:06 users 3 2 3 sockets 4 3 4",
  ]);
});

it("minutes in which nothing was due are the last value, in one entry", async () => {
  const shard = newShard();
  await new Process(shard).does("+a");
  shard.now += 30 * MINUTE_MS + 5;
  await shard.step();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1 until 02-28T10:34",
  ]);
  // Again, by somebody else: nothing is there twice.
  await shard.step({ check: true });
  expect(await entries(shard, "minutes")).toHaveLength(1);
});

it("from when on work was overdue, minutes are a gap", async () => {
  const shard = newShard();
  await new Process(shard, "p", 5 * MINUTE_MS).does("+a", "+b");
  // Its lease ends with minute 10:09. Nobody calls until 10:20.
  shard.now += 15 * MINUTE_MS;
  await shard.drain();
  shard.now += MINUTE_MS;
  await shard.step();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 2 2 2 sockets 2 2 2 until 02-28T10:09",
    "02-28T10:20 users 0 0 0 sockets 0 0 0",
  ]);
});

it.each([
  ["not longer than it may", HISTORY_LATE_MS, " until 02-28T10:09"],
  ["longer than it may", HISTORY_LATE_MS + 1, " until 02-28T10:08"],
])("a record that waited at the end of a minute, %s", async (_, waited, until) => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a");
  shard.now = NOON + 5 * MINUTE_MS - waited;
  await process.append("+b");
  shard.now = NOON + 6 * MINUTE_MS;
  await shard.drain();
  expect((await entries(shard, "minutes"))[0]).toBe(`02-28T10:05 users 1 1 1 sockets 1 1 1${until}`);
});

it("while no process is there at all, nothing is due", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a");
  await shard.record({ process: "p", seq: 2, operations: operations("-a"), sockets: 0, bye: true });
  await shard.drain();
  shard.now += 3 * HOUR_MS;
  await shard.step();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 0 0 1 sockets 0 0 1 until 02-28T13:04",
  ]);
  expect(await entries(shard, "hours")).toEqual(["02-28T10:00 users 0 0 1 sockets 0 0 1 until 02-28T12:00"]);
});

it("a caller without a history: what it folds in between is not known", async () => {
  const shard = newShard();
  const without = projectorOver(ioredisPort(shard.redis), { prefix: shard.prefix }, { now: () => shard.now });
  const process = new Process(shard);
  await process.does("+a");
  shard.now += 2 * MINUTE_MS;
  await process.append("+b", "+c");
  await without.step();
  await process.append("-b");
  await without.step();
  shard.now += 3 * MINUTE_MS;
  await process.does("+d");
  shard.now += MINUTE_MS;
  await process.does();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1",
    "02-28T10:10 users 3 3 3 sockets 3 3 3",
  ]);
  expect(await counted(shard)).toBe("2 0 0 0 0 0 0 0");
});

it("within a minute, what such a caller left behind counts", async () => {
  const shard = newShard();
  const without = projectorOver(ioredisPort(shard.redis), { prefix: shard.prefix }, { now: () => shard.now });
  const process = new Process(shard);
  await process.does("+a");
  await process.append("+b", "+c");
  await without.step();
  await process.does("-b", "-c");
  shard.now += MINUTE_MS;
  await process.does();
  expect(await entries(shard, "minutes")).toEqual(["02-28T10:05 users 1 1 3 sockets 1 1 3"]);
});

it("when the clock goes back a little, the minute goes on until it has caught up", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a");
  shard.now += MINUTE_MS;
  await process.does("+b");
  shard.now -= 30_000;
  // A new log: the ids of this one are ahead.
  await shard.redis.del(shard.keys.records);
  await process.does("+c");
  shard.now += 45_000;
  await process.does("-a");
  shard.now += MINUTE_MS;
  await process.does();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1",
    "02-28T10:06 users 2 1 3 sockets 2 1 3",
  ]);
});

it("a clock that was far ahead does not stop the history", async () => {
  const shard = newShard();
  const process = new Process(shard, "p", 1_000);
  await process.does("+a");
  shard.now = NOON + 30 * DAY_MS;
  await process.does();
  shard.now += MINUTE_MS;
  await process.does();
  expect(await entries(shard, "minutes")).toHaveLength(2);
  shard.now = NOON + 2 * MINUTE_MS;
  await shard.redis.del(shard.keys.records);
  const later = new Process(shard, "q");
  await later.does("+b");
  // What the wrong clock said goes when it is found to be in the way.
  shard.now += MINUTE_MS;
  await later.does();
  shard.now += MINUTE_MS;
  await later.does();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1",
    // The lease of p, which moved back with the clock, ended in 10:08.
    "02-28T10:07 users 2 2 2 sockets 2 2 2",
    "02-28T10:08 users 1 1 2 sockets 1 1 2",
  ]);
});

it("hours and days have the last, least and most of their minutes", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a", "+b");
  shard.now += 30 * MINUTE_MS;
  await process.does("+c");
  shard.now += MINUTE_MS;
  await process.does("-a", "-b");
  shard.now += 30 * MINUTE_MS;
  await process.does();
  expect(await entries(shard, "hours")).toEqual(["02-28T10:00 users 1 1 3 sockets 1 1 3"]);
  await process.lasts(4 * HOUR_MS);
  await process.does("+d");
  expect((await entries(shard, "hours")).at(-1)).toBe("02-28T14:00 users 1 1 1 sockets 1 1 1");
  await process.lasts(DAY_MS);
  expect(await entries(shard, "days")).toEqual(["02-28T00:00 users 2 1 3 sockets 2 1 3"]);
  const hours = await entries(shard, "hours");
  expect(hours).toHaveLength(29);
  expect(hours.slice(5, 7)).toEqual(["02-28T15:00 users 2 1 2 sockets 2 1 2", "02-28T16:00 users 2 2 2 sockets 2 2 2"]);
}); // prettier-ignore

it("an hour that had a quiet part and then nobody has that part", async () => {
  const shard = newShard();
  const process = new Process(shard, "p", HOUR_MS);
  await process.does("+a");
  // The lease ends at 11:05; somebody calls at 12:10.
  shard.now += 2 * HOUR_MS + 5 * MINUTE_MS;
  await shard.drain();
  shard.now += HOUR_MS;
  await shard.drain();
  expect(await entries(shard, "hours")).toEqual([
    "02-28T10:00 users 1 1 1 sockets 1 1 1 until 02-28T11:00",
    "02-28T12:00 users 0 0 0 sockets 0 0 0",
  ]);
});

it("after FLUSHALL it begins anew, and after a rebuild it goes on", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a", "+b");
  shard.now += MINUTE_MS;
  await process.does();
  await shard.redis.del(shard.keys.users);
  expect(await shard.step({ check: true })).toMatchObject({ rebuilt: true });
  const again = new Process(shard, "q");
  await again.does("+a");
  shard.now += MINUTE_MS;
  await again.does();
  expect(await entries(shard, "minutes")).toEqual([
    "02-28T10:05 users 2 2 2 sockets 2 2 2",
    "02-28T10:06 users 1 0 2 sockets 1 0 2",
  ]);
  expect(await counted(shard)).toBe("3 0 0 0 0 0 0 0");
  await shard.redis.flushdb();
  const last = new Process(shard, "r");
  await last.does("+a");
  shard.now += MINUTE_MS;
  await last.does();
  expect(await entries(shard, "minutes")).toEqual(["02-28T10:07 users 1 1 1 sockets 1 1 1"]);
  expect(await counted(shard)).toBe("1 0 0 0 0 0 0 0");
});

it("changes are counted by cause, in the order connect, disconnect, leave, grace, bye, reap, replace, repair", async () => {
  const shard = newShard();
  const graced = { ...about, grace: 5_000 };
  const record = async (process: string, seq: number, sockets: number, rest: object, ...texts: string[]) => {
    await shard.record({ process, seq, sockets, operations: operations(...texts), ...rest });
    await shard.drain();
  };
  await record("p", 1, 6, { about }, "+a", "+b", "+c", "+d", "+e", "+f");
  await record("p", 2, 3, {}, "-a", "~b", "!c");
  await record("g", 1, 1, { about: graced }, "+g");
  await record("g", 2, 0, {}, "-g");
  shard.now += 6_000;
  await shard.drain();
  await record("q", 1, 0, { about, replaces: ["p"] });
  await record("r", 1, 1, { about, ttl: 100 }, "+h");
  shard.now += 200;
  await shard.drain();
  expect(await counted(shard)).toBe("8 1 1 1 1 1 3 0");
  await shard.redis.hset(shard.keys.users, "ghost", "99");
  await shard.redis.hincrby(shard.keys.totals, "users", 1);
  await shard.projector.verify({ repair: true });
  expect(await counted(shard)).toBe("8 1 1 1 1 1 3 1");
}); // prettier-ignore

it("distinct users of a day: who came, and who was still here at its beginning, once each", async () => {
  const shard = newShard();
  const process = new Process(shard);
  await process.does("+a", "+b", "+c");
  await process.does("-a");
  await process.does("+a");
  expect(await distinct(shard, DISTINCT)).toBe(3);
  await process.lasts(DAY_MS - (NOON % DAY_MS) - 1);
  await process.does("-c");
  shard.now += 1;
  // b goes in the first call of the new day, and was here.
  await process.does("-b", "+d");
  expect(await distinct(shard, ":distinct:20240229")).toBe(3);
  await process.does("+b");
  expect(await distinct(shard, ":distinct:20240229")).toBe(3);
  expect(await distinct(shard, DISTINCT, ":distinct:20240229")).toBe(4);
  // 29 February is followed by 1 March.
  await process.lasts(DAY_MS);
  expect(await distinct(shard, ":distinct:20240301")).toBe(3);
  // After 62 days a day goes, also when nobody called for a while.
  shard.now += 61 * DAY_MS;
  await shard.drain();
  const kept = async () =>
    (await shard.redis.keys(`${shard.keys.tag}:distinct:*`)).map((key) => key.slice(-8)).sort();
  expect(await kept()).toEqual(["20240229", "20240301", "20240501"]);
  shard.now += 10 * DAY_MS;
  await shard.drain();
  expect(await kept()).toEqual(["20240501"]);
});

it("INV-7: at midnight those who are here are counted some a call, and those who go meanwhile too", async () => {
  const shard = newShard();
  shard.now = Math.ceil(NOON / DAY_MS) * DAY_MS - MINUTE_MS;
  const process = new Process(shard);
  for (let i = 0; i < 6; i++) await process.does(...users(500, `u${i}.`));
  // The first pass, of the day on which it was turned on.
  await shard.drain();
  shard.now += MINUTE_MS;
  await process.append(...users(400, "u5.").map((text) => text.replace("+", "-")));
  const results = await shard.drain();
  expect(results.length).toBeGreaterThan(2600 / SLICE_MAX / 2);
  const found = await distinct(shard, ":distinct:20240229");
  // HyperLogLog is off by 0.81 % (one standard deviation).
  expect(Math.abs(found - 3000)).toBeLessThan(3000 * 4 * 0.0081);
  expect(await shard.step()).toMatchObject({ more: false });
});

it("keys of another type make no call fail", async () => {
  const shard = newShard();
  const process = new Process(shard);
  for (const name of [":minutes", ":hours", ":days", DISTINCT]) await shard.redis.lpush(shard.keys.tag + name, "x");
  await process.does("+a");
  shard.now += 2 * HOUR_MS;
  await process.does("+b");
  expect(await shard.users()).toEqual({ a: 1, b: 1 });
}); // prettier-ignore

/** Commands and keys of a few calls, the quick path and the careful one. */
async function traceOf(history: boolean): Promise<{ lines: string[]; keys: string[]; totals: string[] }> {
  const shard = newShard(history);
  await shard.redis.flushdb();
  const process = new Process(shard);
  await process.does("+a");
  const monitor = await shard.redis.duplicate().monitor();
  const lines: string[] = [];
  const ended = new Promise<void>((resolve) => {
    monitor.on("monitor", (_: string, words: string[], source: string) => {
      if (words[1] === "the end") resolve();
      else if (source === "lua") lines.push(words.join(" ").replaceAll(shard.prefix, "P"));
    });
  });
  await process.does("+b", "+c");
  await process.lasts(DAY_MS);
  await process.does("-b");
  await shard.step({ check: true });
  await shard.redis.echo("the end");
  await ended;
  monitor.disconnect();
  const keys = (await shard.redis.keys("*")).map((key) => key.replace(shard.prefix, "P")).sort();
  return { lines, keys, totals: Object.keys(await shard.totals()).sort() };
} // prettier-ignore

it("without the option nothing is sent, read or written for it", async () => {
  const [off, on] = [await traceOf(false), await traceOf(true)];
  const isOurs = /\bminute|\bhour|\bdays?\b|distinct|carried|counted|pf(add|count)/i;
  expect(off.lines.filter((line) => isOurs.test(line))).toEqual([]);
  expect(off.keys.filter((key) => isOurs.test(key))).toEqual([]);
  expect(off.totals.filter((name) => isOurs.test(name))).toEqual([]);
  // With it, all of that, and of other commands only these.
  const names = (lines: string[]) => lines.map((line) => line.split(" ", 1)[0]!.toLowerCase());
  const extra = names(on.lines);
  for (const name of names(off.lines)) {
    expect(extra).toContain(name);
    extra.splice(extra.indexOf(name), 1);
  }
  expect([...new Set(extra)].sort()).toEqual(["hmget", "hscan", "pfadd", "unlink", "xadd"]);
  expect(on.keys.filter((key) => !off.keys.includes(key)).map((key) => key.split(":")[1])).toEqual(
    ["days", "distinct", "distinct", "hours", "minutes"],
  );
}); // prettier-ignore
