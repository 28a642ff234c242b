/**
 * Goal: verify() finds what does not agree in scopes, repairs it when asked, finds nothing in a healthy system, and costs nothing where no
 * scope was ever used.
 * Method: a real projection harmed by hand in each of its keys, then checked against the invariants; processes that were fenced
 * register again.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { entryOf } from "../../../rig/entry.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { readScopes } from "../../../rig/scopes.ts";
import { TestShard } from "../../../rig/shard.ts";
import { SCOPE_UNIT } from "../../../src/core/limits.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { WritePort } from "../../../src/redis/port.ts";

let server: RedisServer;
let shard: TestShard;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

async function say(process: string, seq: number, rest: Readonly<Record<string, unknown>>): Promise<void> {
  await shard.append(...entryOf({ process, seq, ttl: 600_000, ...rest }));
  while ((await shard.step()).more);
} // prettier-ignore

const P = { grace: 60_000, connect: ["alice", "bob"], anonymous: 1, sockets: 3, join: [["*/,r", "alice", "bob", ""], ["/,s", "alice", "alice"]], memberships: 5 }; // prettier-ignore
const Q = { connect: ["alice", "carol"], sockets: 2, join: [["*/,r", "alice", "carol"]], memberships: 2 };

beforeEach(async () => {
  shard = new TestShard(server.url);
  await say("p", 1, { ...P, connect: [...P.connect, "dave"], sockets: 4 });
  await say("p", 2, { sockets: 4, join: [["*/,r", "dave"]], memberships: 6 });
  await say("p", 3, { disconnect: ["dave"], sockets: 3, drop: [["/,r", "dave"]], memberships: 5 });
  await say("q", 1, Q);
});
afterEach(async () => {
  await shard.check();
  await shard.redis.flushdb();
  await shard.close();
});

const key = (name: string) => `${shard.keys.tag}:${name}`;
const read = () => readScopes(shard.redis, shard.keys);

/** Fenced processes register again, as recorders do. */
async function settle(): Promise<void> {
  for (const [process, fields] of [["p", P], ["q", Q]] as const) // prettier-ignore
    if ((await shard.process(process)).state === "fenced") await say(`${process}2`, 1, { ...fields, replaces: [process] });
} // prettier-ignore

it("finds nothing in healthy scopes", async () => {
  const before = await read();
  expect(await shard.projector.verify({ repair: true })).toMatchObject({
    differences: 0,
    busy: 0,
    complete: true,
  });
  expect(await read()).toEqual(before);
});

const LINGERS = "4:dave/,r";

/** What is done to which key, and what is reported. */
const HARM: readonly (readonly [what: string, harm: () => Promise<unknown>, reported: readonly object[]])[] = [
  ["a value that cannot be read", () => shard.redis.hset(key("scope:/,r"), "carol", "x"), [
    { of: "member", scope: "/,r", name: "carol", found: null, expected: 0 },
    { of: "scope-users", name: "/,r", found: 4, expected: 3 },
    { of: "scope-sockets", name: "/,r", found: 5, expected: 4 },
    { of: "memberships", name: "q", found: 2, expected: 1 },
  ]],
  ["a slot of nobody beside others", () => shard.redis.hset(key("scope:/,r"), "alice", "1,2,77*3"), [
    { of: "member", scope: "/,r", name: "alice", found: 5, expected: 2 },
  ]],
  ["a ghost", () => shard.redis.hset(key("scope:/,r"), "a ghost", "77"), [
    { of: "member", scope: "/,r", name: "a ghost", found: 1, expected: 0 },
  ]],
  ["an anonymous socket in grace", () => shard.redis.hset(key("scope:/,r"), "", "0"), [
    { of: "member", scope: "/,r", name: "", found: null, expected: 0 },
    { of: "scope-sockets", name: "/,r", found: 5, expected: 4 },
    { of: "memberships", name: "p", found: 5, expected: 4 },
  ]],
  ["a membership too many", () => shard.redis.hset(key("scope:/,r"), "carol", "2*3"), [
    { of: "scope-sockets", name: "/,r", found: 5, expected: 7 },
    { of: "memberships", name: "q", found: 2, expected: 4 },
  ]],
  ["a user who is gone", () => shard.redis.hdel(key("scope:/,r"), "carol"), [
    { of: "scope-users", name: "/,r", found: 4, expected: 3 },
    { of: "scope-sockets", name: "/,r", found: 5, expected: 4 },
    { of: "memberships", name: "q", found: 2, expected: 1 },
  ]],
  ["a score that is wrong", () => shard.redis.zadd(key("scopes"), 9 * SCOPE_UNIT + 7, "/,r"), [
    { of: "scope-users", name: "/,r", found: 9, expected: 4 },
    { of: "scope-sockets", name: "/,r", found: 7, expected: 5 },
  ]],
  ["a scope of nobody", () => shard.redis.zadd(key("scopes"), SCOPE_UNIT + 1, "/,x"), [
    { of: "scope-users", name: "/,x", found: 1, expected: 0 },
    { of: "scope-sockets", name: "/,x", found: 1, expected: 0 },
    { of: "total", name: "scopes", found: 2, expected: 3 },
  ]],
  ["a scope that is gone", () => shard.redis.del(key("scope:/,s")), [
    { of: "scope-users", name: "/,s", found: 1, expected: 0 },
    { of: "scope-sockets", name: "/,s", found: 2, expected: 0 },
    { of: "memberships", name: "p", found: 5, expected: 3 },
  ]],
  ["grace without a deadline", () => shard.redis.zrem(key("lingering"), LINGERS), [
    { of: "lingering", scope: "/,r", name: "dave", found: 0, expected: 1 },
    { of: "scope-users", name: "/,r", found: 4, expected: 3 },
    { of: "total", name: "lingering", found: 1, expected: 0 },
  ]],
  ["a deadline of nobody", () => shard.redis.zadd(key("lingering"), 9, "3:bob/,r", 9, "1:x/,y", 9, "odd"), [
    { of: "lingering", scope: "/,r", name: "bob", found: 1, expected: 0 },
    { of: "lingering", scope: "/,y", name: "x", found: 1, expected: 0 },
    { of: "lingering", scope: "odd", name: "", found: 1, expected: 0 },
    { of: "total", name: "lingering", found: 1, expected: 4 },
  ]],
  ["a user in grace who is not found by id", () => shard.redis.zrem(key("lingerers"), LINGERS), [
    { of: "lingering", scope: "/,r", name: "dave", found: 0, expected: 1 },
  ]],
  ["one of nobody", () => shard.redis.zadd(key("lingerers"), 0, "3:bob/,r"), [
    { of: "lingering", scope: "/,r", name: "bob", found: 1, expected: 0 },
  ]],
  ["a sum of a process", () => shard.redis.hset(key("scopes:2"), "", "9"), [
    { of: "memberships", name: "q", found: 9, expected: 2 },
    { of: "total", name: "memberships", found: 7, expected: 14 },
  ]],
  ["a part of such a sum", () => shard.redis.hset(key("scopes:2"), "/,r", "9"), [
    { of: "memberships", name: "q", found: 9, expected: 2 },
  ]],
  ["all memberships of a process", () => shard.redis.del(key("scopes:1")), [
    { of: "memberships", name: "p", found: 0, expected: 5 },
    { of: "total", name: "memberships", found: 7, expected: 2 },
  ]],
  ["the totals", () => shard.redis.hset(shard.keys.totals, "lingering", "5", "scoped", "9 8 1"), [
    { of: "total", name: "lingering", found: 5, expected: 1 },
    { of: "total", name: "scopes", found: 9, expected: 2 },
    { of: "total", name: "memberships", found: 8, expected: 7 },
  ]],
]; // prettier-ignore

it.each(HARM)("reports and repairs %s; all is right once processes that were fenced are back", async (_what, harm, reported) => {
  await harm();
  const harmed = await read();
  const { examples, busy, repaired } = await shard.projector.verify();
  const sorted = (list: readonly object[]) => list.map((one) => JSON.stringify(one, Object.keys(one).sort())).sort();
  expect(sorted(examples)).toEqual(sorted(reported.map((one) => ({ ...one, shard: 0 }))));
  expect([busy, repaired]).toEqual([0, false]);
  expect(await read()).toEqual(harmed);
  await shard.projector.verify({ repair: true });
  await settle();
  expect(await shard.projector.verify()).toMatchObject({ differences: 0, busy: 0 });
  // The level check agrees.
  await shard.step({ check: true });
  expect((await shard.totals())["rebuilt"]).toBe("0");
  const { hashes } = await read();
  expect(Object.keys(hashes["/,r"]!).filter((id) => id !== "dave").sort()).toEqual(["", "alice", "bob", "carol"]);
  expect(Object.keys(hashes["/,s"]!)).toEqual(["alice"]);
  // History has what was done behind its back: it begins anew for check().
  await shard.redis.del(key("moves"));
  await shard.redis.hdel(shard.keys.totals, "moved");
}); // prettier-ignore

it("who is taken out of a scope that is told is told", async () => {
  await shard.redis.zrem(key("lingering"), LINGERS);
  await shard.projector.verify({ repair: true });
  const [id, fields] = (await read()).moves.at(-1)!;
  expect(fields).toEqual(["/,r", '{"repair":["dave"]}']);
  expect((await shard.totals())["moved"]).toBe(id);
});

it("compares a scope of more users than a slice has, and repairs its score", async () => {
  const users = Array.from({ length: 2_400 }, (_, i) => `user-${i}`);
  for (let i = 0; i < 6; i++) {
    const some = users.slice(400 * i, 400 * (i + 1));
    const memberships = 400 * (i + 1);
    await say("big", i + 1, { connect: some, sockets: memberships, join: [["/,big", ...some]], memberships });
  }
  expect(await shard.projector.verify()).toMatchObject({ differences: 0, busy: 0 });
  await shard.redis.zadd(key("scopes"), 1, "/,big");
  const { examples } = await shard.projector.verify({ repair: true });
  expect(examples).toEqual([
    { of: "scope-users", name: "/,big", shard: 0, found: 0, expected: 2_400 },
    { of: "scope-sockets", name: "/,big", shard: 0, found: 1, expected: 2_400 },
  ]);
  expect(await shard.projector.verify()).toMatchObject({ differences: 0, busy: 0 });
});

/** Counts the calls of the script, and does something after each. */
function watched(after: () => Promise<unknown> = async () => {}): { port: WritePort; calls: string[] } {
  const port = ioredisPort(shard.redis);
  const calls: string[] = [];
  return {
    calls,
    port: {
      pipeline: (commands) => port.pipeline(commands),
      async call(command) {
        const reply = await port.call(command);
        if (command[14] !== undefined) calls.push(command[14]);
        await after();
        return reply;
      },
    },
  };
}

it("of a shard that never rests it compares no sums, and fences nobody", async () => {
  await shard.redis.hset(key("scopes:2"), "/,r", "9");
  let seq = 3;
  const { port } = watched(async () => {
    shard.now += 1;
    await say("p", ++seq, { sockets: 3, memberships: 5 });
  });
  const restless = projectorOver(port, { prefix: shard.prefix });
  expect(await restless.verify({ repair: true })).toMatchObject({ busy: 1, differences: 0, complete: true });
  expect((await shard.process("q")).state).toBe("live");
  await shard.redis.hset(key("scopes:2"), "/,r", "2");
});

it("asks nothing about scopes where none was ever used", async () => {
  await shard.redis.flushdb();
  await shard.append("process", "x", "seq", "1", "ttl", "1000", "connect", '["alice"]', "sockets", "1");
  await shard.step();
  const { port, calls } = watched();
  await projectorOver(port, { prefix: shard.prefix }).verify();
  expect([...new Set(calls)]).toEqual(["mark", "users", "leaving", "states", "totals"]);
});

it("counts nothing while scopes are being deleted after a rebuild", async () => {
  await shard.redis.hset(shard.keys.totals, "clearing", "1");
  const { port, calls } = watched();
  await projectorOver(port, { prefix: shard.prefix }).verify();
  expect(calls).not.toContain("scopes");
  await shard.redis.hset(shard.keys.totals, "clearing", "0");
});
