/**
 * Goal: of the namespaces and rooms that callers name, the history has what the projection was, minute by minute, with the same rules as of the
 * whole; callers that name none, or others, do no harm; and a call reads one score a name and no more while nothing changes.
 * Method: the real script under a clock of the test; keys and commands as Redis has them. Sums over random histories: test/model.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { TestShard } from "../../../rig/shard.ts";
import { type HistoryKept, historyArgument } from "../../../src/core/history.ts";
import { HISTORY_SCOPES, HOUR_MS, MINUTE_MS, MINUTES_KEPT_MS } from "../../../src/core/limits.ts";
import { project } from "../../../src/lua/generated.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

/** 10:05:00 of a day, UTC. */
const NOON = Date.UTC(2024, 1, 28, 10, 5);
const [CHAT, NEWS] = ["/chat", "/chat,news"];
const BOTH = { scopes: [CHAT, NEWS] };

let server: RedisServer;
const open: World[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await Promise.all(open.map(({ shard }) => shard.close()));
  await server.stop();
});

type Memberships = readonly (readonly [scope: string, ...users: string[]])[];

/** One process; its users have a socket each all the time, and join and part. */
class World {
  readonly shard: TestShard;
  readonly #ttl: number;
  #seq = 0;
  #memberships = 0;

  constructor(history: boolean | HistoryKept = BOTH, ttl = HOUR_MS) {
    this.shard = new TestShard(server.url, { history });
    this.shard.now = NOON;
    this.#ttl = ttl;
    open.push(this);
  }

  caller(history: boolean | HistoryKept): Projector {
    const { redis, prefix } = this.shard;
    return projectorOver(ioredisPort(redis), { prefix, history }, { now: () => this.shard.now });
  }

  async append(join: Memberships = [], part: Memberships = []): Promise<void> {
    const count = (all: Memberships) => all.reduce((sum, one) => sum + one.length - 1, 0);
    this.#memberships += count(join) - count(part);
    const first = ++this.#seq === 1;
    await this.shard.record({
      process: "p",
      seq: this.#seq,
      ttl: this.#ttl,
      ...(first && {
        about: { host: "h", pid: 1, version: "0", grace: 0, tracks: ["/chat", "/chat,*"] },
        connect: ["a", "b", "c"],
        anonymous: 1,
      }),
      ...(join.length > 0 && { join: [...join] }),
      ...(part.length > 0 && { part: [...part] }),
      sockets: 4,
      memberships: this.#memberships,
    });
  }

  async does(join: Memberships = [], part: Memberships = [], by = this.shard.projector): Promise<void> {
    await this.append(join, part);
    while ((await by.step(0)).more);
  }

  /** Entries as `02-28T10:05 users 1 0 1 sockets 1 0 1`. */
  async entries(name: "minutes" | "hours" | "days", scope: string): Promise<string[]> {
    const at = (ms: number) => new Date(ms).toISOString().slice(5, 16);
    const found = await this.shard.redis.xrange(`${this.shard.keys.tag}:${name}:${scope}`, "-", "+");
    return found.map(([id, fields]) => {
      const shown = fields.map((text, i) => (fields[i - 1] === "until" ? at(Number(text)) : text));
      return [at(Number(id.split("-", 1)[0])), ...shown].join(" ");
    });
  }

  /** What Redis runs for the script while `during` runs. */
  async commands(during: () => Promise<void>): Promise<string[]> {
    const monitor = await this.shard.redis.monitor();
    const lines: string[] = [];
    const ended = new Promise<void>((resolve) => {
      monitor.on("monitor", (_: string, words: string[], source: string) => {
        if (words[1] === "the end") resolve();
        else if (source === "lua") lines.push(words.join(" ").replaceAll(this.shard.keys.tag, "P"));
      });
    });
    await during();
    await this.shard.redis.echo("the end");
    await ended;
    monitor.disconnect();
    return lines;
  }
}

it("a minute has the last, least and most of each scope, anonymous sockets included", async () => {
  const world = new World();
  await world.does([[CHAT, "a", ""], [NEWS, "a"]]);
  await world.does([[CHAT, "b", "c"]]);
  await world.does([], [[CHAT, "a", "b"]]);
  expect(await world.entries("minutes", CHAT)).toEqual([]);
  world.shard.now += MINUTE_MS;
  await world.does([], [[NEWS, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  expect(await world.entries("minutes", CHAT)).toEqual([
    "02-28T10:05 users 1 1 3 sockets 2 2 4",
    "02-28T10:06 users 1 1 1 sockets 2 2 2",
  ]);
  expect(await world.entries("minutes", NEWS)).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1",
    // It began with what the one before it ended with.
    "02-28T10:06 users 0 0 1 sockets 0 0 1",
  ]);
}); // prettier-ignore

it("quiet minutes are one entry, and from when on work was overdue they are a gap", async () => {
  const world = new World(BOTH, 5 * MINUTE_MS);
  await world.does([[CHAT, "a", "b"]]);
  world.shard.now += 15 * MINUTE_MS;
  await world.shard.drain();
  world.shard.now += MINUTE_MS;
  await world.shard.drain();
  expect(await world.entries("minutes", CHAT)).toEqual([
    "02-28T10:05 users 2 2 2 sockets 2 2 2 until 02-28T10:09",
    "02-28T10:20 users 0 0 0 sockets 0 0 0",
  ]);
});

it("hours and days have the last, least and most of their minutes", async () => {
  const world = new World();
  await world.does([[CHAT, "a", "b"]]);
  world.shard.now += 30 * MINUTE_MS;
  await world.does([[CHAT, "c"]]);
  world.shard.now += MINUTE_MS;
  await world.does([], [[CHAT, "a", "b"]]);
  for (let i = 0; i < 30; i++) {
    world.shard.now += 50 * MINUTE_MS;
    await world.does();
  }
  const hours = await world.entries("hours", CHAT);
  expect(hours.slice(0, 2)).toEqual([
    "02-28T10:00 users 1 1 3 sockets 1 1 3",
    "02-28T11:00 users 1 1 1 sockets 1 1 1",
  ]);
  expect(await world.entries("days", CHAT)).toEqual(["02-28T00:00 users 1 1 3 sockets 1 1 3"]);
});

it("when the clock goes back a little the minute goes on, and when by more it begins anew", async () => {
  const world = new World();
  await world.does([[CHAT, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does([[CHAT, "b"]]);
  world.shard.now -= 30_000;
  // A new log: the ids of this one are ahead.
  await world.shard.redis.del(world.shard.keys.records);
  await world.does([[CHAT, "c"]]);
  world.shard.now += 45_000;
  await world.does([], [[CHAT, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  const seen = ["02-28T10:05 users 1 1 1 sockets 1 1 1", "02-28T10:06 users 2 1 3 sockets 2 1 3"];
  expect(await world.entries("minutes", CHAT)).toEqual(seen);
  world.shard.now -= 2 * HOUR_MS;
  await world.shard.redis.del(world.shard.keys.records);
  await world.does([], [[CHAT, "b"]]);
  expect(await world.entries("minutes", CHAT)).toEqual(seen);
  const [text] = await world.shard.redis.hmget(world.shard.keys.watched, CHAT);
  expect(text).toMatch(/^1 1 1 1,/);
});

it.each([
  ["keeps none", false],
  ["names none", true],
])("what a caller that %s folds in between is not known", async (_, history) => {
  const world = new World();
  const other = world.caller(history);
  await world.does([[CHAT, "a"]]);
  world.shard.now += 2 * MINUTE_MS;
  await world.does([[CHAT, "b", "c"]], [], other);
  world.shard.now += 3 * MINUTE_MS;
  await world.does([], [[CHAT, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  expect(await world.entries("minutes", CHAT)).toEqual([
    "02-28T10:05 users 1 1 1 sockets 1 1 1",
    "02-28T10:10 users 2 2 2 sockets 2 2 2",
  ]);
});

it("of callers that name others the last decides: what both name goes on, the rest begins or ends", async () => {
  const world = new World({ scopes: [NEWS, CHAT] });
  const other = world.caller({ scopes: ["/chat,late", NEWS] });
  await world.does([[CHAT, "a"], [NEWS, "a"], ["/chat,late", "a"]]);
  await world.does([[NEWS, "b"]], [], other);
  await world.does([], [[NEWS, "a", "b"]], other);
  expect((await world.shard.redis.hkeys(world.shard.keys.watched)).sort()).toEqual(["/chat,late", NEWS]);
  world.shard.now += MINUTE_MS;
  await world.does([], [], other);
  expect(await world.entries("minutes", NEWS)).toEqual(["02-28T10:05 users 0 0 2 sockets 0 0 2"]);
  expect(await world.entries("minutes", "/chat,late")).toEqual(["02-28T10:05 users 1 1 1 sockets 1 1 1"]);
  expect(await world.entries("minutes", CHAT)).toEqual([]);
  // In another order it is the same list.
  expect(historyArgument(BOTH)).toBe(' history ["/chat","/chat,news"]');
  expect((await world.shard.totals())["watching"]).toBe('["/chat,late","/chat,news"]');
}); // prettier-ignore

it("a list that changes with the minute: what goes on keeps its last value, wherever it stands in the list", async () => {
  const world = new World();
  const other = world.caller({ scopes: [NEWS, "/z"] });
  await world.does([[CHAT, "a", "b", "c"], [NEWS, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does([], [], other);
  expect(await world.entries("minutes", NEWS)).toEqual(["02-28T10:05 users 1 1 1 sockets 1 1 1"]);
}); // prettier-ignore

it("a stream of a scope ends by itself, as long after its last entry as an entry is kept", async () => {
  const world = new World();
  await world.does([[CHAT, "a"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  const left = await world.shard.redis.pttl(`${world.shard.keys.tag}:minutes:${CHAT}`);
  expect(left).toBeGreaterThan(MINUTES_KEPT_MS - HOUR_MS);
  expect(left).toBeLessThanOrEqual(MINUTES_KEPT_MS);
});

it("after a rebuild the least is 0, and after FLUSHALL it begins anew", async () => {
  const world = new World();
  await world.does([[CHAT, "a"]]);
  await world.shard.redis.del(world.shard.keys.users);
  expect(await world.shard.step({ check: true })).toMatchObject({ rebuilt: true });
  world.shard.now += MINUTE_MS;
  await world.shard.drain();
  await world.does();
  expect(await world.entries("minutes", CHAT)).toEqual(["02-28T10:05 users 0 0 1 sockets 0 0 1"]);
  await world.shard.redis.flushdb();
  const again = new World();
  await again.does([[CHAT, "a"]]);
  again.shard.now += MINUTE_MS;
  await again.does();
  expect(await again.entries("minutes", CHAT)).toEqual(["02-28T10:05 users 1 1 1 sockets 1 1 1"]);
});

it("keys of another type, and a `watched` that is gone, make no call fail", async () => {
  const world = new World();
  const { redis, keys } = world.shard;
  for (const name of [`minutes:${CHAT}`, `hours:${NEWS}`, "watched"]) await redis.lpush(`${keys.tag}:${name}`, "x");
  await world.does([[CHAT, "a"]]);
  world.shard.now += 2 * HOUR_MS;
  await world.does([[CHAT, "b"]]);
  await redis.del(keys.watched);
  world.shard.now += MINUTE_MS;
  await world.does([[CHAT, "c"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  expect(await world.shard.users()).toEqual({ a: 1, b: 1, c: 1 });
  expect(await redis.zscore(keys.scopes, CHAT)).toBe(String(3 * 67_108_864 + 3));
}); // prettier-ignore

it.each([
  "[", "[]", "[1, null, {}]", "[[[]]]", "[\"\\ud800\"]", "[true]", JSON.stringify(Array.from({ length: HISTORY_SCOPES + 1 }, (_, i) => `/${i}`)),
])("what is no list of names, %s, keeps the history of the whole", async (text) => {
  const world = new World(false);
  const { redis, keys } = world.shard;
  await world.append([[CHAT, "a"]]);
  const args = ["1", "1000", "1", String(NOON), "", "group", "", "", `604800000 604800000 history ${text}`];
  await redis.eval(project.text, keys.list.length, ...keys.list, ...args);
  await world.append();
  args[3] = String(NOON + MINUTE_MS);
  await redis.eval(project.text, keys.list.length, ...keys.list, ...args);
  expect(await redis.xrange(`${keys.tag}:minutes`, "-", "+")).toHaveLength(1);
  expect(await redis.exists(keys.watched)).toBe(0);
  expect(await world.shard.users()).toEqual({ a: 1, b: 1, c: 1 });
}); // prettier-ignore

it("the largest list that may be given is kept", async () => {
  const scopes = Array.from({ length: HISTORY_SCOPES }, (_, i) => `/chat,${"é".repeat(200)}${i}`);
  const world = new World({ scopes });
  await world.does(scopes.map((scope) => [scope, "a"] as const));
  world.shard.now += HOUR_MS - MINUTE_MS;
  await world.does([[scopes[7]!, "b"]]);
  world.shard.now += MINUTE_MS;
  await world.does();
  expect(await world.entries("hours", scopes[7]!)).toEqual(["02-28T10:00 users 1 1 1 sockets 1 1 1"]);
  expect((await world.entries("minutes", scopes[7]!)).at(-1)).toBe("02-28T11:04 users 2 1 2 sockets 2 1 2");
  expect(await world.entries("minutes", scopes[19]!)).toHaveLength(2);
});

it("a call reads the scores at once, and while they stay the same nothing else", async () => {
  const world = new World();
  await world.does([[CHAT, "a"]]);
  await world.does();
  // Commands that fail are not among those that run.
  const failed = () => world.shard.redis.info("errorstats");
  const before = await failed();
  await world.does();
  expect(await failed()).toBe(before);
  const same = await world.commands(() => world.does());
  const ours = (lines: string[]) => lines.filter((line) => /watch|^zmscore|minutes|pexpire/i.test(line));
  expect(ours(same).map((line) => line.split(" ", 2).join(" ").toLowerCase())).toEqual([
    "hmget p:totals", "zmscore p:scopes", "hset p:totals",
  ]);
  const none = new World(true);
  await none.does([[CHAT, "a"]]);
  none.shard.now += MINUTE_MS;
  const lines = await none.commands(() => none.does());
  // Records of scopes are not in it, so nobody reads scores.
  expect(lines.filter((line) => /watch|zmscore|pexpire|:minutes:/i.test(line))).toEqual([]);
  expect(lines.filter((line) => /:minutes /.test(line))).toHaveLength(1);
}); // prettier-ignore

it("names follow a number of changes to keep as well", async () => {
  const world = new World(false);
  const { redis, prefix } = world.shard;
  const options = { prefix, keep: { max: 5_000 }, history: BOTH };
  const projector = projectorOver(ioredisPort(redis), options, { now: () => world.shard.now });
  await world.does([[NEWS, "a"]], [], projector);
  world.shard.now += MINUTE_MS;
  await world.does([], [], projector);
  expect(await world.entries("minutes", NEWS)).toEqual(["02-28T10:05 users 1 1 1 sockets 1 1 1"]);
});
