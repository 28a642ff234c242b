/**
 * Goal: recorders sign what they append, keys can be switched on, rotated and switched off under running processes without anybody going
 * offline, and a process with other keys is told so at its start.
 * Method: recorders without sockets on a real Redis; what is folded is read directly.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { fingerprintOf } from "../../../model/mac.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { deriveRecordKeys } from "../../../src/projector/record-keys.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { type RecorderOptions, resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { Recorder } from "../../../src/recorder/recorder.ts";
import { connect, type Connection } from "../../../src/redis/connect.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { until, untilEqual } from "../../../rig/until.ts";

const OLD = "old-".repeat(8);
const NEW = "new-".repeat(8);

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
  prefix = `keys${prefixes++}`;
});
afterEach(async () => {
  for (const { recorder, connection } of opened.splice(0)) {
    await recorder.close(1_000);
    connection.close();
  }
});

async function start(options: RecorderOptions = {}) {
  const codes: string[] = [];
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const connection = connect(server.url, { timeout: 5_000, name: "test" });
  const resolved = resolveRecorderOptions({
    prefix, ttl: 5_000, heartbeat: 50, logger: { info: say, warn: say, error: say }, ...options,
  }); // prettier-ignore
  const recorder = new Recorder({
    connection,
    options: resolved,
    connections: () => 0,
    onError: (error) => {
      codes.push(error.code);
      lines.push(error.message);
    },
  });
  opened.push({ recorder, connection });
  await recorder.ready();
  return { recorder, codes, lines };
}

const keys = (shard = 0, shards = 1) => keysOf(prefix, shard, shards);
const online = async (shards = 1) => {
  const found = await Promise.all(
    Array.from({ length: shards }, (_, i) => redis.hkeys(keys(i, shards).users)),
  );
  return found.flat().sort();
};
const rejected = () => redis.xlen(keys().rejected);

it("a recorder signs everything, from its first record to its goodbye, in every shard", async () => {
  const recordKeys = [NEW];
  const { recorder, codes } = await start({ recordKeys, shards: 2, grace: 0 });
  const users = ["alice", "bob", "carol", "d"];
  for (const user of users) recorder.connect(user);
  await untilEqual(() => online(2), users.toSorted());
  recorder.disconnect("d", "leave");
  await untilEqual(() => online(2), ["alice", "bob", "carol"]);
  expect(await recorder.close(1_000)).toBe(true);
  await untilEqual(() => online(2), []);
  for (const shard of [0, 1]) {
    expect(await redis.xlen(keys(shard, 2).rejected)).toBe(0);
    expect(await redis.hget(keys(shard, 2).totals, "mac")).toBe(fingerprintOf(NEW, prefix));
  }
  expect(codes).toEqual([]);
});

describe.each([
  ["projects", true],
  ["does not project", false],
] as const)("a process that %s", (_, project) => {
  it.each([
    ["has no keys where records are signed", [OLD], undefined],
    ["has others", [OLD], [NEW]],
    ["has keys where records are not signed", undefined, [NEW]],
  ] as const)("and %s is told so before it appends anything", async (_case, theirs, ours) => {
    const first = await start({ recordKeys: theirs });
    await until("the prefix is open", async () => (await redis.hexists(keys().totals, "shards")) === 1);
    await first.recorder.close(1_000);
    const before = await redis.xinfo("STREAM", keys().records);
    await expect(start({ recordKeys: ours, project })).rejects.toMatchObject({
      code: "RECORD_KEYS_MISMATCH",
    });
    expect(await redis.xinfo("STREAM", keys().records)).toEqual(before);
  });
});

it("keys that change later are reported once, without a key in the message, and appending goes on when they agree again", async () => {
  const { recorder, codes, lines } = await start({ recordKeys: [NEW], project: false });
  const projector = projectorOver(ioredisPort(redis), { prefix, recordKeys: [NEW] });
  await projector.step();
  const ours = await redis.hget(keys().totals, "mac");
  await redis.hset(keys().totals, "mac", fingerprintOf(OLD, prefix));
  await until("told", () => codes.length > 0);
  await redis.hset(keys().totals, "mac", ours!);
  recorder.connect("alice");
  const folded = async () => {
    await projector.step();
    return online();
  };
  await untilEqual(folded, ["alice"]);
  expect(codes).toEqual(["RECORD_KEYS_MISMATCH"]);
  expect(lines.join("\n")).not.toContain(NEW);
});

/** Replaces three processes, one after the other, at every step; alice, bob and carol move along, and nobody is ever missing. */
async function roll(steps: readonly (readonly string[] | undefined)[]): Promise<void> {
  const users = ["alice", "bob", "carol"];
  let fleet: Awaited<ReturnType<typeof start>>[] = [];
  for (const recordKeys of steps) {
    const next: typeof fleet = [];
    for (const [i, user] of users.entries()) {
      const fresh = await start({ recordKeys });
      fresh.recorder.connect(user);
      next.push(fresh);
      // The old and the new ones all work at this moment, in both directions.
      fresh.recorder.connect(`seen by ${user}`);
      await until("the new one is folded", async () => (await online()).includes(`seen by ${user}`));
      fleet[i]?.recorder.connect("seen again");
      if (fleet[i] !== undefined) await until("so is the old one", async () => (await online()).includes("seen again"));
      await fleet[i]?.recorder.close(1_000);
      fresh.recorder.disconnect(`seen by ${user}`, "leave");
      await untilEqual(async () => (await online()).filter((id) => !id.startsWith("seen")), users.slice(0, fleet.length > 0 ? 3 : i + 1));
    }
    for (const { codes } of [...fleet, ...next]) expect(codes).toEqual([]);
    fleet = next;
    // As docs/operations.md says: the next step begins when the totals have this one.
    const { mac } = await deriveRecordKeys(recordKeys, prefix);
    const inTotals = async () => {
      next[0]!.recorder.connect("step");
      return (await redis.hget(keys().totals, "mac")) ?? "";
    };
    await untilEqual(inTotals, mac);
  }
  expect(await rejected()).toBe(0);
  const changes = await redis.xrange(keys().changes, "-", "+");
  const told = changes.flatMap(([, fields]) => fields.filter((value) => value.startsWith("[")).flatMap((list) => JSON.parse(list) as string[]));
  // Each came once, and never went.
  expect(told.filter((user) => users.includes(user)).sort()).toEqual(users);
} // prettier-ignore

it("signing is switched on and off again under running processes", async () => {
  await roll([undefined, [NEW, "unsigned"], [NEW], [NEW, "unsigned"], undefined]);
});

it("a key is rotated under running processes", async () => {
  await roll([[OLD], [OLD, NEW], [NEW, OLD], [NEW]]);
});

describe("the option", () => {
  const refusal = (recordKeys: unknown) => {
    try {
      resolveRecorderOptions({ recordKeys: recordKeys as string[] });
    } catch (error) {
      return String(error);
    }
    return "taken";
  };
  it.each([
    ["a text", NEW],
    ["null", null],
    ["an object", { key: NEW }],
    ["a key of 31 bytes", ["x".repeat(31)]],
    ["a key of 257 bytes", ["x".repeat(257)]],
    ["a key that is no well-formed text", ["\ud800".repeat(40)]],
    ["bytes", [new Uint8Array(32)]],
    ["an empty list", []],
    ["unsigned alone", ["unsigned"]],
    ["a key twice", [NEW, NEW]],
    ["four keys", ["a", "b", "c", "d"].map((letter) => letter.repeat(32))],
    ["a hole", [NEW, undefined]],
  ])("refuses %s by name, without the value", (_, value) => {
    const message = refusal(value);
    expect(message).toMatch(/OPTIONS_INVALID|recordKeys must/);
    expect(message).not.toContain(NEW);
    expect(message).not.toContain("xxxx");
  });

  it("takes 32 bytes, counted as UTF-8, and 256", () => {
    expect(refusal(["é".repeat(16)])).toBe("taken");
    expect(refusal(["x".repeat(256), "unsigned", "y".repeat(32), "z".repeat(32)])).toBe("taken");
  });
});
