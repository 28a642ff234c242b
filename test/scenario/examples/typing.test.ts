/**
 * Goal: the recipe for typing indicators shows who is typing and never for longer than it should.
 * Method: two processes and tabs with its client: typing crosses servers, expires by itself, ends with a message, and with a killed server.
 */
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { Typing } from "../../../examples/typing/client.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it("typing: shown on every server, forgotten when it ends in any way", PATIENT, async () => {
  const [a, b] = await Promise.all([
    startExample("typing/server.ts", redis.url),
    startExample("typing/server.ts", redis.url),
  ]);
  const shown: string[] = [];
  const one = async (url: string, user: string) => {
    const socket = await tab(url, user);
    const typing = new Typing(socket, (users) => void (user === "alice" && shown.push(users.join(","))));
    onTestFinished(() => typing.close());
    return { socket, typing };
  };
  await one(a.url, "alice");
  const bob = await one(b.url, "bob");
  const carol = await one(b.url, "carol");

  // Events are volatile, and the servers have to find each other first.
  await untilEqual(() => {
    bob.typing.press();
    return shown;
  }, ["bob"]);
  await untilEqual(() => shown, ["bob", ""]); // he has stopped, and nobody said so
  bob.typing.press();
  await untilEqual(() => shown, ["bob", "", "bob"]);
  bob.typing.send("hello");
  await untilEqual(() => shown, ["bob", "", "bob", ""]);

  const start = shown.length;
  await untilEqual(() => {
    bob.typing.press();
    carol.typing.press();
    return shown.slice(start).at(-1);
  }, "bob,carol");
  carol.socket.disconnect(); // closed in the middle of a word: told at once, before it expires
  const told = performance.now();
  await untilEqual(() => {
    bob.typing.press();
    return shown.at(-1);
  }, "bob");
  expect(performance.now() - told).toBeLessThan(2_900);
  bob.socket.io.reconnection(false);
  b.kill("SIGKILL");
  await untilEqual(() => shown.at(-1), "");
  expect(await a.stop()).toBe(0);
});
