/**
 * Goal: every option of the application's client is decided in one table, and the connections that Rollcall opens obey it.
 * Method: the table is compared with the options in the declarations of the installed ioredis and @upstash/redis; then each option
 * is set to what would break Rollcall, and a process registers, counts and is read over a real Redis.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Cluster, type ClusterOptions, Redis, type RedisOptions } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import { connect, startNode } from "../../../rig/node.ts";
import { untilEqual } from "../../../rig/until.ts";
import { connect as open } from "../../../src/redis/connect.ts";
import {
  CLUSTER_OPTIONS,
  clusterSettings,
  REDIS_OPTIONS,
  redisSettings,
  type Rule,
} from "../../../src/redis/settings.ts";

const built = join(dirname(createRequire(import.meta.url).resolve("ioredis/package.json")), "built");

/** The names of the options in an interface of a declaration file: what is indented once and followed by `?:`. */
function declared(file: string, name: string): string[] {
  const text = readFileSync(join(built, file), "utf8");
  const from = text.search(new RegExp(`(interface|type) ${name}\\b`));
  expect(from, `${name} in ${file}`).toBeGreaterThan(-1);
  const body = text.slice(from, text.indexOf("\n}", from));
  return [...body.matchAll(/^ {4}(\w+)\?:/gm)].map(([, option]) => option!);
}

const missing = (names: readonly string[], rules: Readonly<Record<string, Rule>>) =>
  names.filter((name) => !(name in rules));

describe("the table", () => {
  it("has every option of a Redis client that the installed ioredis declares", () => {
    const names = [
      ...declared("redis/RedisOptions.d.ts", "CommonRedisOptions"),
      ...declared("utils/Commander.d.ts", "CommanderOptions"),
      ...declared("connectors/SentinelConnector/index.d.ts", "SentinelConnectionOptions"),
      ...declared("connectors/StandaloneConnector.d.ts", "StandaloneConnectionOptions"),
      "host",
      "port",
      "family",
      "path",
    ];
    expect(names.length).toBeGreaterThan(50);
    expect(missing(names, REDIS_OPTIONS)).toEqual([]);
    // By its types too.
    REDIS_OPTIONS satisfies Readonly<Record<keyof RedisOptions, Rule>>;
  });

  it("has every option of a Cluster", () => {
    const names = [
      ...declared("cluster/ClusterOptions.d.ts", "ClusterOptions"),
      ...declared("utils/Commander.d.ts", "CommanderOptions"),
    ];
    expect(names.length).toBeGreaterThan(20);
    expect(missing(names, CLUSTER_OPTIONS)).toEqual([]);
    CLUSTER_OPTIONS satisfies Readonly<Record<keyof ClusterOptions, Rule>>;
  });

  it("has the options that ioredis gives a default without declaring it", () => {
    expect(missing(Object.keys(new Redis({ lazyConnect: true }).options), REDIS_OPTIONS)).toEqual([]);
    expect(missing(Object.keys(new Cluster([1], { lazyConnect: true }).options), CLUSTER_OPTIONS)).toEqual(
      [],
    );
  });
});

const never = (): null => null;
const refuse = (): never => {
  throw new Error("called");
};

/** An option of a Redis client, at a value that would break Rollcall if it were taken over. */
const HOSTILE = {
  lazyConnect: true,
  enableOfflineQueue: true,
  enableAutoPipelining: true,
  autoPipeliningIgnoredCommands: ["ping"],
  maxRetriesPerRequest: null,
  autoResendUnfulfilledCommands: true,
  retryStrategy: never,
  reconnectOnError: refuse,
  keyPrefix: "app:",
  stringNumbers: true,
  replyMapping: "resp3",
  showFriendlyErrorStack: true,
  readOnly: true,
  monitor: true,
  commandTimeout: 1,
  blockingTimeout: 1,
  socketTimeout: 1,
  connectTimeout: 1,
  disconnectTimeout: 60_000,
  maxLoadingRetryTime: 60_000,
  autoResubscribe: true,
  enableReadyCheck: false,
  connectionName: "app",
  role: "slave",
  scripts: { evalsha: { lua: "return 1", numberOfKeys: 0 } },
} satisfies RedisOptions;

/** An option at another value than the default, which is taken over. */
const TAKEN = {
  db: 3,
  protocol: 2,
  keepAlive: 1_000,
  noDelay: false,
  family: 4,
  disableClientInfo: true,
  clientInfoTag: "app",
} satisfies RedisOptions;

describe("over a real Redis", () => {
  let server: RedisServer;
  let admin: Redis;
  let prefixes = 0;
  beforeAll(async () => {
    server = await startRedis();
    admin = new Redis(server.url);
    await admin.call("ACL", "SETUSER", "app", "on", ">secret", "+@all", "~*", "&*");
  });
  afterAll(async () => {
    await admin.quit();
    await server.stop();
  });

  /** A process registers, counts a client, hears of it, is read, and says goodbye. */
  async function works(client: Redis, db = 0): Promise<void> {
    const prefix = `o${prefixes++}`;
    const node = await startNode({ redis: client, prefix });
    try {
      const socket = await connect(node.url, "123");
      await untilEqual(() => node.heard, ["+123 connect"]);
      expect(await node.presence.counts()).toMatchObject({ users: 1, sockets: 1 });
      socket.disconnect();
      await untilEqual(() => node.heard, ["+123 connect", "-123 leave"]);
      expect(node.errors).toEqual([]);
      const names = (await admin.client("LIST")) as string;
      expect(names).toMatch(/name=rollcall .*\n/);
      expect(names).toMatch(new RegExp(`name=rollcall .* db=${db} `));
      await admin.select(db);
      expect(await admin.exists(`{${prefix}}:totals`)).toBe(1);
    } finally {
      await admin.select(0);
      await node.close();
      client.disconnect();
    }
  }

  it.each(Object.entries(HOSTILE))("%s is not taken over", async (name, value) => {
    expect(REDIS_OPTIONS[name as keyof RedisOptions].is).toBe("fixed");
    const client = new Redis({ port: server.port, lazyConnect: true, [name]: value });
    client.on("error", () => {});
    await works(client);
  });

  it("none of them is, all at once", async () => {
    const client = new Redis({ ...HOSTILE, port: server.port });
    client.on("error", () => {});
    await works(client);
  });

  it.each(Object.entries(TAKEN))("%s is taken over", async (name, value) => {
    expect(REDIS_OPTIONS[name as keyof RedisOptions].is).toBe("taken");
    const client = new Redis({ port: server.port, lazyConnect: true, [name]: value });
    const own = open(client, { timeout: 1_000, name: "own" });
    await own.ready();
    expect((own.client as unknown as Redis).options[name as keyof RedisOptions]).toBe(value);
    own.close();
    await works(client, name === "db" ? Number(value) : 0);
  });

  it("username and password are taken over", async () => {
    const client = new Redis({ port: server.port, lazyConnect: true, username: "app", password: "secret" });
    const own = open(client, { timeout: 1_000, name: "own" });
    expect(await own.port.call(["ACL", "WHOAMI"])).toBe("app");
    own.close();
    await works(client);
  });
});

const OWN = { timeout: 1_234, name: "own" };

it("every option that is fixed is passed on, to a Redis client and to a Cluster and its nodes", () => {
  const redis = new Redis({ ...HOSTILE, port: 1, ...redisSettings(OWN) });
  redis.on("error", () => {});
  for (const [name, rule] of Object.entries(REDIS_OPTIONS) as [keyof RedisOptions, Rule][]) {
    if (rule.is === "fixed" && rule.to(OWN) !== undefined)
      expect([name, redis.options[name]]).toEqual([name, rule.to(OWN)]);
  }
  redis.disconnect();
  const cluster = new Cluster([1], {
    scaleReads: "slave",
    maxRedirections: 0,
    retryDelayOnFailover: 0,
    clusterRetryStrategy: never,
    keyPrefix: "app:",
    shardedSubscribers: true,
    redisOptions: { ...HOSTILE, password: "secret" },
    lazyConnect: true,
  });
  const own = cluster.duplicate([], clusterSettings(OWN));
  own.on("error", () => {});
  for (const [name, rule] of Object.entries(CLUSTER_OPTIONS) as [keyof ClusterOptions, Rule][]) {
    if (rule.is === "fixed" && rule.to(OWN) !== undefined)
      expect([name, own.options[name]]).toEqual([name, rule.to(OWN)]);
  }
  expect(own.options.redisOptions).toMatchObject({
    password: "secret", lazyConnect: true, socketTimeout: 1_234, maxRetriesPerRequest: 0, keyPrefix: "", stringNumbers: false,
  }); // prettier-ignore
  own.disconnect();
});
