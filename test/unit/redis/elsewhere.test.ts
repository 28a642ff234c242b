/**
 * Goal: a reply that means "another server" gives the connection up, whatever the code and however it arrives; any other refusal keeps it.
 * Method: a real Redis, whose EVAL answers with each error; the id of the connection shows whether it is a new one.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { until } from "../../../rig/until.ts";
import { connect, type Connection } from "../../../src/redis/connect.ts";
import type { Command } from "../../../src/redis/port.ts";

let server: RedisServer;
let connection: Connection;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  connection = connect(server.url, { timeout: 5_000, name: "elsewhere" });
  await connection.ready();
});
afterEach(() => connection.close());

const failing = (text: string): Command => ["EVAL", "return redis.error_reply(ARGV[1])", "0", text];
const id = () => connection.port.call(["CLIENT", "ID"]);
const ELSEWHERE = [
  "READONLY",
  "LOADING",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "UNBLOCKED",
  "TRYAGAIN",
  "MOVED",
  "ASK",
];
const HERE = ["OOM", "MISCONF", "NOREPLICAS", "BUSY", "WRONGTYPE", "ERR", "NOSCRIPT"];

describe("an answer that means another server", () => {
  it.each(ELSEWHERE)(
    "%s: the connection is closed, and the next command goes over a new one",
    async (code) => {
      const before = await id();
      await expect(connection.port.call(failing(`${code} said the server`))).rejects.toMatchObject({
        code: "REDIS_UNAVAILABLE",
        details: { reason: code },
      });
      await until("another connection", async () => (await id().catch(() => before)) !== before);
    },
  );

  it("one among the replies of a pipeline is enough", async () => {
    const before = await id();
    const replies = await connection.port.pipeline([["PING"], failing("READONLY now"), ["PING"]]);
    expect(replies).toMatchObject([
      "PONG",
      { message: expect.stringContaining("READONLY") as string },
      "PONG",
    ]);
    await until("another connection", async () => (await id().catch(() => before)) !== before);
  });
});

it.each(HERE)("%s is no reason to leave", async (code) => {
  const before = await id();
  await expect(connection.port.call(failing(`${code} said the server`))).rejects.toBeInstanceOf(Error);
  expect(await id()).toBe(before);
});
