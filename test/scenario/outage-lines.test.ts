/**
 * Goal: what goes wrong in a process is one line with its reason and one `error`, and one line when it is over, however many parts of
 * Rollcall see it (C1).
 * Method: a presence with 4 shards and listeners over a real Redis that is stopped, that refuses the password, that is made a
 * replica, that is full; the whole log is compared.
 */
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { startServer } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";
import type { LogFields } from "../../src/core/options.ts";
import { createPresence, type Presence } from "../../src/presence/presence.ts";
import { createProjector } from "../../src/index.ts";

const SHARDS = 4;

let server: RedisServer;
let admin: Redis;
let lines: { level: string; text: string; fields: LogFields }[];
let codes: string[];
let presence: Presence | undefined;
let closes: (() => Promise<unknown>)[];

beforeEach(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
  admin.on("error", () => {});
  lines = [];
  codes = [];
  closes = [];
});
afterEach(async () => {
  for (const close of closes.toReversed()) await close();
  admin.disconnect();
  await server.stop();
});

const say =
  (level: string) =>
  (text: string, fields: LogFields = {}) =>
    void lines.push({ level, text, fields });
const logger = { info: say("info"), warn: say("warn"), error: say("error") };

/** `heartbeat` is short, so that each shard sees what is wrong; `readyTimeout` is long, so that a busy machine is ready in time. */
async function start(redis = server.url, readyTimeout = 20_000) {
  const { io } = await startServer();
  presence = createPresence(io, {
    redis, shards: SHARDS, ttl: 60_000, heartbeat: 100, user: () => null, logger, readyTimeout,
  }); // prettier-ignore
  const started = presence;
  started.on("online", () => {}).on("offline", () => {});
  started.on("error", ({ code }) => codes.push(code));
  closes.push(async () => {
    await started.close({ timeout: 200 });
    await io.close();
  });
  return started;
}

/** What is told, but for what may follow from lost data, each once for all shards. */
const FOLLOWS = [/registering again/, /was rebuilt/, /changes are missing/];
function told() {
  for (const follows of FOLLOWS)
    expect(lines.filter(({ text }) => follows.test(text)).length).toBeLessThan(2);
  return lines.filter(({ text }) => !FOLLOWS.some((follows) => follows.test(text)));
}

const appended = async () =>
  Number(/cmdstat_xadd:calls=(\d+)/.exec(await admin.info("commandstats"))?.[1] ?? 0);

/** Waits for the line that it is over, and until every shard has had the time to say something else. */
async function over(): Promise<void> {
  await until("it is over", () => lines.some(({ fields }) => fields.ms !== undefined));
  const before = await appended();
  await until("each shard has appended since", async () => (await appended()) > before + 4 * SHARDS);
}
/** Fields of a line, without the id of the process. */
const fieldsOf = (index: number) => ({ ...told()[index]!.fields, process: undefined });

it("a Redis that is stopped and started: one line down, one up, one error", async () => {
  await (
    await start()
  ).ready;
  const { port } = server;
  await server.stop();
  await until("it is told", () => told().length > 0);
  const since = performance.now();
  await until("each shard has tried, several times", () => performance.now() - since > 1_500);
  server = await startRedis({ port });
  await over();
  expect(told().map(({ level }) => level)).toEqual(["warn", "info"]);
  expect(told()[0]!.text).toBe(
    `REDIS_UNAVAILABLE: cannot connect to Redis at 127.0.0.1:${port}: ECONNREFUSED: nothing listens there: start Redis, or correct ` +
      "the host and port",
  );
  expect(fieldsOf(0)).toEqual({ code: "REDIS_UNAVAILABLE", reason: "ECONNREFUSED", host: "127.0.0.1", port });
  expect(told()[1]!.text).toMatch(
    new RegExp(`^Redis at 127.0.0.1:${port} can be used again after \\d+\\.\\d s and \\d+ failures$`),
  );
  const { ms, attempts } = told()[1]!.fields;
  expect(fieldsOf(1)).toEqual({ ...fieldsOf(0), ms, attempts });
  expect(attempts).toBeGreaterThan(SHARDS);
  expect(codes).toEqual(["REDIS_UNAVAILABLE"]);
});

it("a wrong password: the same, and `ready` says why", async () => {
  await admin.call("ACL", "SETUSER", "web", "on", ">right", "~*", "+@all");
  const wrong = server.url.replace("redis://", "redis://web:wrong@");
  const started = await start(wrong, 300);
  await expect(started.ready).rejects.toMatchObject({
    code: "REDIS_UNAVAILABLE",
    message: expect.stringMatching(
      /^not ready within 300 ms: cannot connect to Redis at .*: WRONGPASS: /,
    ) as string,
  });
  await admin.call("ACL", "SETUSER", "web", ">wrong");
  await over();
  await started.ready;
  expect(told().map(({ fields }) => fields.reason)).toEqual(["WRONGPASS", "WRONGPASS"]);
  expect(told().map(({ level }) => level)).toEqual(["warn", "info"]);
  expect(codes).toEqual(["REDIS_UNAVAILABLE"]);
  expect(lines.some(({ text }) => /wrong@|right/.test(text))).toBe(false);
});

it("a primary that is made a replica: the same", async () => {
  await (
    await start()
  ).ready;
  const other = await startRedis();
  closes.push(() => other.stop());
  await admin.call("REPLICAOF", "127.0.0.1", String(other.port));
  await until("each shard has been refused", async () => {
    const refused = /errorstat_READONLY:count=(\d+)/.exec(await admin.info("errorstats"));
    return Number(refused?.[1] ?? 0) > SHARDS;
  });
  await admin.call("REPLICAOF", "NO", "ONE");
  await over();
  expect(told().map(({ level }) => level)).toEqual(["warn", "info"]);
  expect(told()[0]!.text).toContain(`127.0.0.1:${server.port}`);
  expect(["READONLY", "MASTERDOWN", "UNBLOCKED"]).toContain(told()[0]!.fields.reason);
  expect(codes).toEqual(["REDIS_UNAVAILABLE"]);
});

it("a Redis that is full: the same", async () => {
  await (
    await start()
  ).ready;
  await admin.config("SET", "maxmemory", "1");
  await until("it is told", () => told().length > 0);
  await admin.config("SET", "maxmemory", "0");
  await over();
  expect(told().map(({ level, fields }) => `${level} ${fields.reason}`)).toEqual(["warn OOM", "info OOM"]);
  expect(told()[0]!.text).toBe(
    `REDIS_UNAVAILABLE: Redis at 127.0.0.1:${server.port} answered OOM: its memory is full, so it takes no records: raise maxmemory, ` +
      "or free some",
  );
  expect(codes).toEqual(["REDIS_UNAVAILABLE"]);
});

it("two things that are forbidden at once: two lines down, two up", async () => {
  await admin.call("ACL", "SETUSER", "web", "on", ">right", "~*", "+@all");
  const started = await start(server.url.replace("redis://", "redis://web:right@"));
  await started.ready;
  await admin.call("ACL", "SETUSER", "web", "-xadd", "-xread");
  // A blocked XREAD goes on until it has an answer.
  await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
  const begun = (command: string) =>
    told().filter(({ level, text }) => level === "error" && text.includes(`may not run ${command}`)).length;
  const both = () => [begun("XADD"), begun("XREAD")];
  await untilEqual(both, [1, 1]);
  await admin.call("ACL", "SETUSER", "web", "+xadd", "+xread");
  const ended = () => told().filter(({ fields }) => fields.code === "PERMISSION" && fields.ms !== undefined);
  await until("both are over", () => ended().length === 2);
  expect(new Set(ended().map(({ text }) => text.split(" after", 1)[0]))).toEqual(
    new Set(["appending again", "reading changes again"]),
  );
  expect(both()).toEqual([1, 1]);
});

it("a worker of several shards: one line down, one up", async () => {
  await using projector = createProjector({ redis: server.url, shards: SHARDS, logger });
  const stop = new AbortController();
  let steps = 0;
  await admin.xadd("{presence}:records", "*", "odd", "1");
  const running = projector.run({ signal: stop.signal, onStep: () => steps++ });
  await until("it projects", async () => (await admin.keys("{*}:totals")).length > 0);
  const { port } = server;
  await server.stop();
  await until("it is told", () => told().length > 0);
  server = await startRedis({ port });
  await until("it is over", () => lines.some(({ fields }) => fields.ms !== undefined));
  stop.abort();
  await running;
  expect(told().map(({ level, fields }) => `${level} ${fields.reason}`)).toEqual([
    "warn ECONNREFUSED",
    "info ECONNREFUSED",
  ]);
});
