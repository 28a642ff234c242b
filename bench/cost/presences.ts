/** What createPresence costs while nobody comes or goes: the whole of it, over a Redis of its own and in real time. */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { Server } from "socket.io";
import { startRedis } from "../../packages/local-redis/src/index.ts";
import { createPresence } from "../../src/index.ts";
import { meterOver } from "./meter.ts";

/** Time to register and to begin to follow, ms. */
const SETTLED_MS = 5_000;

/** Commands of `nodes` servers during `seconds`. `heard`: each has a listener. */
export async function idlePresences(nodes: number, heard: boolean, seconds: number): Promise<number> {
  await using server = await startRedis();
  const redis = new Redis(server.url);
  const presences = Array.from({ length: nodes }, () => {
    const presence = createPresence(new Server(), { redis: server.url, user: () => null });
    return heard ? presence.on("online", () => {}) : presence;
  });
  await Promise.all(presences.map((presence) => presence.ready));
  await delay(SETTLED_MS);
  const cost = await meterOver(redis)(() => delay(1_000 * seconds));
  await Promise.all(presences.map((presence) => presence.close()));
  redis.disconnect();
  return cost;
}
