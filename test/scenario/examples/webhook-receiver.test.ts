/**
 * Goal: the receiver of docs/webhooks.md takes what createWebhook sends, by itself and in batches, once; and refuses everything else.
 * Method: it, over a real Redis, in front of a webhook that is told that it has failed.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { receiver } from "../../../examples/webhook-receiver.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { createWebhook } from "../../../src/index.ts";
import { Crowd } from "../../unit/subscriber/support.ts";
import { newSecret } from "../../unit/webhooks/support.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

it.each([1, 10])("each change is printed once, with %i in a request at most", async (batch) => {
  const secret = newSecret();
  const lines: string[] = [];
  const http = receiver(secret, (line) => void lines.push(line));
  // Its answer is lost the first time.
  let losses = 1;
  http.prependListener("request", (_, response) => {
    if (losses-- > 0) response.writeHead = () => response.destroy();
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const crowd = new Crowd(server.url);
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  const hook = (secrets: string[], name: string) =>
    createWebhook({
      redis: server.url,
      prefix: crowd.prefix,
      name,
      url,
      secrets,
      batch,
      allow: ["127.0.0.1"],
      retries: [0, 0],
      logger: false,
    });
  await using good = hook([newSecret(), secret], "good");
  await using bad = hook([newSecret()], "bad");
  try {
    await good.deliver();
    await bad.deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("~alice");
    while (!(await bad.deliver()).idle);
    expect(await bad.deadLetters.count()).toBe(3);
    expect(lines).toEqual([]);
    losses = 1;
    while (!(await good.deliver()).idle);
    expect(lines).toEqual(["user.online alice", "user.online bob", "user.offline alice"]);
    expect(await good.deadLetters.count()).toBe(0);
  } finally {
    await crowd.close();
    http.closeAllConnections();
    http.close();
  }
});
