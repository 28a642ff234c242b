/** A real Sentinel set in this process's care: a primary, two replicas, and three Sentinels that watch them. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../packages/local-redis/src/index.ts";
import { until } from "./until.ts";

const SENTINELS = 3;
const QUORUM = 2;
export const GROUP = "presence";

export interface SentinelNode {
  readonly server: RedisServer;
  /** A plain connection to it. */
  readonly redis: Redis;
}

export interface RedisSentinel extends AsyncDisposable {
  /** At first. */
  readonly primary: SentinelNode;
  readonly replicas: readonly SentinelNode[];
  readonly sentinels: readonly SentinelNode[];
  /** For `new Redis()`. */
  readonly options: { readonly sentinels: { host: string; port: number }[]; readonly name: string };
  /** The server that the Sentinels name as primary now, once it says so itself. */
  settled(): Promise<SentinelNode>;
  /** Ends all servers. Idempotent. */
  stop(): Promise<void>;
}

async function startOne(args: readonly string[], config?: string): Promise<SentinelNode> {
  const server = await startRedis({ args, ...(config !== undefined && { config }) });
  const redis = new Redis(server.url, {
    retryStrategy: () => 100,
    maxRetriesPerRequest: 0,
    enableReadyCheck: false,
    // One that is stopped does not answer.
    commandTimeout: 1_000,
  });
  redis.on("error", () => {});
  return { server, redis };
}

/** `downAfter`: after which silence a server counts as failed, ms. */
export async function startRedisSentinel(downAfter = 1_000): Promise<RedisSentinel> {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-sentinel-"));
  const data: SentinelNode[] = [];
  const sentinels: SentinelNode[] = [];
  const stop = async () => {
    for (const { redis } of [...sentinels, ...data]) redis.disconnect();
    // A server that is stopped would not hear SIGTERM.
    for (const { server } of data) {
      try {
        process.kill(server.pid, "SIGCONT");
      } catch {
        // It has been killed.
      }
    }
    await Promise.all([...sentinels, ...data].map(({ server }) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    data.push(await startOne(["--repl-diskless-sync-delay", "0"]));
    const primary = data[0]!;
    const follow = [
      "--repl-diskless-sync-delay",
      "0",
      "--replicaof",
      "127.0.0.1",
      String(primary.server.port),
    ];
    data.push(...(await Promise.all([startOne(follow), startOne(follow)])));
    await until("each replica is in step", async () => {
      const infos = await Promise.all(data.slice(1).map(({ redis }) => redis.info("replication")));
      return infos.every((info) => info.includes("master_link_status:up"));
    });
    for (let i = 0; i < SENTINELS; i++) sentinels.push(await startSentinel(directory, i, primary, downAfter));
    await until("the Sentinels know each other and the replicas", async () => {
      const known = await Promise.all(
        sentinels.map(async ({ redis }) => {
          const [others, replicas] = await Promise.all([
            redis.call("SENTINEL", "SENTINELS", GROUP) as Promise<unknown[]>,
            redis.call("SENTINEL", "REPLICAS", GROUP) as Promise<unknown[]>,
          ]);
          return others.length === SENTINELS - 1 && replicas.length === data.length - 1;
        }),
      );
      return known.every(Boolean);
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const settled = () =>
    until("the Sentinels agree on a primary that says it is one", async () => {
      const named = await Promise.all(
        sentinels.map(
          ({ redis }) => redis.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP) as Promise<string[]>,
        ),
      );
      const ports = new Set(named.map(([, port]) => Number(port)));
      const found = data.find(({ server }) => ports.size === 1 && ports.has(server.port));
      const info = await found?.redis.info("replication").catch(() => "");
      return info?.includes("role:master") === true ? found : undefined;
    });
  const options = {
    sentinels: sentinels.map(({ server }) => ({ host: "127.0.0.1", port: server.port })),
    name: GROUP,
  };
  return {
    primary: data[0]!,
    replicas: data.slice(1),
    sentinels,
    options,
    settled,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The same binary, which is a Sentinel by `--sentinel`. It keeps what it knows in its configuration file. */
async function startSentinel(
  directory: string,
  index: number,
  { server }: SentinelNode,
  downAfter: number,
): Promise<SentinelNode> {
  const file = join(directory, `sentinel-${index}.conf`);
  const lines = [
    `sentinel monitor ${GROUP} 127.0.0.1 ${server.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${GROUP} ${downAfter}`,
    `sentinel failover-timeout ${GROUP} 3000`,
  ];
  await writeFile(file, `${lines.join("\n")}\n`);
  return startOne(["--sentinel"], file);
}
