/**
 * Goal: the example that counts users tells one user with several tabs from several users.
 * Method: it runs as two processes on one Redis, with tabs of one user on both.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it("count-users.ts: a user is online from the first tab anywhere to the last", PATIENT, async () => {
  const servers = [
    await startExample("count-users.ts", redis.url),
    await startExample("count-users.ts", redis.url),
  ];
  const [a, b] = servers as [(typeof servers)[0], (typeof servers)[0]];
  const both = (line: string) => Promise.all(servers.map((server) => server.says(line)));

  const bob = await tab(a.url, "bob");
  const heard: string[] = [];
  for (const event of ["user has connected", "user has disconnected"])
    bob.on(event, (user: string) => heard.push(`${event}: ${user}`));
  await both("user has connected: bob (connected: true); 1 online: bob");

  const first = await tab(a.url, "alice");
  await both("user has connected: alice (connected: true); 2 online: alice, bob");
  const second = await tab(b.url, "alice");
  await tab(b.url); // anonymous: no user
  first.disconnect();
  const carol = await tab(b.url, "carol");
  await both("user has connected: carol (connected: true); 3 online: alice, bob, carol");
  second.disconnect();
  await both("user has disconnected: alice (connected: false); 2 online: bob, carol");
  carol.disconnect();
  await both("user has disconnected: carol (connected: false); 1 online: bob");
  const story = ["connected: alice", "connected: carol", "disconnected: alice", "disconnected: carol"];
  await untilEqual(
    () => heard.filter((one) => !one.endsWith("bob")),
    story.map((one) => `user has ${one}`),
  );
  expect(await Promise.all(servers.map((server) => server.stop()))).toEqual([0, 0]);
});
