/**
 * Goal: pages that follow presence over Socket.IO alone show what is true, whatever comes and goes while they list, drop and come back.
 * Method: the example runs as two processes on one Redis; pages run its client; churn from a seed.
 */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { Socket } from "socket.io-client";
import { watch } from "../../../examples/presence-in-a-page-client.ts";
import { Random } from "../../../rig/random.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const seed = process.env["ROLLCALL_TEST_SEED"] ?? `page-${Date.now()}`;

it(`presence-in-a-page.ts: each page shows what is true, seed ${seed}`, PATIENT, async () => {
  const random = new Random(seed);
  const servers = [
    await startExample("presence-in-a-page.ts", redis.url),
    await startExample("presence-in-a-page.ts", redis.url),
  ];
  const users = Array.from({ length: 12 }, (_, i) => `u${i}`);
  const present = new Map<string, Socket>();
  const pages: { readonly socket: Socket; readonly ids: readonly string[]; shown: string[] }[] = [];
  for (let i = 0; i < 4; i++) {
    const socket = await tab(servers[i % 2]!.url);
    const page = { socket, ids: users.slice(i, i + 8), shown: [] as string[] };
    onTestFinished(watch(socket, page.ids, (online) => void (page.shown = [...online].sort())));
    pages.push(page);
  }
  for (let step = 0; step < 60; step++) {
    const user = random.pick(users);
    const socket = present.get(user);
    if (random.chance(0.25)) {
      // A page drops and comes back: it has missed what was told meanwhile.
      const page = random.pick(pages);
      const isDropped = random.chance(0.5);
      // An engine that is closed while it connects is only given up after Socket.IO's 20 s.
      if (isDropped && page.socket.connected) page.socket.io.engine.close();
      else page.socket.disconnect().connect();
    } else if (socket === undefined) present.set(user, await tab(random.pick(servers).url, user));
    else {
      socket.disconnect();
      present.delete(user);
    }
    if (step % 20 === 19)
      await untilEqual(
        () => pages.map(({ shown }) => shown),
        pages.map(({ ids }) => ids.filter((id) => present.has(id)).sort()),
      );
  }
  expect(present.size).toBeGreaterThan(0);
  expect(await Promise.all(servers.map((server) => server.stop()))).toEqual([0, 0]);
});

it("a page that names too many, or no ids, gets no answer", PATIENT, async () => {
  const server = await startExample("presence-in-a-page.ts", redis.url);
  const socket = await tab(server.url);
  for (const ids of [undefined, "alice", [1], [""], Array.from({ length: 101 }, (_, i) => `u${i}`)])
    await expect(socket.timeout(100).emitWithAck("watch", ids)).rejects.toThrow("timed out");
  expect(await socket.timeout(5_000).emitWithAck("watch", ["alice"])).toEqual([]);
  expect(await server.stop()).toBe(0);
});
