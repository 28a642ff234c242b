/**
 * Goal: model/vectors/subscriber.json has what the script of durable subscribers really does, and what a caller sends to it (INV-14).
 * Method: every story is played by our own caller on a real Redis; what it sends, what comes back, and all keys of the subscriber are
 * compared after every call.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import type { SubscriberVector } from "../../../scripts/vectors/subscriber-step.ts";
import { subscriberVectors } from "../../../scripts/vectors/subscriber.ts";
import { GAP_REASONS } from "../../../src/core/delivery.ts";
import { SubscriberPlayer } from "./subscriber-player.ts";

const path = join(import.meta.dirname, "../../../model/vectors/subscriber.json");
const stories = JSON.parse(readFileSync(path, "utf8")) as SubscriberVector[];

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

it.each(stories)("subscriber.json: $name", async ({ steps }) => {
  await redis.flushdb();
  const player = new SubscriberPlayer(redis);
  for (const step of steps) {
    const { call, now, arguments: sent, reply, after } = step;
    expect({ call, now, ...(await player.play(step)) }).toEqual({ call, now, sent, reply, after });
  }
});

it("subscriber.json is what the reference model does", () => {
  expect(JSON.parse(JSON.stringify(subscriberVectors()))).toEqual(stories);
});

it("subscriber.json has every call and what comes of it, and every reason of a gap", () => {
  const steps = stories.flatMap((one) => one.steps);
  const came = new Set(steps.map(({ call, reply }) => `${call}: ${String(reply["word"])}`));
  const holders = ["note", "renew", "fail", "bury", "page", "leave", "disable"];
  const words = ["behind", "held", "wait", "changes", "inbox", "page", "idle", "full", "other", "disabled"];
  expect([...came].sort()).toEqual(
    [
      ...words.map((word) => `take: ${word}`),
      ...holders.flatMap((call) => [`${call}: done`, `${call}: lost`]),
      ...["enable", "retry", "drop", "amend", "remove"].map((call) => `${call}: done`),
    ].sort(),
  );
  const queued = steps.flatMap(({ after }) => after.inbox.map(({ fields }) => fields));
  const reasons = new Set(queued.flatMap(([kind, reason]) => (kind === "gap" ? [reason!] : [])));
  expect([...reasons].sort()).toEqual([...GAP_REASONS].sort());
  expect(new Set(queued.map(([kind]) => kind))).toEqual(new Set(["gap", "online", "offline", "again"]));
});
