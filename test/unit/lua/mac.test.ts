/**
 * Goal: with keys, a record counts only if it was signed with one of them for this shard, on both paths; and callers with other keys
 * refuse instead of folding forged records or setting all others aside.
 * Method: the real script, signed and forged records side by side; what the signature has to be is computed by the model.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Redis } from "ioredis";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { derivedKey, fingerprintOf, macOf } from "../../../model/mac.ts";
import { operations, TestShard } from "../../../rig/shard.ts";
import { project } from "../../../src/lua/generated.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import { deriveRecordKeys } from "../../../src/projector/record-keys.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";

const KEY = "0123456789abcdef".repeat(4);
const OTHER = "fedcba9876543210".repeat(4);

let server: RedisServer;
const shards: TestShard[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const shard of shards.splice(0)) await shard.close();
});

function open(options: ConstructorParameters<typeof TestShard>[1] = { recordKeys: [KEY] }): TestShard {
  const shard = new TestShard(server.url, options);
  shards.push(shard);
  return shard;
}

function caller(shard: TestShard, recordKeys?: readonly string[]): Projector {
  return projectorOver(
    ioredisPort(shard.redis),
    { prefix: shard.prefix, recordKeys },
    { now: () => shard.now },
  );
}

/** With the `mac` that the model computes. */
function withMac(shard: TestShard, fields: readonly string[], key = KEY, prefix = shard.prefix): string[] {
  return [...fields, "mac", macOf(fields, shard.keys.records, derivedKey(key, prefix))];
}

const connects = (process: string, seq: number, user: string, sockets = seq) => ({
  process, seq, operations: operations(`+${user}`), sockets,
}); // prettier-ignore

describe.each([
  ["quick", false],
  ["careful", true],
] as const)("on the %s path", (_, check) => {
  /** A live process with alice, as a starting point of both paths. */
  async function live(): Promise<TestShard> {
    const shard = open();
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    return shard;
  }

  it("a record signed with the key is folded", async () => {
    const shard = await live();
    await shard.append(...withMac(shard, shard.fieldsOf(connects("p", 2, "bob"))));
    expect(await shard.step({ check })).toMatchObject({ operations: 1, rejected: 0 });
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    await shard.check();
  });

  const good = (shard: TestShard) => shard.fieldsOf(connects("p", 2, "bob"));
  it.each<[string, (shard: TestShard) => string[]]>([
    ["no mac", good],
    ["another key", (shard) => withMac(shard, good(shard), OTHER)],
    ["the key of another prefix", (shard) => withMac(shard, good(shard), KEY, "elsewhere")],
    ["the key itself, not derived", (shard) => [...good(shard), "mac", macOf(good(shard), shard.keys.records, KEY)]],
    ["the log of another shard", (shard) => [...good(shard), "mac", macOf(good(shard), "{x}:records", derivedKey(KEY, shard.prefix))]],
    ["an empty mac", (shard) => [...good(shard), "mac", ""]],
    ["capitals", (shard) => withMac(shard, good(shard)).map((value, i, all) => (i === all.length - 1 ? value.toUpperCase() : value))],
    ["a mac that is not last", (shard) => [...withMac(shard, good(shard)), "later", "x"]],
    ["a value changed", (shard) => withMac(shard, good(shard)).map((value) => (value === '["bob"]' ? '["eve"]' : value))],
    ["a list that became part of a name", (shard) => {
      const fields = shard.fieldsOf({ process: "p", seq: 2, operations: operations("+bob"), sockets: 2, connections: 1 });
      const mac = macOf(fields, shard.keys.records, derivedKey(KEY, shard.prefix));
      const at = fields.indexOf("connect");
      return [...fields.slice(0, at), `connect\n${fields.slice(at + 1, at + 2).join()}\nsockets\n2\nconnections`, "1", "mac", mac];
    }],
    ["a field moved across the mac", (shard) => [...withMac(shard, good(shard).slice(0, -2)), ...good(shard).slice(-2)]],
  ])("set aside with the reason mac, and nothing else happens: %s", async (_name, forged) => {
    const shard = await live();
    const before = await shard.process("p");
    const lease = await shard.redis.zrange(shard.keys.processes, "0", "-1", "WITHSCORES");
    // Less than from one level check to the next, so that the first call is quick where it can be.
    shard.now += 500;
    await shard.append(...forged(shard));
    expect(await shard.step({ check })).toMatchObject({ records: 0, operations: 0, rejected: 1, fenced: 0 });
    await shard.append(...withMac(shard, shard.fieldsOf({ process: "q", seq: 1, sockets: 0, bye: true, replaces: ["p"] }), OTHER));
    expect(await shard.step({ check })).toMatchObject({ records: 0, operations: 0, rejected: 1, fenced: 0 });
    expect(await shard.rejected()).toEqual(["mac", "mac"]);
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.process("p")).toEqual(before);
    expect(await shard.redis.zrange(shard.keys.processes, "0", "-1", "WITHSCORES")).toEqual(lease);
    await shard.record(connects("p", 2, "bob"));
    expect(await shard.step({ check })).toMatchObject({ operations: 1 });
    await shard.check();
  }); // prettier-ignore

  it("one of several keys is enough, and unsigned records only where they are among them", async () => {
    const shard = open({ recordKeys: [OTHER, "unsigned", KEY] });
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    await shard.append(...withMac(shard, shard.fieldsOf(connects("p", 2, "bob"))));
    await shard.append(...shard.fieldsOf(connects("p", 3, "carol")));
    await shard.append(...withMac(shard, shard.fieldsOf(connects("p", 4, "dan")), "x".repeat(32)));
    expect(await shard.step({ check })).toMatchObject({ operations: 2, rejected: 1 });
    expect(await shard.users()).toEqual({ alice: 1, bob: 1, carol: 1 });
  });

  it("without keys a mac is skipped", async () => {
    const shard = open({});
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    await shard.append(...shard.fieldsOf(connects("p", 2, "bob")), "mac", "anything");
    expect(await shard.step({ check })).toMatchObject({ operations: 1, rejected: 0 });
  });
});

it("a signed text of more than 200,000 bytes is set aside unread", async () => {
  const shard = open();
  const long = Array.from({ length: 7 }, (_, i) => [`later${i}`, "x".repeat(30_000)]).flat();
  const small = [...shard.fieldsOf(connects("p", 1, "alice")), ...long.slice(0, 12)];
  await shard.append(...withMac(shard, small));
  await shard.append(...withMac(shard, [...shard.fieldsOf(connects("p", 2, "bob")), ...long]));
  await shard.drain();
  expect(await shard.users()).toEqual({ alice: 1 });
  expect(await shard.rejected()).toEqual(["mac"]);
});

it("an engine without struct computes the same", async () => {
  const shard = open();
  const { argument } = await deriveRecordKeys([KEY], shard.prefix);
  const text = project.text.replace("struct and struct.pack", "nil");
  expect(text).not.toBe(project.text);
  await shard.record(connects("p", 1, "alice"));
  await shard.append(...withMac(shard, shard.fieldsOf(connects("p", 2, "bob")), OTHER));
  const call = ["1", "1000", "1", String(shard.now), "", "group", "", "", "", ...argument];
  await shard.redis.eval(text, shard.keys.list.length, ...shard.keys.list, ...call);
  expect(await shard.users()).toEqual({ alice: 1 });
  expect(await shard.rejected()).toEqual(["mac"]);
});

it("the keys of the model and of WebCrypto are the same, and the key itself is not among what Redis gets", async () => {
  const { mac, argument, signing } = await deriveRecordKeys([KEY, "unsigned", OTHER], "présence");
  expect(mac).toBe(`${fingerprintOf(KEY, "présence")} unsigned ${fingerprintOf(OTHER, "présence")}`);
  expect(signing).toBe(derivedKey(KEY, "présence"));
  const xor = (text: string, by: number) => String.fromCharCode(...Buffer.from(text).map((byte) => byte ^ by));
  const pads = [KEY, OTHER].map((key) => derivedKey(key, "présence")).flatMap((key) => [xor(key, 0x36), xor(key, 0x5c)]);
  expect(argument).toEqual([mac, ...pads]);
  expect(argument.join()).toMatch(/^[ -~]+$/);
  expect(argument.join()).not.toContain(KEY);
}); // prettier-ignore

describe("callers with different keys", () => {
  const NONE = undefined;
  /** Whether the second may work on what the first has opened. */
  it.each<[string, readonly string[] | undefined, readonly string[] | undefined, boolean]>([
    ["without, on a signed prefix", [KEY], NONE, false],
    ["with, on a prefix without", NONE, [KEY], false],
    ["with another key", [KEY], [OTHER], false],
    ["switching on, first step", NONE, [KEY, "unsigned"], true],
    ["switching on, an old process", [KEY, "unsigned"], NONE, true],
    ["switching on, second step", [KEY, "unsigned"], [KEY], true],
    ["switching on, a process of the first step", [KEY], [KEY, "unsigned"], true],
    ["rotating, first step", [KEY], [KEY, OTHER], true],
    ["rotating, second step", [KEY, OTHER], [OTHER, KEY], true],
    ["rotating, an old process in the second step", [OTHER, KEY], [KEY, OTHER], true],
    ["rotating, third step", [OTHER, KEY], [OTHER], true],
    ["rotating, two steps at once", [OTHER, KEY], [KEY], false],
    ["switching off, second step", ["unsigned", KEY], NONE, true],
  ])("%s", async (_, first, second, good) => {
    const shard = open({ recordKeys: first });
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    await shard.record(connects("p", 2, "bob"));
    // The script's own refusal, without the look before it.
    const { argument } = await deriveRecordKeys(second, shard.prefix);
    const call = ["1", "1000", "1", String(shard.now), "", "group", "", "", "", ...argument];
    const run = shard.redis.eval(project.text, shard.keys.list.length, ...shard.keys.list, ...call);
    if (good) await run;
    else await expect(run).rejects.toThrow(/PRESENCE_MAC/);
    const result = caller(shard, second).step();
    if (good) await result;
    else await expect(result).rejects.toMatchObject({ code: "RECORD_KEYS_MISMATCH" });
    // Nothing was set aside or lost; the first goes on.
    expect(await shard.step()).toMatchObject({ rejected: 0 });
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    expect(await shard.rejected()).toEqual([]);
  });

  it("a caller without keys does not fold what somebody without keys has appended", async () => {
    const shard = open();
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    await shard.append(...shard.fieldsOf(connects("p", 2, "eve")));
    const call = ["1", "1000", "1", String(shard.now), "", "group", ""];
    const run = shard.redis.eval(project.text, shard.keys.list.length, ...shard.keys.list, ...call);
    await expect(run).rejects.toThrow(/PRESENCE_MAC/);
    await shard.step();
    expect(await shard.users()).toEqual({ alice: 1 });
    expect(await shard.rejected()).toEqual(["mac"]);
  });

  it("the refusal names the remedy and no key", async () => {
    const shard = open();
    await shard.step();
    const without = await caller(shard).step().catch((error: unknown) => error);
    expect(String(without)).toMatch(/are signed: set `recordKeys`/);
    const other = await caller(shard, [OTHER]).step().catch((error: unknown) => error);
    expect(String(other)).toMatch(/signed with other keys/);
    const plain = open({});
    await plain.step();
    const early = await caller(plain, [KEY]).step().catch((error: unknown) => error);
    expect(String(early)).toMatch(/not signed yet: add "unsigned"/);
    for (const error of [without, other, early]) {
      expect(String(error)).not.toContain(KEY);
      expect(String(error)).not.toContain(OTHER);
    }
  }); // prettier-ignore

  it("after a flush the first caller decides, and a rebuild keeps the keys", async () => {
    const shard = open();
    await shard.step();
    await shard.redis.del(shard.keys.users, shard.keys.states);
    await shard.record(connects("p", 1, "alice"));
    await shard.step();
    await shard.redis.del(shard.keys.states);
    expect(await shard.step({ check: true })).toMatchObject({ rebuilt: true });
    await expect(caller(shard).step()).rejects.toMatchObject({ code: "RECORD_KEYS_MISMATCH" });
    await shard.redis.flushdb();
    await caller(shard).step();
    await expect(caller(shard, [KEY]).step()).rejects.toMatchObject({ code: "RECORD_KEYS_MISMATCH" });
    // What docs/operations.md says: without totals, the next caller starts over.
    await shard.redis.del(shard.keys.totals);
    await caller(shard, [KEY]).step();
    expect(await shard.totals()).toMatchObject({ mac: fingerprintOf(KEY, shard.prefix) });
  });
});

it("evict() works on a signed prefix", async () => {
  const shard = open();
  await shard.record(connects("p", 1, "alice"));
  await shard.step();
  expect(await shard.projector.evict("p")).toBe(true);
  expect(await shard.users()).toEqual({});
  expect(await shard.rejected()).toEqual([]);
});

it("without keys a call has no argument for them, and totals no field", async () => {
  const shard = open({});
  const watching = new Redis(server.url);
  const monitor = await watching.monitor();
  const calls: string[][] = [];
  const seen = new Promise<void>((resolve) => {
    monitor.on("monitor", (_: string, args: string[]) => {
      if (/^evalsha$/i.test(args[0]!)) calls.push(args);
      if (/^echo$/i.test(args[0]!)) resolve();
    });
  });
  await shard.step();
  await shard.step();
  await shard.redis.echo("done");
  await seen;
  expect(calls.length).toBeGreaterThanOrEqual(2);
  for (const args of calls) expect(args).toHaveLength(3 + 11 + 9);
  expect(await shard.totals()).not.toHaveProperty("mac");
  monitor.disconnect();
  watching.disconnect();
});
