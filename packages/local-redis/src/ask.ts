import { Redis } from "ioredis";

const CONNECT_TIMEOUT_MS = 5_000;

/** Reads a server's engine and process id over a temporary connection, which is always closed. */
export async function askRedis(url: string): Promise<{ engine: string; pid: number }> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    protocol: 2,
  });
  let reason: unknown;
  client.on("error", (error) => (reason = error));
  try {
    await client.connect();
    await client.ping();
    const info = await client.info("server");
    const field = (name: string) => new RegExp(`^${name}:(.*?)\r?$`, "m").exec(info)?.[1];
    const valkey = field("valkey_version");
    return {
      engine: valkey === undefined ? `redis ${field("redis_version") ?? "unknown"}` : `valkey ${valkey}`,
      pid: Number(field("process_id")),
    };
  } catch (error) {
    throw reason ?? error;
  } finally {
    // On a connection that has already ended, disconnect() would start a timer of 2 s.
    if (client.status !== "end") client.disconnect();
  }
}
