/**
 * Goal: with `linger`, operations gather and one fold serves many records and processes, and each operation is still visible
 * within `linger`.
 * Method: recorders on a real Redis with the test's clock, so that nothing depends on the speed of the machine.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { type RecorderOptions, resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import type { Runtime } from "../../../src/time/runtime.ts";
import { connect, type Connection } from "../../../src/redis/connect.ts";
import type { PipelinePort } from "../../../src/redis/port.ts";
import { until } from "../../../rig/until.ts";

const LINGER_MS = 1_000;

/** Time that passes when the test says so. */
class Clock implements Runtime {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  /** What the next to ask gets: processes that wake at one moment would do the same at once. */
  readonly draws: number[] = [];

  random(): number {
    return this.draws.shift() ?? 0.5;
  }

  after(ms: number, run: () => void): () => void {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  tick(): void {
    this.#now++;
    for (const timer of Array.from(this.#timers)) {
      if (timer.at > this.#now || !this.#timers.delete(timer)) continue;
      timer.run();
    }
  }
}

let server: RedisServer;
let redis: Redis;
let clock: Clock;
let prefix: string;
let prefixes = 0;
let underWay = 0;
let sent: string[] = [];
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
  prefix = `l${prefixes++}`;
  clock = new Clock();
});
afterEach(async () => {
  for (const { recorder, connection } of opened.splice(0)) {
    const closed = recorder.close(1_000);
    await settled();
    await closed;
    connection.close();
  }
});

/** Notes what is sent, and how much of it is under way. */
function watched(port: PipelinePort): PipelinePort {
  const watch = async <T>(names: readonly string[], reply: Promise<T>): Promise<T> => {
    underWay++;
    sent.push(...names);
    return reply.finally(() => underWay--);
  };
  return {
    call: (command) => watch([command[0]], port.call(command)),
    pipeline: (commands) =>
      watch(
        commands.map(([name]) => name),
        port.pipeline(commands),
      ),
  };
}

/** Everything that the last tick set off has been done. */
async function settled(): Promise<void> {
  await new Promise(setImmediate);
  await until("nothing is under way", () => underWay === 0);
  await new Promise(setImmediate);
}

async function pass(ms: number): Promise<void> {
  for (let i = 0; i < ms; i++) {
    clock.tick();
    await new Promise(setImmediate);
    if (underWay > 0) await settled();
  }
}

async function start(options: RecorderOptions = {}): Promise<Recorder> {
  const connection = connect(server.url, { timeout: 5_000, name: "test" });
  await connection.ready();
  const { port } = connection;
  const recorder = new Recorder({
    connection: { ...connection, port: { ...port, ...watched(port) } },
    options: resolveRecorderOptions({ prefix, ttl: 3_600_000, linger: LINGER_MS, ...options }),
    connections: () => 0,
    onError: (error) => expect.unreachable(error.message),
    runtime: clock,
  });
  opened.push({ recorder, connection });
  await recorder.ready();
  await settled();
  sent = [];
  return recorder;
}

const keys = () => keysOf(prefix, 0, 1);
/** User → sockets. Slots are given in the order of coming, which is not looked at here. */
const users = async () =>
  Object.fromEntries(Object.keys(await redis.hgetall(keys().users)).map((user) => [user, "1"]));

it("a single operation is appended, folded and visible within linger", async () => {
  const recorder = await start();
  recorder.connect("alice");
  await pass(LINGER_MS / 4);
  expect(sent).toEqual([]);
  await pass((3 * LINGER_MS) / 4 - 1);
  expect(await users()).toEqual({ alice: "1" });
  // A look is one read or two: it depends on whether this server knew the script when the process registered.
  expect(sent.join(" ")).toMatch(/^XADD( HMGET){1,2} EVALSHA$/);
  const commands = sent.length;
  // And that was all there was to do.
  await pass(3 * LINGER_MS);
  expect(sent.length).toBe(commands);
});

it("every operation older than linger is always visible, and a second costs a few records and folds", async () => {
  const recorder = await start();
  for (let i = 0; i < 50; i++) {
    recorder.connect(`u${i}`);
    await pass(100);
    if (i >= 10) expect(Object.keys(await users()).length).toBeGreaterThan(i - LINGER_MS / 100);
  }
  const count = (name: string) => sent.filter((one) => one === name).length;
  // In 5 s.
  expect(count("XADD")).toBeLessThanOrEqual(13);
  expect(count("EVALSHA")).toBeLessThanOrEqual(8);
});

it("a user with a socket whose second one comes and goes while operations gather is not appended; one without is", async () => {
  const recorder = await start();
  recorder.connect("alice");
  await pass(2 * LINGER_MS);
  sent.length = 0;
  recorder.connect("alice");
  await pass(LINGER_MS / 4);
  recorder.disconnect("alice", "leave");
  await pass(2 * LINGER_MS);
  expect(sent).toEqual([]);
  recorder.connect("bob");
  await pass(LINGER_MS / 4);
  recorder.disconnect("bob", "disconnect");
  await pass(LINGER_MS);
  expect(sent.filter((name) => name === "XADD").length).toBe(1);
});

it("C8: a goodbye delayed by linger ends a grace of another process", async () => {
  const other = await start({ grace: 60_000 });
  other.connect("alice");
  await pass(LINGER_MS);
  other.disconnect("alice", "disconnect");
  await pass(LINGER_MS);
  expect(await redis.hgetall(keys().users)).toEqual({ alice: "0" });
  const recorder = await start();
  recorder.connect("alice");
  await pass(LINGER_MS / 4);
  recorder.disconnect("alice", "leave");
  await pass(LINGER_MS);
  expect(await users()).toEqual({});
});

it("a full record does not wait to be appended", async () => {
  const recorder = await start();
  for (let i = 0; i < 1_000; i++) recorder.connect(`u${i}`);
  await settled();
  expect(sent).toEqual(["XADD"]);
  await pass(LINGER_MS / 2);
  expect(Object.keys(await users()).length).toBe(1_000);
});

it("one fold serves two processes: the other only takes a look", async () => {
  const first = await start();
  const second = await start();
  first.connect("alice");
  second.connect("bob");
  clock.draws.push(0.1, 0.9);
  await pass(LINGER_MS);
  expect(await users()).toEqual({ alice: "1", bob: "1" });
  expect(sent.filter((name) => name === "XADD").length).toBe(2);
  expect(sent.filter((name) => name === "EVALSHA").length).toBe(1);
});

it("a goodbye is appended at once", async () => {
  const recorder = await start();
  recorder.connect("alice");
  const closed = recorder.close(1_000);
  await settled();
  expect(await closed).toBe(true);
  expect(sent).toEqual(["XADD", "EVALSHA"]);
});

it("without linger, full records that follow each other share a fold", async () => {
  const recorder = await start({ linger: 0 });
  // A record is full with 131 ids so long, and a call takes several.
  for (let i = 0; i < 1_300; i++) recorder.connect(`${"x".repeat(240)}${String(i).padStart(6, "0")}`);
  await settled();
  await pass(2);
  expect(Object.keys(await users()).length).toBe(1_300);
  expect(sent.filter((name) => name === "XADD").length).toBe(10);
  expect(sent.filter((name) => name === "EVALSHA").length).toBeLessThanOrEqual(2);
});

it("linger is checked against the heartbeat", () => {
  expect(() => resolveRecorderOptions({ ttl: 3_000, linger: 1_001 })).toThrow(
    "linger (1001 ms) must be at most heartbeat (1000 ms)",
  );
  expect(() => resolveRecorderOptions({ linger: -1 })).toThrow("linger must be a whole number from 0");
});
