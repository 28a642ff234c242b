/**
 * Goal: the recipes that run several processes, or have to be built first, count everybody once: when a worker is killed, while PM2
 * reloads, and in the namespaces of Nest's gateways.
 * Method: each by its one command, with real clients; PM2 is the real one, with a daemon of its own.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from "vitest";
import { createReader } from "../../../src/index.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { EXAMPLES, PATIENT, startExample, tab } from "./support.ts";

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});
beforeEach(() => client.flushdb());
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

const require = createRequire(import.meta.url);
const PM2 = require.resolve("pm2/bin/pm2");

const RECONNECT = { reconnectionDelay: 50, reconnectionDelayMax: 100 };

interface Online {
  readonly online: string[];
  readonly workers: { pid: number; sockets: number }[];
  readonly instances: number[];
}
const onlineOf = async (url: string): Promise<Online> =>
  (await fetch(`${url}/online`)).json() as Promise<Online>;

it(
  "node-cluster: a killed worker is replaced, and its users are online again or offline",
  PATIENT,
  async () => {
    const { url, says, lines, stop } = await startExample("node-cluster/main.ts", redis.url, {
      WORKERS: "2",
    });
    const polling = { transports: ["polling"], ...RECONNECT };
    const tabs = [
      await tab(url, "alice", polling),
      await tab(url, "bob", polling),
      await tab(url, "carol", polling),
    ];
    await untilEqual(async () => (await onlineOf(url)).online, ["alice", "bob", "carol"]);
    const line = await says(/^worker \d+: carol is online \(connect\)$/);
    const busiest = (await onlineOf(url)).workers.toSorted((a, b) => b.sockets - a.sockets)[0]!;
    expect(busiest.sockets).toBe(2);
    tabs[2]!.io.reconnection(false);

    process.kill(busiest.pid, "SIGKILL");
    await says(`worker ${busiest.pid} died (SIGKILL), another is started`);
    const hers = tabs.filter(({ io }) => io.reconnection());
    await until("they are back", () => hers.every(({ connected }) => connected));
    tabs[2]!.disconnect();
    await untilEqual(
      async () => {
        const { online, workers } = await onlineOf(url);
        return {
          online,
          workers: workers.length,
          sockets: workers.reduce((sum, { sockets }) => sum + sockets, 0),
        };
      },
      { online: ["alice", "bob"], workers: 2, sockets: 2 },
    );
    expect(line).toContain("carol");
    expect(lines.filter((one) => one.includes("error"))).toEqual([]);
    expect(await stop()).toBe(0);
  },
);

it(
  "nestjs: gateways of two namespaces share a presence, and rooms are counted in theirs",
  PATIENT,
  async () => {
    const reader = createReader({ redis: redis.url });
    onTestFinished(() => reader.close());
    const folder = join(EXAMPLES, "nestjs");
    const npm = spawn("npm", ["--prefix", folder, "run", "build"], { stdio: "inherit" });
    expect(await once(npm, "exit")).toEqual([0, null]);
    const { url, stop } = await startExample("nestjs/dist/main.js", redis.url);
    const ask = async (path: string) => (await fetch(url + path)).json() as Promise<unknown>;
    const alice = await tab(url, "alice");
    const heard: string[] = [];
    for (const event of ["connected", "disconnected"])
      alice.on(`user has ${event}`, (user: string) => user === "bob" && heard.push(`${event} ${user}`));
    const bob = await tab(`${url}/chat`, "bob");
    expect(await bob.emitWithAck("join", "news")).toBe("joined");
    expect(await bob.emitWithAck("join", "")).toBe("no such room");
    await untilEqual(() => ask("/online"), { online: ["alice", "bob"] });
    await untilEqual(() => ask("/rooms/news"), { users: 1, sockets: 1 });
    expect(await ask("/rooms/other")).toEqual({ users: 0, sockets: 0 });
    bob.disconnect();
    await untilEqual(() => heard, ["connected bob", "disconnected bob"]);
    await untilEqual(() => ask("/online"), { online: ["alice"] });
    expect(await stop()).toBeNull(); // once all is closed, Nest sends itself the signal again
    expect((await reader.processes()).processes).toEqual([]); // one that is killed stays until its lease ends
  },
);

it("pm2: a reload replaces every instance, and nobody goes offline", PATIENT, async () => {
  const home = await mkdtemp(join(tmpdir(), "rollcall-pm2-"));
  const port = await freePort();
  const env = { ...process.env, PM2_HOME: home, REDIS_URL: redis.url, PORT: String(port), INSTANCES: "2" };
  const pm2 = (...args: string[]) =>
    promisify(execFile)(process.execPath, [PM2, ...args, "--no-color"], { env, timeout: 60_000 });
  onTestFinished(async () => {
    await pm2("kill");
    await rm(home, { recursive: true, force: true });
  });
  await pm2("start", join(EXAMPLES, "pm2/ecosystem.config.cjs"));
  const url = `http://127.0.0.1:${port}`;
  const { instances: first } = await onlineOf(url);
  expect(first).toHaveLength(2);
  const alice = await tab(url, "alice", RECONNECT);
  const bob = await tab(url, "bob", RECONNECT);
  await untilEqual(async () => (await onlineOf(url)).online, ["alice", "bob"]);
  const heard: string[] = [];
  for (const one of [alice, bob])
    for (const event of ["user has connected", "user has disconnected"])
      one.on(event, (user: string) => heard.push(`${event}: ${user}`));
  let drops = 0;
  for (const one of [alice, bob]) one.on("disconnect", () => drops++);

  await pm2("reload", "rollcall-example");
  await until("both have been moved", () => drops >= 2 && alice.connected && bob.connected);
  const { online, instances: second } = await onlineOf(url);
  expect(online).toEqual(["alice", "bob"]);
  expect(second).toHaveLength(2);
  expect(second.filter((pid) => first.includes(pid))).toEqual([]);
  expect(heard).toEqual([]);
});

/** PM2 passes PORT on, so it cannot be 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
