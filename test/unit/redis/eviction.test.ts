/**
 * Goal: whoever runs Rollcall on a Redis that evicts keys is told so when it starts, once, and nothing else changes.
 * Method: real servers with each kind of settings; presence and projector log what they say. INFO is the first command of a
 * connection, so its answer has come before that of any other.
 */
import { Redis } from "ioredis";
import { afterEach, expect, it } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { startNode } from "../../../rig/node.ts";
import { until } from "../../../rig/until.ts";
import { createProjector } from "../../../src/index.ts";

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function redisWith(...args: string[]): Promise<string> {
  const server = await startRedis({ args });
  ends.push(() => server.stop());
  return server.url;
}

function noting() {
  const warnings: string[] = [];
  const logger = { info() {}, warn: (line: string) => warnings.push(line), error() {} };
  return { warnings, logger };
}

/** What a presence warns of until it is ready. */
async function warningsOf(redis: string): Promise<string[]> {
  const { warnings, logger } = noting();
  const node = await startNode({ redis, prefix: "evicting", logger });
  ends.push(() => node.close());
  return warnings;
}

it.each(["allkeys-lru", "volatile-ttl"])(
  "a Redis with %s and a limit is told once, with what to do",
  async (policy) => {
    const redis = await redisWith("--maxmemory", "64mb", "--maxmemory-policy", policy);
    expect(await warningsOf(redis)).toEqual([
      expect.stringMatching(new RegExp(`${policy}.*set it to noeviction`)),
    ]);
  },
);

it("a projector that runs says so too", async () => {
  const redis = await redisWith("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  const { warnings, logger } = noting();
  await using projector = createProjector({ redis, logger });
  const stop = new AbortController();
  const running = projector.run({ signal: stop.signal });
  await until("it is told", () => warnings.length > 0);
  stop.abort();
  await running;
  expect(warnings).toEqual([expect.stringContaining("allkeys-lru")]);
});

it.each([
  ["a policy without a limit", ["--maxmemory-policy", "allkeys-lru"]],
  ["a limit with noeviction", ["--maxmemory", "64mb", "--maxmemory-policy", "noeviction"]],
])("nothing is said of %s", async (_, args) => {
  expect(await warningsOf(await redisWith(...args))).toEqual([]);
});

it("a user that may not ask is told nothing, and everything works", async () => {
  const url = await redisWith("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru");
  const admin = new Redis(url);
  await admin.call("ACL", "SETUSER", "limited", "on", ">secret", "~*", "&*", "+@all", "-info");
  await admin.quit();
  expect(await warningsOf(url.replace("redis://", "redis://limited:secret@"))).toEqual([]);
});
