/**
 * Goal: a reconnect storm makes few records, bounded calls and bounded memory, and no user is reported offline.
 * Method: two recorders with 10,000 sockets each, which all drop and return, on the same node or the other; the projector's
 * replies are read on the way.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { keysOf } from "../../src/core/keys.ts";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { BUDGET } from "../../src/core/limits.ts";
import { resolveRecorderOptions } from "../../src/recorder/options.ts";
import { Recorder } from "../../src/recorder/recorder.ts";
import { connect, type Connection } from "../../src/redis/connect.ts";
import type { Reply, ReplyError } from "../../src/redis/port.ts";
import { untilEqual } from "../../rig/until.ts";

const SOCKETS = 10_000;
const GRACE_MS = 60_000;

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

/** A recorder whose pipelines are watched: units of work of each projector call, operations of each record. */
function watched(prefix: string) {
  const connection = connect(server.url, { timeout: 5_000, name: "storm" });
  const calls: number[] = [];
  const records: number[] = [];
  const note = (replies: readonly (Reply | ReplyError)[]) => {
    for (const reply of replies) {
      if (Array.isArray(reply) && reply.length === 13)
        calls.push(Number(reply[4]) + Number(reply[5]) + Number(reply[10]));
    }
  };
  const { port } = connection;
  const spied: Connection = {
    ...connection,
    port: {
      ...port,
      async call(command) {
        const reply = await port.call(command);
        note([reply]);
        return reply;
      },
      async pipeline(commands) {
        records.push(commands[0]!.filter((value) => value === "connect" || value === "disconnect").length);
        const replies = await port.pipeline(commands);
        note(replies);
        return replies;
      },
    },
  };
  const recorder = new Recorder({
    connection: spied,
    options: resolveRecorderOptions({ prefix, grace: GRACE_MS }),
    connections: () => 0,
    onError: (error) => {
      throw error;
    },
  });
  return { recorder, calls, records, close: async () => (await recorder.close(5_000), connection.close()) };
}

it("20,000 sockets drop and return without a change, within the budget of each call and in bounded memory", async () => {
  const nodes = [watched("storm"), watched("storm")];
  const keys = keysOf("storm", 0, 1);
  const user = (i: number) => `user-${i}`;
  const sockets = async () => Number(await redis.hget(keys.totals, "sockets"));
  for (let i = 0; i < 2 * SOCKETS; i++) nodes[i % 2]!.recorder.connect(user(i));
  await untilEqual(sockets, 2 * SOCKETS);
  const came = await redis.xlen(keys.changes);
  const before = await redis.xrevrange(keys.changes, "+", "-", "COUNT", 1);
  for (const node of nodes) node.records.splice(0);

  let largest = 0;
  // All drop, in slices, as the event loop would hand them out; a third returns to the other node.
  for (let slice = 0; slice < 20; slice++) {
    for (let i = slice * 1000; i < (slice + 1) * 1000; i++)
      nodes[i % 2]!.recorder.disconnect(user(i), "disconnect");
    await new Promise(setImmediate);
  }
  // Seen by Redis, so that every one of them was in grace.
  await untilEqual(sockets, 0);
  expect(await redis.zcard(keys.leaving)).toBe(2 * SOCKETS);
  for (let slice = 0; slice < 20; slice++) {
    for (let i = slice * 1000; i < (slice + 1) * 1000; i++)
      nodes[(i % 3 === 0 ? i + 1 : i) % 2]!.recorder.connect(user(i));
    largest = Math.max(largest, ...nodes.map(({ recorder }) => recorder.size));
    await new Promise(setImmediate);
  }
  await untilEqual(sockets, 2 * SOCKETS);

  expect(await redis.hlen(keys.users)).toBe(2 * SOCKETS);
  expect(await redis.xrevrange(keys.changes, "+", "-", "COUNT", 1)).toEqual(before);
  expect(await redis.xlen(keys.changes)).toBe(came);
  // At most the sockets it has and those it had.
  expect(largest).toBeLessThanOrEqual(2.5 * SOCKETS);
  for (const { calls, records } of nodes) {
    for (const units of calls) expect(units).toBeLessThanOrEqual(BUDGET);
    // A storm makes full records: far fewer than sockets.
    expect(records.length).toBeLessThan((2 * SOCKETS) / 20);
  }
  await Promise.all(nodes.map((node) => node.close()));
});
