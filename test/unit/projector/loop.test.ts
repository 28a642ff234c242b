/**
 * Goal: the projector loop is woken by the log and by deadlines, survives Redis outages, and ends when asked to.
 * Method: real loops on a real Redis; records appended as a recorder would.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { createProjector } from "../../../src/index.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { ownOnly, startRedis, type RedisServer } from "../../../rig/redis.ts";
import { listsOf, operations } from "../../../rig/shard.ts";
import { startProxy } from "../../../rig/proxy.ts";
import { until, untilEqual } from "../../../rig/until.ts";

/** A lease that has to run out, and not before the test has seen what it is there to see, ms. */
const LEASE_MS = 4_000;

let server: RedisServer;
let redis: Redis;
let prefix: string;
let prefixes = 0;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});
beforeEach(() => {
  prefix = `run${prefixes++}`;
});

const keys = () => keysOf(prefix, 0, 1);
async function append(seq: number, ttl: number, ...short: string[]): Promise<void> {
  await redis.call(
    "XADD",
    keys().records,
    "*",
    ...encodeRecord({ process: "p", seq, ttl, ...listsOf(operations(...short)), sockets: 1 }),
  );
}
/** Of the process, as it was folded. */
const seqOf = async () => (await redis.hget(keys().states, "p"))?.split(" ")[1];
/** How often Redis has run a command since it started. */
async function calls(command: string): Promise<number> {
  const stats = await redis.info("commandstats");
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1]);
}
const hasStepped = async () => (await redis.hget(keys().totals, "ran")) !== null;

it("folds existing and new records, and reaps when the lease expires, without polling", async (context) => {
  ownOnly("it counts its commands")(context);
  await append(1, LEASE_MS, "+alice");
  await using projector = createProjector({ redis: server.url, prefix });
  const stop = new AbortController();
  let steps = 0;
  const running = projector.run({ signal: stop.signal, onStep: () => steps++ });
  await untilEqual(() => redis.hgetall(keys().users), { alice: "1" });
  await append(2, LEASE_MS, "+bob", "~bob");
  await untilEqual(() => seqOf(), "2");
  await untilEqual(() => redis.hgetall(keys().users), {});
  expect(await redis.hget(keys().totals, "reaped")).toBe("1");
  // Two records and one reaping: at most three steps with something in them, since a late one may do two of these.
  expect(steps).toBeLessThanOrEqual(3);
  // Nothing is due any more, and nothing comes: while the tail waits for as long as it does, no call is made.
  await untilEqual(() => redis.hget(keys().totals, "due"), "-1");
  const scripts = await calls("evalsha");
  const reads = await calls("xread");
  await until("the tail has waited in vain", async () => (await calls("xread")) > reads);
  expect(await calls("evalsha")).toBe(scripts);
  stop.abort();
  await running;
});

it("waits while Redis is unreachable and continues when it is back", async () => {
  const proxy = await startProxy(server);
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const projector = createProjector({
    redis: proxy.url,
    prefix,
    logger: { info: say, warn: say, error: say },
  });
  const running = projector.run();
  await append(1, 60_000, "+alice");
  await untilEqual(() => redis.hgetall(keys().users), { alice: "1" });
  proxy.refuse = true;
  proxy.cut();
  await append(2, 60_000, "+bob", "~alice");
  // The loop sleeps until a record or a deadline wakes it; the tail notices the loss and comes back by itself.
  proxy.refuse = false;
  await untilEqual(() => redis.hgetall(keys().users), { bob: "1" });
  await projector.close();
  await running;
  await expect(projector.run()).rejects.toMatchObject({ code: "CLOSED" });
  await proxy.close();
});

it("ends with SHARDS_MISMATCH, which waiting would not fix", async () => {
  await append(1, 60_000);
  const one = createProjector({ redis: server.url, prefix });
  await one.sweep();
  const four = createProjector({ redis: server.url, prefix, shards: 4 });
  await expect(four.run()).rejects.toMatchObject({ code: "SHARDS_MISMATCH" });
  await Promise.all([one.close(), four.close()]);
});

it("close() leaves no connection behind, running or not", async (context) => {
  ownOnly("it counts its clients")(context);
  const projector = createProjector({ redis: server.url, prefix });
  const running = projector.run();
  await append(1, 60_000, "+alice");
  await untilEqual(() => redis.hgetall(keys().users), { alice: "1" });
  await projector.close();
  await projector.close();
  await running;
  await until(
    "no connection of ours is left",
    async () => !String(await redis.client("LIST")).includes("name=rollcall"),
  );
});

it("steps again after a reconnect: Redis may have come back with older data", async (context) => {
  ownOnly("it kills all clients")(context);
  // An hour ago: the lease ran out long before the loop begins, and its state is kept from before that was noticed.
  const ago = Date.now() - 3_600_000;
  const record = encodeRecord({
    process: "p",
    seq: 1,
    ttl: 500,
    connect: ["alice"],
    sockets: 1,
  });
  await redis.call("XADD", keys().records, `${ago}-1`, ...record);
  await projectorOver(ioredisPort(redis), { prefix }, { now: () => ago }).step(0);
  expect(await redis.hgetall(keys().users)).toEqual({ alice: "1" });
  const all = await redis.keys(`${keys().tag}:*`);
  for (const key of all) await redis.copy(key, `kept:${key}`);
  await using projector = createProjector({ redis: server.url, prefix, hold: 0 });
  const running = projector.run();
  await untilEqual(async () => redis.hget(keys().totals, "due"), "-1");
  // A failover to an older state, played by hand: what there was is put back after the lease ran out.
  // At once, as a failover is: a call in between would reap a process half of which is not back yet.
  const failover = redis.multi();
  for (const key of all) failover.rename(`kept:${key}`, key);
  await failover.exec();
  const killer = new Redis(server.url);
  await killer.call("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES");
  await untilEqual(() => killer.hgetall(keys().users), {});
  await killer.quit();
  await projector.close();
  await running;
});

it("INV-6: a loop does not reap at once when Redis is back after an outage", async () => {
  const proxy = await startProxy(server);
  await using projector = createProjector({ redis: proxy.url, prefix, hold: 60_000 });
  const running = projector.run();
  await until("it projects", hasStepped);
  await append(1, LEASE_MS, "+alice");
  await untilEqual(() => redis.hgetall(keys().users), { alice: "1" });
  proxy.refuse = true;
  proxy.cut();
  const began = performance.now();
  await until("the lease ran out and the loop woke for it", () => performance.now() - began > LEASE_MS + 200);
  const ran = await redis.hget(keys().totals, "ran");
  proxy.refuse = false;
  await until("it projects again", async () => (await redis.hget(keys().totals, "ran")) !== ran);
  expect(await redis.hgetall(keys().users)).toEqual({ alice: "1" });
  // The process is back as well, and renews its lease.
  await append(2, 60_000);
  await untilEqual(() => seqOf(), "2");
  expect(await redis.hget(keys().totals, "reaped")).toBe("0");
  await projector.close();
  await running;
  await proxy.close();
});

it("unknown options are refused in every method, with the nearest name", async () => {
  const slip = (options: object) => options;
  expect(() => createProjector({ redis: server.url, ...slip({ budgt: 300 }) })).toThrow(
    "unknown option budgt of createProjector: did you mean budget?",
  );
  await using projector = createProjector({ redis: server.url, prefix });
  await expect(projector.run(slip({ signl: 1 }))).rejects.toThrow(/signl of run\(\): did you mean signal\?/);
  await expect(projector.verify(slip({ repiar: true }))).rejects.toThrow(/did you mean repair\?/);
  await expect(projector.step(0, slip({ reaps: true }))).rejects.toThrow(/did you mean reap\?/);
  await expect(projector.step(1)).rejects.toThrow(/shard must be a whole number from 0 to 0/);
  await expect(projector.sweep(slip({ budjet: {} }))).rejects.toThrow(/did you mean budget\?/);
  await expect(projector.sweep({ budget: slip({ request: 3 }) })).rejects.toThrow(
    "unknown option budget.request of sweep(): did you mean budget.requests?",
  );
  await expect(projector.sweep({ budget: { requests: 0 } })).rejects.toThrow(/budget\.requests/);
});

it("a projector does not expose the recorder's methods", async () => {
  await using projector = createProjector({ redis: server.url, prefix });
  expect(Object.keys(projector).sort()).toEqual([
    "close",
    "evict",
    "forget",
    "run",
    "shards",
    "step",
    "sweep",
    "verify",
  ]);
});

it("an onStep that throws is logged, and the loop continues", async () => {
  const lines: string[] = [];
  const log = (line: string) => lines.push(line);
  await using projector = createProjector({
    redis: server.url,
    prefix,
    logger: { info: log, warn: log, error: log },
  });
  const stop = new AbortController();
  const running = projector.run({
    signal: stop.signal,
    onStep() {
      throw new TypeError("of the application");
    },
  });
  await append(1, 60_000, "+alice");
  await untilEqual(() => redis.hgetall(keys().users), { alice: "1" });
  await append(2, 60_000, "+bob", "-alice");
  await untilEqual(() => redis.hgetall(keys().users), { bob: "1" });
  stop.abort();
  await running;
  expect(lines).toEqual([
    expect.stringMatching(
      /^onStep fails: LISTENER_FAILED: onStep threw: fix it; `cause` is what it threw \(TypeError\) at .*loop\.test\.ts/,
    ),
  ]);
});
