/**
 * Goal: the example that acts on the sockets of a user reaches all of them, from any server, and nobody else's.
 * Method: two processes, tabs of one user on both, asked over HTTP.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it("sockets-of-a-user.ts: where they are, a notice to all, a room, the end", PATIENT, async () => {
  const a = await startExample("sockets-of-a-user.ts", redis.url);
  const b = await startExample("sockets-of-a-user.ts", redis.url);
  const ask = async (route: string) => (await fetch(`${b.url}${route}`)).text();

  const tabs = [await tab(a.url, "alice"), await tab(a.url, "alice"), await tab(b.url, "alice")];
  const bob = await tab(a.url, "bob");
  for (const one of tabs) one.on("notice", (_: string, received: () => void) => received());
  await until("counted on both", async () =>
    /: (2 on \S+, 1 on|1 on \S+, 2 on) /.test(await ask("/where?user=alice")),
  );
  // The adapters have to find each other first.
  await untilEqual(() => ask("/notify?user=alice"), "alice: 3 received it\n");
  expect(await ask("/join?user=alice")).toBe("alice: joining\n");
  expect(await ask("/where?user=nobody")).toBe("nobody: nowhere\n");
  expect(await ask("/where?user=")).toMatch(/^PresenceError: /);

  expect(await ask("/disconnect?user=alice")).toBe("alice: being disconnected\n");
  await untilEqual(() => tabs.map(({ connected }) => connected), [false, false, false]);
  await untilEqual(() => ask("/where?user=alice"), "alice: nowhere\n");
  expect(bob.connected).toBe(true);
  expect(await Promise.all([a.stop(), b.stop()])).toEqual([0, 0]);
});
