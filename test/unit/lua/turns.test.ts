/**
 * Goal: where no script may read the log, its callers read it in turns, and whatever one of them does late, twice or not at
 * all, each record is folded once and in order (INV-10). That both modes fold alike is for test/model, test/conformance
 * and test/simulation.
 */
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { project } from "../../../src/lua/generated.ts";
import { pipelinedProjectorOver, type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { parseReply, turnArguments } from "../../../src/projector/call.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { Command, PipelinePort, Reply } from "../../../src/redis/port.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

const TURN_MS = 5_000;
const GROUP = "projector-client";

let server: RedisServer;
let shard: TestShard;
let port: PipelinePort;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  shard = new TestShard(server.url);
  port = ioredisPort(shard.redis);
});
afterEach(() => shard.close());

function caller(name: string, own: Pick<PipelinePort, "call"> = port, batch?: number): Projector {
  const both = { call: own.call, pipeline: (calls: readonly Command[]) => port.pipeline(calls) };
  const internals = { name, batch, now: () => shard.now };
  return projectorOver(both, { prefix: shard.prefix, read: "client" }, internals);
}

/** Records of one process, each a connect; returns their ids. */
async function connects(...users: string[]): Promise<string[]> {
  const sockets = Number((await shard.totals())["sockets"] ?? 0);
  const ids: string[] = [];
  for (const [i, user] of users.entries()) {
    const n = sockets + i + 1;
    ids.push(await shard.record({ process: "p", seq: n, operations: operations(`+${user}`), sockets: n }));
  }
  return ids;
}

const folds = (command: Command) => command[0] === "EVALSHA" && command.length > 17;

/** A port that waits before it passes on the first call with entries. */
function heldPort() {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  let held = false;
  return {
    reached: reached.promise,
    go: gate.resolve,
    async call(command: Command): Promise<Reply> {
      if (folds(command) && !held) {
        held = true;
        reached.resolve();
        await gate.promise;
      }
      return port.call(command);
    },
  };
}

/** The script with entries of the test's choice. */
async function fold(name: string, token: number | undefined, ids: readonly string[]) {
  const all = await shard.redis.xrange(shard.keys.records, "-", "+");
  const entries = ids.map((id) => ({ id, fields: all.find(([found]) => found === id)?.[1] ?? [] }));
  const args = [shard.keys.process(""), "1", "3000", "1", String(shard.now)];
  return parseReply(
    await port.call([
      "EVAL", project.text, "7", ...shard.keys.list, ...args, ...turnArguments(name, token, entries),
    ]),
  ); // prettier-ignore
}

const read = (count: number) =>
  shard.redis.xreadgroup("GROUP", GROUP, "projector", "COUNT", count, "STREAMS", shard.keys.records, ">");

it("one step takes the turn, reads and folds; the next caller gets the turn at once", async () => {
  await connects("a", "b");
  expect(await caller("one").step()).toMatchObject({ records: 2, changes: 2, more: false, waits: false });
  await connects("c");
  expect(await caller("two").step()).toMatchObject({ records: 1, more: false, waits: false });
  expect(await shard.totals()).toMatchObject({ reader: "two", token: "2", turn: "0" });
  await shard.check();
});

it("with nothing to read, a step is one call, and it reaps", async () => {
  await connects("a");
  await caller("one").step();
  let calls = 0;
  const counting = { call: (command: Command) => (calls++, port.call(command)) };
  const idle = caller("two", counting);
  await idle.step();
  calls = 0;
  shard.now += 20_000;
  expect(await idle.step()).toMatchObject({ reaped: 1, givenBack: 1, more: false });
  expect(calls).toBe(1);
});

it("INV-10: entries of a caller that died are taken over once its turn has ended, and not before", async () => {
  await connects("a", "b");
  const held = heldPort();
  const dead = caller("dead", held).step();
  await held.reached;
  const next = caller("next");
  expect(await next.step()).toMatchObject({ waits: true, more: false, due: shard.now + TURN_MS, records: 0 });
  expect(await next.sweep()).toMatchObject({ idle: false, due: null, records: 0 });
  shard.now += TURN_MS;
  expect(await next.step()).toMatchObject({ records: 2, more: false });
  // It was only late.
  await connects("c");
  held.go();
  expect(await dead).toMatchObject({ records: 1 });
  await shard.check();
  expect(await shard.users()).toEqual({ a: 1, b: 1, c: 1 });
});

it("INV-10: a call of an earlier turn folds nothing, even where it names the head of the log", async () => {
  const ids = await connects("a", "b");
  const { token } = await fold("one", undefined, []);
  shard.now += TURN_MS;
  await fold("two", undefined, []);
  shard.now += TURN_MS;
  const again = await fold("one", undefined, []);
  expect(again.token).toBe(token + 2);
  await read(2);
  expect(await fold("one", token, ids)).toMatchObject({ result: { records: 0, more: true }, leftOver: 2 });
  await read(2);
  expect(await fold("one", again.token, ids)).toMatchObject({ result: { records: 2 }, leftOver: 0 });
  await shard.check();
});

it("INV-10: what is not the head of the log, or has a gap, or was folded, is refused whole", async () => {
  const ids = await connects("a", "b", "c");
  const { token } = await fold("one", undefined, []);
  const refused = async (...chosen: string[]) => {
    const { result, leftOver } = await fold("one", token, chosen);
    expect([result.records, result.rejected, result.more, leftOver]).toEqual([0, 0, true, chosen.length]);
  };
  await read(3);
  await refused(ids[1]!, ids[2]!);
  await read(3);
  await refused(ids[0]!, ids[2]!);
  // Another caller, late, is given the first.
  await read(1);
  await read(1);
  await refused(ids[1]!);
  // Not delivered in this dataset: before a failover, perhaps.
  await refused(ids[0]!);
  await read(3);
  expect((await fold("one", token, ids)).result).toMatchObject({ records: 3, more: false });
  expect((await fold("one", token, ids)).result.records).toBe(0);
  await shard.check();
});

it("a step whose answer is lost is taken up by the next one, and folds nothing twice", async () => {
  await connects("a", "b");
  let lose = true;
  const lossy = {
    async call(command: Command): Promise<Reply> {
      const reply = await port.call(command);
      if (!lose || !(folds(command) || command[0] === "XREADGROUP")) return reply;
      lose = false;
      throw new Error("the answer was lost");
    },
  };
  // First of the read, then of the fold.
  const projector = caller("one", lossy);
  await expect(projector.step()).rejects.toThrow("lost");
  await connects("c");
  expect(await projector.step()).toMatchObject({ records: 3, more: false });
  await connects("d");
  lose = true;
  const twice = {
    call: async (command: Command) => (folds(command) && (await port.call(command)), lossy.call(command)),
  };
  await expect(caller("one", twice).step()).rejects.toThrow("lost");
  expect(await caller("one").step()).toMatchObject({ records: 1 });
  await shard.check();
});

it("no more than 1,000 entries are pending, in a long log of small records", async () => {
  const pipeline = shard.redis.pipeline();
  for (let seq = 1; seq <= 4_000; seq++) {
    const fields = [
      "process",
      "p",
      "seq",
      String(seq),
      "ttl",
      "60000",
      "connect",
      `u${seq}`,
      "sockets",
      String(seq),
    ];
    pipeline.xadd(shard.keys.records, `${shard.now}-${seq}`, ...fields);
  }
  await pipeline.exec();
  let most = 0;
  const watching = {
    async call(command: Command): Promise<Reply> {
      if (folds(command)) {
        const [count] = (await shard.redis.xpending(shard.keys.records, GROUP)) as [number];
        most = Math.max(most, count);
      }
      return port.call(command);
    },
  };
  expect(await caller("one", watching).sweep()).toMatchObject({ records: 4_000, idle: true });
  expect(most).toBeGreaterThan(250);
  expect(most).toBeLessThanOrEqual(1_000);
  await shard.check();
});

it("callers of both modes share one log", async () => {
  await connects("a");
  const held = heldPort();
  const late = caller("late", held).step();
  await held.reached;
  // The script reads by itself what the caller holds.
  expect(await shard.step()).toMatchObject({ records: 1 });
  await connects("b");
  held.go();
  expect(await late).toMatchObject({ records: 1 });
  await connects("c");
  expect(await shard.step()).toMatchObject({ records: 1 });
  await shard.check();
});

/** An engine that lets no script read the log: its own word for it, from a command that really is refused there. */
function refusingPort() {
  const text = project.text.replaceAll("pcall('XREADGROUP'", "pcall('SUBSCRIBE'");
  const sha1 = createHash("sha1").update(text).digest("hex");
  let asked = 0;
  const swap = (command: Command): Command => {
    if (command[1] !== project.sha1 && command[1] !== project.text) return command;
    // What a script reads itself is what comes without a reader.
    if (command[15] === "") asked++;
    return [command[0], command[0] === "EVAL" ? text : sha1, ...command.slice(2)];
  };
  return {
    asked: () => asked,
    call: (command: Command) => port.call(swap(command)),
    pipeline: (commands: readonly Command[]) => port.pipeline(commands.map(swap)),
  };
}

it("an engine that refuses is told apart, and `auto` asks it once", async () => {
  await connects("a");
  const refusing = refusingPort();
  const { prefix } = shard;
  const internals = { now: () => shard.now };
  await expect(projectorOver(refusing, { prefix }, internals).step()).rejects.toMatchObject({
    code: "READ_REFUSED",
    message: expect.stringContaining('set `read` to "client"'),
  });
  const pipelined = pipelinedProjectorOver(refusing, { prefix, read: "auto" }, internals);
  const { projector } = pipelined;
  const before = refusing.asked();
  expect(await projector.step()).toMatchObject({ records: 1 });
  await connects("b");
  // As a recorder does it: the call in a pipeline, then what it says.
  const [reply] = await refusing.pipeline([pipelined.command(0, { reap: true })]);
  let result = await pipelined.settle(0, reply!, { reap: true });
  while (result.more) result = await projector.step();
  expect(await projector.sweep()).toMatchObject({ idle: true });
  expect(refusing.asked() - before).toBe(1);
  expect(await shard.users()).toEqual({ a: 1, b: 1 });
  await shard.check();
});

it("`auto` on an engine that lets scripts read stays with the script", async () => {
  await connects("a");
  const projector = projectorOver(port, { prefix: shard.prefix, read: "auto" }, { now: () => shard.now });
  expect(await projector.step()).toMatchObject({ records: 1 });
  expect(await shard.totals()).not.toHaveProperty("reader");
});
