/**
 * Goal: a client that goes away, at whatever moment of the opening of its stream, leaves no place taken.
 * Method: raw connections to the real server, destroyed at each phase, more of them than there are places; Redis is held up so that
 * opening takes a while.
 */
import { setTimeout as pause } from "node:timers/promises";
import { it } from "vitest";
import { Redis } from "ioredis";
import { untilEqual } from "../../rig/until.ts";
import { createApp } from "../../src/http/app.ts";
import { createReader } from "../../src/reader/create.ts";
import { newPrefix, populate, TOKEN, useRedis } from "../unit/http/support.ts";
import { raw, served } from "../unit/node/served.ts";

const test = useRedis();
const PLACES = 4;

const requestFor = (path: string) =>
  `GET ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\naccept: text/event-stream\r\n\r\n`;

/** Statuses of `count` streams opened at once. */
async function statuses(port: number, path: string, count: number): Promise<number[]> {
  const clients = Array.from({ length: count }, () => raw(port));
  try {
    return await Promise.all(
      clients.map(async (client) => {
        client.socket.write(requestFor(path));
        return (await client.next({ head: true }))?.status ?? 0;
      }),
    );
  } finally {
    for (const { socket } of clients) socket.destroy();
  }
}

it.each(["/v1/counts", "/v1/changes", "/v1/changes?user=alice"])(
  "whoever goes away while %s opens gives the place back",
  async (path) => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, users: ["alice"] });
    const reader = createReader({ redis: test.server.url, prefix });
    const app = createApp({
      reader,
      tokens: [TOKEN],
      streams: { most: PLACES, perToken: PLACES },
      logger: false,
    });
    await using server = await served(app);
    const admin = new Redis(test.server.url);
    for (const wait of [0, 1, 5, 50, 400]) {
      if (wait > 0) await admin.client("PAUSE", 300, "ALL");
      const clients = Array.from({ length: 3 * PLACES }, () => raw(server.port));
      for (const { socket } of clients) socket.write(requestFor(path));
      await pause(wait);
      for (const { socket } of clients) socket.destroy();
      await Promise.all(clients.map(({ closed }) => closed));
      await untilEqual(
        async () => (await statuses(server.port, path, PLACES)).every((one) => one === 200),
        true,
      );
    }
    admin.disconnect();
    reader.close();
  },
);
