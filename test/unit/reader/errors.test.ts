/**
 * Goal: the code of an error shows its origin: another version, an invalid reply, or a bug in Rollcall.
 * Method: states and values written by hand into a real Redis; a clock that throws stands for a bug.
 */
import { expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { parseReply } from "../../../src/projector/call.ts";
import { verifyShards } from "../../../src/projector/verify.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { appOver, newPrefix, populate, problemIn, useRedis } from "../http/support.ts";

const test = useRedis();

it("an unknown state of a process is VERSION_MISMATCH, 500 over HTTP", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, process: "web-1", users: ["alice"] });
  await test.redis.hset(keysOf(prefix, 0, 1).states, "web-1", "paused 1 1 0 1 1 0");
  await expect(readerOver(ioredisPort(test.redis), { prefix }).processes()).rejects.toMatchObject({
    code: "VERSION_MISMATCH",
  });
  const api = appOver(test.redis, { prefix });
  const problem = await problemIn(await api.request("/v1/processes"));
  expect(problem).toMatchObject({ status: 500, code: "VERSION_MISMATCH" });
  expect(api.logged.join()).toContain("VERSION_MISMATCH: a process has a state that this version");
});

it("a count that is not a number is REPLY_INVALID, naming the command and not the value, 500 over HTTP", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  await test.redis.hset(keysOf(prefix, 0, 1).users, "alice", "many");
  const reader = readerOver(ioredisPort(test.redis), { prefix });
  const questions = [
    () => reader.user("alice"),
    () => reader.lookup(["alice"]),
    () => reader.page(),
    () => reader.usersList(),
  ];
  for (const ask of questions)
    await expect(ask()).rejects.toMatchObject({
      code: "REPLY_INVALID",
      message: expect.stringMatching(/^(HMGET|HSCAN) of users: expected slots, got text/) as string,
    });
  const problem = await problemIn(await appOver(test.redis, { prefix }).request("/v1/users/alice"));
  expect(problem).toMatchObject({ status: 500, code: "REPLY_INVALID" });
});

it("a bug is INTERNAL with its cause in every method, never REDIS_UNAVAILABLE", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  const bug = new TypeError("a bug");
  const now = () => {
    throw bug;
  };
  const reader = readerOver(ioredisPort(test.redis), { prefix }, { now });
  const asked = [
    () => reader.counts(),
    () => reader.isOnline("alice"),
    () => reader.user("alice"),
    () => reader.lookup(["alice"]),
    () => reader.page(),
    () => reader.users().next(),
    () => reader.usersList(),
    () => reader.processes(),
    () => reader.totals(),
  ];
  for (const ask of asked)
    await expect(ask()).rejects.toMatchObject({ name: "PresenceError", code: "INTERNAL", cause: bug });
  const api = appOver(test.redis, { prefix }, { reader });
  expect(await problemIn(await api.request("/v1/counts"))).toMatchObject({ status: 500, code: "INTERNAL" });
  expect(api.logged[0]).toMatch(/^GET \/v1\/counts: 500 INTERNAL \(TypeError\)\n\s+at /);
});

it("the reply of another version's script is VERSION_MISMATCH, for a call and for an audit", async () => {
  expect(() => parseReply([1, 2, 3])).toThrow(expect.objectContaining({ code: "VERSION_MISMATCH" }) as Error);
  expect(() => parseReply("OK")).toThrow(expect.objectContaining({ code: "VERSION_MISMATCH" }) as Error);
  const nonsense = ["2", ...Array.from({ length: 19 }, () => "x")];
  expect(() => parseReply(nonsense)).toThrow(expect.objectContaining({ code: "REPLY_INVALID" }) as Error);
  const other = { call: async () => ["0", 0], pipeline: async () => [] };
  await expect(
    verifyShards(other, [keysOf("p", 0, 1)], { repair: false, signal: undefined }),
  ).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
});
