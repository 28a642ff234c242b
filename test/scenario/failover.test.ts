/**
 * Goal: a primary that is demoted and keeps its connections, as managed services do, is left for the new one, and nobody who
 * stayed is told offline; a primary that refuses writes for a while does not cost anybody either.
 * Method: a primary and a replica behind one address; the address then leads to the other, for new connections only.
 */
import { Redis } from "ioredis";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { Crowd, names } from "../../rig/crowd.ts";
import { type Proxy, startProxy } from "../../rig/proxy.ts";
import { until } from "../../rig/until.ts";
import { createProjector, type LoopProjector } from "../../src/index.ts";

const TTL_MS = 60_000;

let servers: RedisServer[];
let admins: Redis[];
let target: { port: number; url: string };
let address: Proxy;
let crowd: Crowd;
let worker: LoopProjector | undefined;

beforeEach(async () => {
  servers = [await startRedis()];
  const { port } = servers[0]!;
  servers.push(
    await startRedis({ args: ["--replicaof", "127.0.0.1", String(port), "--repl-diskless-sync-delay", "0"] }),
  );
  admins = servers.map(({ url }) => new Redis(url));
  await until("the replica is in step", async () =>
    (await admins[1]!.info("replication")).includes("link_status:up"),
  );
  target = { port, url: servers[0]!.url };
  address = await startProxy(target);
  crowd = new Crowd();
});
afterEach(async () => {
  await crowd[Symbol.asyncDispose]();
  await worker?.close();
  worker = undefined;
  await address.close();
  for (const admin of admins) admin.disconnect();
  await Promise.all(servers.map((server) => server.stop()));
});

/** The replica becomes the primary, and the primary its replica. Nothing is closed. */
async function failOver(): Promise<void> {
  const [old, next] = admins as [Redis, Redis];
  await next.call("REPLICAOF", "NO", "ONE");
  target.port = servers[1]!.port;
  await old.call("REPLICAOF", "127.0.0.1", String(target.port));
}

const killed = async (redis: Redis) =>
  Number(/clients_killed:(\d+)/.exec(await redis.info("stats"))?.[1] ?? 0);

it.each([
  ["a URL", (url: string) => url],
  ["a client", (url: string) => new Redis(url, { lazyConnect: true })],
])("%s: a demoted primary is left, and the counts, lists and events are exact", async (_, inputOf) => {
  const redis = inputOf(address.url);
  for (let i = 0; i < 2; i++) await crowd.start({ redis, prefix: "p", ttl: TTL_MS, heartbeat: 500 });
  await crowd.come(names(0, 20));
  await crowd.agrees();
  const before = await killed(admins[0]!);
  await failOver();
  crowd.go(names(0, 5));
  await crowd.come(names(20, 30));
  await crowd.agrees();
  crowd.go(names(5, 10));
  await crowd.agrees();
  crowd.stayed(crowd.present);
  expect(await killed(admins[0]!)).toBe(before);
  const codes = crowd.nodes.flatMap(({ errors }) => errors.map(({ code }) => code));
  expect(new Set(codes)).toEqual(new Set(["REDIS_UNAVAILABLE"]));
});

it("a projector's run leaves it too", async () => {
  await crowd.start({ redis: address.url, prefix: "p", ttl: TTL_MS, heartbeat: 500, project: false });
  await using projector = createProjector({
    redis: address.url,
    prefix: "p",
    logger: { info() {}, warn() {}, error() {} },
  });
  const running = projector.run();
  await crowd.come(names(0, 10));
  await crowd.agrees();
  await failOver();
  crowd.go(names(0, 5));
  await crowd.come(names(10, 20));
  await crowd.agrees();
  crowd.stayed(crowd.present);
  await projector.close();
  await running;
});

it.each(["the servers", "a worker"])(
  "a Redis at maxmemory: reads go on, and nobody is told offline, with %s projecting",
  async (who) => {
    for (let i = 0; i < 2; i++) {
      const project = who === "the servers";
      await crowd.start({ redis: servers[0]!.url, prefix: "p", ttl: 1_500, heartbeat: 300, project });
    }
    if (who === "a worker") {
      worker = createProjector({ redis: servers[0]!.url, prefix: "p" });
      void worker.run();
    }
    await crowd.come(names(0, 20));
    await crowd.agrees();
    await admins[0]!.config("SET", "maxmemory", "1");
    await until("the writes are refused", () => crowd.nodes.every(({ errors }) => errors.length > 0));
    await until("every lease has expired", async () => {
      const leases = await admins[0]!.zrange("{p}:processes", "0", "-1", "WITHSCORES");
      return leases.length === 4 && [1, 3].every((i) => Number(leases[i]) + 500 < Date.now());
    });
    // MULTI is refused now.
    for (const { presence } of crowd.nodes) expect(typeof (await presence.counts()).users).toBe("number");
    expect(crowd.nodes[0]!.errors.map(({ message }) => message).join()).toContain("OOM");
    await admins[0]!.config("SET", "maxmemory", "0");
    crowd.go(names(0, 5));
    await crowd.come(names(20, 30));
    await crowd.agrees();
    crowd.stayed(crowd.present);
  },
);
