/**
 * Goal: a failure while a stream is followed has the right code: INTERNAL for a bug, REDIS_UNAVAILABLE for a lost Redis.
 * Method: a real Redis behind a proxy; a listener that throws; a proxy that refuses connections.
 */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { tail } from "../../../src/follow/tail.ts";
import { startRedis } from "../../../rig/redis.ts";
import { startProxy } from "../../../rig/proxy.ts";
import { until } from "../../../rig/until.ts";

it("a bug is INTERNAL, a lost Redis is REDIS_UNAVAILABLE, and reading continues after both", async () => {
  const server = await startRedis();
  const redis = new Redis(server.url);
  const proxy = await startProxy(server);
  const states: (string | null)[] = [];
  const came: string[] = [];
  const follower = tail({
    redis: proxy.url,
    streams: ["s"],
    onEntries(_, entries) {
      came.push(...entries.map(({ fields }) => fields[1]!));
      if (came.at(-1) === "bug") throw new TypeError("a bug");
    },
    onState: (error) => states.push(error === null ? null : error.code),
  });
  try {
    await follower.ready;
    await redis.xadd("s", "*", "name", "bug");
    await until("the bug is reported", () => states.length > 0);
    await redis.xadd("s", "*", "name", "after");
    await until("reading goes on", () => came.includes("after"));
    proxy.refuse = true;
    proxy.cut();
    await until("the loss is reported", () => states.length > 2);
    proxy.refuse = false;
    await redis.xadd("s", "*", "name", "last");
    await until("reading goes on", () => came.includes("last"));
    expect(states.slice(0, 3)).toEqual(["INTERNAL", null, "REDIS_UNAVAILABLE"]);
    expect(came).toEqual(["bug", "after", "last"]);
  } finally {
    await follower.close();
    await proxy.close();
    redis.disconnect();
    await server.stop();
  }
});
