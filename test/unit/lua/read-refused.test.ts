/**
 * Goal: on an engine that does not let scripts call XREADGROUP, `read: "group"` says what to set, and `read: "auto"` goes on.
 * Method: a Redis without that command; and the words of Upstash, whose reads are refused by the size of a list that stays empty,
 * put in the place of the reply inside the script.
 */
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { startRedis as startOwn } from "../../../packages/local-redis/src/index.ts";
import { ownOnly, startRedis } from "../../../rig/redis.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { project } from "../../../src/lua/generated.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { redisError } from "../../../src/redis/errors.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { WritePort } from "../../../src/redis/port.ts";

const prefix = "refused";
const keys = keysOf(prefix, 0, 1);

async function isFoldedByRangeOnly(redis: Redis, port: WritePort): Promise<void> {
  await redis.xadd(
    keys.records,
    "*",
    ...encodeRecord({ process: "p", seq: 1, ttl: 60_000, connect: ["alice"], sockets: 1 }),
  );
  await expect(projectorOver(port, { prefix, read: "group" }).step(0)).rejects.toMatchObject({
    code: "READ_REFUSED",
    message: expect.stringContaining('set `read` to "range" or "auto"') as string,
  });
  expect(await redis.exists(keys.users)).toBe(0);
  const auto = projectorOver(port, { prefix, read: "auto" });
  while ((await auto.step(0)).more);
  expect(await redis.hgetall(keys.users)).toEqual({ alice: "1" });
}

describe("XREADGROUP in a script", () => {
  it("is not known", async (context) => {
    ownOnly("it lacks a command")(context);
    await using server = await startOwn({ args: ["--rename-command", "XREADGROUP", ""] });
    const redis = new Redis(server.url);
    await isFoldedByRangeOnly(redis, ioredisPort(redis));
    redis.disconnect();
  });

  it("is cancelled, in Upstash's words", async () => {
    await using server = await startRedis();
    const redis = new Redis(server.url);
    const words =
      "ERR XReadGroup is cancelled. Pending Entries List limit per consumer is about to be reached. Limit: 1000, Current PEL size: 0";
    const stub = `local real = redis
local redis = setmetatable({ pcall = function(name, ...)
  if name == 'XREADGROUP' then return { err = '${words}' } end
  return real.pcall(name, ...)
end }, { __index = real })
`;
    const port = ioredisPort(redis);
    const call: WritePort["call"] = (command) =>
      port.call(command[0] === "EVALSHA" ? ["EVAL", stub + project.text, ...command.slice(2)] : command);
    await isFoldedByRangeOnly(redis, { ...port, call });
    redis.disconnect();
  });
});

it("Upstash's words are told from an outage wherever they come from", () => {
  const words =
    "ERR XReadGroup is cancelled. Pending Entries List limit per consumer is about to be reached. Limit: 1000";
  expect(redisError(new Error(words)).code).toBe("READ_REFUSED");
});
