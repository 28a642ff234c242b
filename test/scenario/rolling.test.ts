/**
 * Goal: in a rolling deploy nobody goes offline with `grace`, and everybody is counted at its end.
 * Method: servers replaced one after the other under clients that reconnect; a server without clients hears what all would.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Socket } from "socket.io-client";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { connect, startNode, type TestNode } from "../../rig/node.ts";
import { untilEqual } from "../../rig/until.ts";
import { newPrefix } from "../unit/http/support.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

const USERS = Array.from({ length: 20 }, (_, i) => `user-${i}`);
const ROUNDS = 3;

it.each([
  ["nobody goes offline with a grace", 30_000, 0],
  ["each goes offline and comes back once a server without it", 0, USERS.length * ROUNDS],
])("%s", async (_, grace, departures) => {
  const options = { redis: server.url, prefix: newPrefix(), grace };
  await using witness = await startNode(options);
  let current: TestNode = await startNode(options);
  const open = new Map<string, Socket>();
  const arrive = async (user: string) => void open.set(user, await connect(current.url, user));
  await Promise.all(USERS.map(arrive));
  await untilEqual(() => witness.heard.length, USERS.length);

  for (let round = 1; round <= ROUNDS; round++) {
    const old = current;
    current = await startNode(options);
    const left = [...open.values()].map((socket) => new Promise((resolve) => socket.once("disconnect", resolve)));
    await old.close();
    await Promise.all(left);
    if (grace === 0) await untilEqual(() => witness.heard.filter((line) => line.startsWith("-")).length, round * USERS.length);
    await Promise.all(USERS.map(arrive));
    await untilEqual(async () => (await witness.presence.counts()).sockets, USERS.length);
  }
  const lines = (sign: string) => witness.heard.filter((line) => line.startsWith(sign));
  await untilEqual(() => lines("+").length, USERS.length + departures);
  expect(lines("-")).toHaveLength(departures);
  expect((await witness.presence.lookup(USERS)).users.filter(({ online }) => !online)).toEqual([]);
  expect(await witness.presence.counts()).toMatchObject({ users: USERS.length, sockets: USERS.length });
  for (const socket of open.values()) socket.disconnect();
  await current.close();
}); // prettier-ignore
