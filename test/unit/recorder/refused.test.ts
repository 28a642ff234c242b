/**
 * Goal: what no retry mends (a missing permission, another version) is told once, with what to do; it is retried seldom, holds up
 * nothing that still works, and ends by itself when it is mended.
 * Method: recorders and projector loops as users of a real Redis whose permissions the test changes, and a prefix that a projector
 * of another version seems to have written.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { createProjector } from "../../../src/index.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { type RecorderOptions, resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import { connect } from "../../../src/redis/connect.ts";
import { processRuntime } from "../../../src/time/runtime.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

let server: RedisServer;
let redis: Redis;
let prefix: string;
let user: string;
let rounds = 0;
let lines: string[];
let closes: (() => Promise<void>)[];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  prefix = `refused${rounds}`;
  user = `web-${rounds++}`;
  lines = [];
  closes = [];
  await allow("reset", "on", ">a-password", "~*", "+@all");
});
afterEach(async () => {
  for (const close of closes) await close();
});

const keys = () => keysOf(prefix, 0, 1);
const allow = (...rules: string[]) => redis.call("ACL", "SETUSER", user, ...rules);
const url = () => server.url.replace("redis://", `redis://${user}:a-password@`);
const say = (line: string) => void lines.push(line);
const logger = { info: say, warn: say, error: say };
const told = (what: string) => lines.filter((line) => line.includes(what));
const users = () => redis.hgetall(keys().users);
/** Calls of the script that Redis refused or that failed. */
async function failedCalls(): Promise<number> {
  const [, rejected, failed] = /cmdstat_evalsha:.*rejected_calls=(\d+),failed_calls=(\d+)/.exec(await redis.info("commandstats"))!;
  return Number(rejected) + Number(failed);
} // prettier-ignore

function record(options: RecorderOptions = {}, runtime = processRuntime) {
  const codes: string[] = [];
  const connection = connect(url(), { timeout: 5_000, name: "test" });
  const recorder = new Recorder({
    connection,
    options: resolveRecorderOptions({ prefix, ttl: 60_000, heartbeat: 20_000, logger, ...options }),
    connections: () => 0,
    onError: ({ code }) => void codes.push(code),
    runtime,
  });
  closes.push(async () => {
    await recorder.close(500);
    connection.close();
  });
  return { recorder, codes };
}

function loop() {
  const projector = createProjector({ redis: url(), prefix, logger });
  closes.push(() => projector.close());
  return projector;
}

/** As a projector of this version, whoever is recording. */
const fold = () => projectorOver(ioredisPort(redis), { prefix }).sweep();
/** A projector of that protocol was the last to write here. */
const writtenBy = (protocol: number) => redis.hset(keys().totals, "protocol", protocol, "shards", 1);

describe("a recorder that may not append", () => {
  it.each([
    ["a command", ["-xadd"], ["+xadd"], "may not run XADD"],
    ["the keys", ["resetkeys", "~other*"], ["~*"], "may not use the keys of this prefix"],
  ])("rejects ready, tells it once with its user, and is ready once it may: %s", async (_, no, yes, message) => {
    await allow(...no);
    const { recorder, codes } = record({ project: false });
    recorder.connect("alice");
    await expect(recorder.ready()).rejects.toMatchObject({
      code: "PERMISSION",
      message: expect.stringContaining(`the Redis user "${user}" ${message}`) as string,
    });
    await expect(recorder.ready()).rejects.toMatchObject({ code: "PERMISSION" });
    await allow(...yes);
    await until("it is ready", () => recorder.ready().then(() => true, () => false));
    await fold();
    expect(await users()).toEqual({ alice: "1" });
    expect(codes).toEqual(["PERMISSION"]);
    expect(told("cannot append").length).toBe(1);
    await until("it says that it is over", () => told("appending again").length === 1);
  }); // prettier-ignore

  it("tries once more when it closes, however long it had still waited", async () => {
    await allow("-xadd");
    const { recorder } = record({ project: false });
    await expect(recorder.ready()).rejects.toMatchObject({ code: "PERMISSION" });
    await allow("+xadd");
    expect(await recorder.close(5_000)).toBe(true);
  });
});

describe("a recorder that may append and not project", () => {
  it.each([
    ["PERMISSION", "may not run EVALSHA", () => allow("-evalsha", "-eval"), () => allow("+evalsha", "+eval")],
    ["VERSION_MISMATCH", "written by protocol 3, and this package speaks protocol 2", () => writtenBy(3), () => writtenBy(2)],
  ])("is ready, goes on appending without a call for each record, and projects once it may: %s", async (code, message, forbid, mend) => {
    await forbid();
    const { recorder, codes } = record();
    await recorder.ready();
    await until("it says that it cannot project", () => told("cannot project").length === 1);
    expect(told("cannot project")[0]).toContain(message);
    expect(told("cannot project")[0]).toContain("records are still appended");
    const before = await failedCalls();
    for (let i = 0; i < 100; i++) {
      const length = await redis.xlen(keys().records);
      recorder.connect(`user-${i}`);
      await until("it is appended", async () => (await redis.xlen(keys().records)) > length, { every: 1 });
    }
    // Each failed with the record that it went along with, before.
    expect((await failedCalls()) - before).toBeLessThan(20);
    expect(await users()).toEqual({});
    await mend();
    await until("it projects", () => told("projecting again").length === 1);
    await until("all are counted", async () => (await redis.hlen(keys().users)) === 100);
    recorder.connect("late");
    await until("it is counted at once", async () => (await redis.hlen(keys().users)) === 101);
    expect(codes).toEqual([code]);
    expect(told("cannot project").length).toBe(1);
  }); // prettier-ignore

  it("projects at once when its connection is back", async () => {
    await allow("-evalsha", "-eval");
    // Time stands still: no pause is ever over by itself.
    const { recorder } = record({}, { ...processRuntime, now: () => 1_000 });
    await recorder.ready();
    recorder.connect("alice");
    await until("it says that it cannot project", () => told("cannot project").length === 1);
    await allow("+evalsha", "+eval");
    await redis.call("CLIENT", "KILL", "USER", user);
    await untilEqual(users, { alice: "1" });
  });
});

describe("a log whose last id is the last there is", () => {
  const LAST = "18446744073709551615-18446744073709551615";

  it("D7: where nobody projects, the error says so and what to do; the first call of a projector ends it", async () => {
    await redis.xadd(keys().records, LAST, "garbage", "1");
    const { recorder, codes } = record({ project: false });
    recorder.connect("alice");
    await until("it is told", () => told("no id is left in its log").length === 1);
    expect(told("no id is left in its log")[0]).toContain("run a projector");
    expect(codes).toEqual(["REDIS_UNAVAILABLE"]);
    await fold();
    await until("it is appended", async () => (await redis.xlen(keys().records)) > 0);
    await fold();
    expect(await users()).toEqual({ alice: "1" });
  });

  it("D7: a recorder that projects ends it by itself", async () => {
    await redis.script("FLUSH");
    await redis.xadd(keys().records, LAST, "garbage", "1");
    const { recorder } = record();
    recorder.connect("alice");
    await untilEqual(users, { alice: "1" });
  });

  it("D7: so does one that has nothing to say but heartbeats", async () => {
    const { recorder, codes } = record({ ttl: 1_500, heartbeat: 500 });
    recorder.connect("alice");
    await untilEqual(users, { alice: "1" });
    await redis.xadd(keys().records, LAST, "garbage", "1");
    await until("it is told", () => codes.length > 0);
    await until("the log is another one", async () => {
      const [entry] = await redis.xrevrange(keys().records, "+", "-", "COUNT", "1");
      return entry?.[0] !== LAST;
    });
    await until(
      "it appends again",
      () => told("appending again").length === 1 || told("can be used again").length === 1,
    );
    expect(await users()).toEqual({ alice: "1" });
  });
});

describe("a projector's run()", () => {
  it.each([
    ["PERMISSION", /the Redis user "web-\d+" may not run EVAL/, () => allow("-evalsha", "-eval")],
    ["PERMISSION", /the Redis user "web-\d+" may not run XTRIM/, () => allow("-xtrim")],
    ["VERSION_MISMATCH", /written by protocol 3, and this package speaks protocol 2/, () => writtenBy(3)],
    ["REDIS_TYPE", /:totals holds a value/, () => redis.set(keys().totals, "1")],
  ])("rejects at its start with %s: %s", async (code, message, forbid) => {
    await forbid();
    const failure = { code, message: expect.stringMatching(message) as string };
    await expect(loop().run()).rejects.toMatchObject(failure);
  });

  it("that has worked waits, tells it once, and goes on when it is mended", async () => {
    const running = loop().run();
    await until("it has worked", async () => (await redis.hget(keys().totals, "ran")) !== null);
    await writtenBy(3);
    const { recorder } = record({ project: false });
    await recorder.ready();
    recorder.connect("alice");
    await until("it says so", () => told("cannot project").length === 1);
    await writtenBy(2);
    await untilEqual(users, { alice: "1" });
    await until("it says that it is over", () => told("projecting again").length === 1);
    expect(told("cannot project").length).toBe(1);
    for (const close of closes.splice(0)) await close();
    await running;
  });

  it("that may not wait for records says which command is missing", async () => {
    await allow("-xread");
    const running = loop().run();
    await until("it says so", () => told("cannot wait for records").length === 1);
    expect(told("cannot wait for records")[0]).toContain(`the Redis user "${user}" may not run XREAD`);
    await allow("+xread");
    await until("it says that it is over", () => told("waiting for records again").length === 1);
    for (const close of closes.splice(0)) await close();
    await running;
  });
});
