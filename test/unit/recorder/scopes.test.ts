/**
 * Goal: a recorder records memberships as it records sockets: in the shard of their user, at once, again after a loss, and until a
 * goodbye; where none are tracked it records none.
 * Method: recorders without sockets on a real Redis, which folds; the keys of scopes are read directly.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { keysOf, scopeKey } from "../../../src/core/keys.ts";
import { SCOPE_UNIT } from "../../../src/core/limits.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { type RecorderOptions, resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import { connect, type Connection } from "../../../src/redis/connect.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { slotsOf } from "../../../rig/shard.ts";
import { until, untilEqual } from "../../../rig/until.ts";

/** Nothing is sent of its own accord while a test looks: no heartbeat, no deadline. */
const SILENT = { ttl: 300_000, heartbeat: 100_000 };

let server: RedisServer;
let redis: Redis;
let prefix: string;
let prefixes = 0;
const opened: { recorder: Recorder; connection: Connection }[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  prefix = `scopes${prefixes++}`;
});
afterEach(async () => {
  for (const { recorder, connection } of opened.splice(0)) {
    await recorder.close(1_000);
    connection.close();
  }
});

async function start(options: RecorderOptions = {}, isTracking = true) {
  const codes: string[] = [];
  const connection = connect(server.url, { timeout: 5_000, name: "test" });
  const recorder = new Recorder({
    connection,
    options: resolveRecorderOptions({ prefix, ...SILENT, ...options }),
    tracks: isTracking ? ["/", "/,*"] : undefined,
    connections: () => 0,
    onError: ({ code }) => codes.push(code),
  });
  opened.push({ recorder, connection });
  await recorder.ready();
  return { recorder, codes };
}

/** `users/sockets` of each scope in a shard. */
async function scopes(shard = 0, shards = 1): Promise<Record<string, string>> {
  const found = await redis.zrange(keysOf(prefix, shard, shards).scopes, "0", "-1", "WITHSCORES");
  const entries: [string, string][] = [];
  for (let i = 0; i < found.length; i += 2) {
    const score = Number(found[i + 1]);
    entries.push([found[i]!, `${Math.floor(score / SCOPE_UNIT)}/${score % SCOPE_UNIT}`]);
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Sockets of each user in a scope. */
async function within(scope: string): Promise<Record<string, number>> {
  const found = await redis.hgetall(scopeKey(keysOf(prefix, 0, 1), scope));
  return Object.fromEntries(
    Object.entries(found).map(([user, slots]) => [user, [...slotsOf(slots).values()].reduce((a, b) => a + b, 0)]),
  );
} // prettier-ignore

it("a membership is recorded and folded at once, also when nothing else has happened", async () => {
  const { recorder } = await start();
  recorder.connect("ann");
  await untilEqual(async () => redis.hexists(keysOf(prefix, 0, 1).users, "ann"), 1);
  recorder.join("/,news", "ann");
  await untilEqual(scopes, { "/,news": "1/1" });
  recorder.join("/,news", "ann");
  recorder.join("*/,x", "ann");
  await untilEqual(scopes, { "/,news": "1/2", "/,x": "1/1" });
  expect(await redis.smembers(keysOf(prefix, 0, 1).told)).toEqual(["/,x"]);
  recorder.part("/,news", "ann", "leave");
  recorder.part("/,x", "ann", "leave");
  await untilEqual(scopes, { "/,news": "1/1" });
});

it("memberships are in the shard of their user, anonymous ones in shard 0", async () => {
  const { recorder } = await start({ shards: 3 });
  const people = ["ann", "ben", "cat", "dan", "eve", ""];
  const expected = [{ users: 0, sockets: 0 }, { users: 0, sockets: 0 }, { users: 0, sockets: 0 }]; // prettier-ignore
  for (const user of people) {
    recorder.connect(user);
    recorder.join("/", user);
    const shard = expected[user === "" ? 0 : shardOf(user, 3)]!;
    shard.sockets++;
    if (user !== "") shard.users++;
  }
  const found = async () => Promise.all([0, 1, 2].map((shard) => scopes(shard, 3)));
  const texts = expected.map(({ users, sockets }) => (sockets > 0 ? { "/": `${users}/${sockets}` } : {}));
  await untilEqual(found, texts);
  for (const user of people) {
    recorder.part("/", user, "leave");
    recorder.disconnect(user, "leave");
  }
  await untilEqual(found, [{}, {}, {}]);
});

it("a membership that goes and was never there: the recorder registers again, and the counts are right", async () => {
  const { recorder, codes } = await start();
  recorder.connect("ann");
  recorder.join("/,news", "ann");
  await untilEqual(scopes, { "/,news": "1/1" });
  const [before] = recorder.processes;
  recorder.part("/,x", "ann", "leave");
  await until("it registers again", () => recorder.processes[0] !== before);
  await untilEqual(async () => redis.hget(keysOf(prefix, 0, 1).totals, "sockets"), "1");
  await untilEqual(() => within("/,news"), { ann: 1 });
  expect(codes).toEqual(["INTERNAL"]);
});

it("a recorder that Redis has forgotten restates its memberships", async () => {
  const { recorder } = await start({ ttl: 900, heartbeat: 100 });
  for (let i = 0; i < 700; i++) {
    recorder.connect(`u${i}`);
    recorder.join("/", `u${i}`);
    recorder.join(`/,${i % 50}`, `u${i}`);
  }
  recorder.connect("");
  recorder.join("/", "");
  const all = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`/,${i}`, "14/14"]));
  const expected = Object.fromEntries(
    Object.entries({ "/": "700/701", ...all }).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  await untilEqual(scopes, expected);
  await redis.flushdb();
  await untilEqual(scopes, expected);
  expect(await recorder.close(5_000)).toBe(true);
  expect(await scopes()).toEqual({});
});

it("without tracks nothing is recorded of scopes, and nothing registers again", async () => {
  const { recorder, codes } = await start({}, false);
  const { processes } = recorder;
  recorder.join("/", "ann");
  recorder.part("/", "ann", "leave");
  recorder.connect("ann");
  const keys = keysOf(prefix, 0, 1);
  await untilEqual(async () => redis.hexists(keys.users, "ann"), 1);
  expect(recorder.processes).toEqual(processes);
  expect(await redis.exists(keys.scopes, scopeKey(keys, "/"))).toBe(0);
  expect(codes).toEqual([]);
});
