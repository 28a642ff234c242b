/**
 * Goal: the examples that count clients print the right numbers, on one server and on several, after a crash too.
 * Method: each as a process, with the clients of Socket.IO's own explanation: one in the main namespace, one in another, one in both over one
 * connection.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it(
  "count-clients.ts: connections, namespaces and a room, the same as Socket.IO has in memory",
  PATIENT,
  async () => {
    const server = await startExample("count-clients.ts", redis.url);
    await server.says("connections 0 (0), main namespace 0 (0), /chat 0 (0), room news 0 (0)");
    const a = await tab(server.url);
    await tab(`${server.url}/chat`);
    const c = await tab(server.url);
    c.io.socket("/chat"); // it connects by itself, and again would be a second socket
    a.emit("read the news");
    await server.says("connections 3 (3), main namespace 2 (2), /chat 2 (2), room news 1 (1)");
    a.disconnect();
    await server.says("connections 2 (2), main namespace 1 (1), /chat 2 (2), room news 0 (0)");
    expect(await server.stop()).toBe(0);
  },
);

it(
  "count-clients-cluster.ts: every server has the numbers of all, and a killed one is no longer counted",
  PATIENT,
  async () => {
    const a = await startExample("count-clients-cluster.ts", redis.url);
    const b = await startExample("count-clients-cluster.ts", redis.url);
    const [onA, onB] = [await tab(a.url), await tab(b.url)];
    const chat = await tab(`${b.url}/chat`);
    onA.emit("read the news");
    onB.emit("read the news");
    const all = "connections 3, / 2, /chat 1, news 2; sockets of each server: 1, 2";
    await Promise.all([a.says(all), b.says(all)]);
    // What is left must not come back to it.
    for (const client of [onB, chat]) client.io.reconnection(false);
    b.kill("SIGKILL");
    await a.says("connections 1, / 1, /chat 0, news 1; sockets of each server: 1");
    expect(await a.stop()).toBe(0);
  },
);
