/** Getting to a Redis, or the first cause why not. */
import { Cluster } from "ioredis";
import { PresenceError } from "../core/errors.ts";
import { connect, type Connection } from "../redis/connect.ts";
import { type IoRedis, ioredisPort } from "../redis/ioredis.ts";
import type { PipelinePort, ReadPort } from "../redis/port.ts";
import { upstashReadPort, upstashWritePort } from "../redis/upstash.ts";
import type { Ask } from "./ask.ts";

interface WhereRedis {
  readonly url: string;
  readonly cluster: boolean;
  readonly timeout: number;
}

interface WhereRest {
  readonly rest: { readonly url: string; readonly token: string };
  readonly timeout: number;
}

/** Where to look. */
export type Where = WhereRedis | WhereRest;

/** A Redis that answers. */
export interface Reached {
  readonly over: "redis" | "rest";
  /** Without a password. */
  readonly address: string;
  /** Whom the connection logs in as. */
  readonly user: string;
  /** Keyed commands of one shard, or commands without keys. */
  readonly ask: Ask;
  /** Each server by itself: of a Cluster its masters. */
  readonly servers: readonly { readonly address: string; readonly ask: Ask }[];
  readonly read: ReadPort;
  /** Why Rollcall would refuse this server, although it answers. */
  readonly refused: PresenceError | undefined;
  close(): void;
}

/**
 * Rejects with PresenceError REDIS_UNAVAILABLE, whose message has the first cause and never a password, and with OPTIONS_INVALID for
 * what is no URL of a Redis.
 */
export async function reach(where: Where): Promise<Reached> {
  return "rest" in where ? reachRest(where) : reachRedis(where);
}

async function reachRedis({ url, cluster, timeout }: WhereRedis): Promise<Reached> {
  const connection = opened(url, cluster, timeout);
  let refused: PresenceError | undefined;
  try {
    await withDeadline(connection.ready(), timeout, String(connection.place.address));
  } catch (error) {
    const isAnswered = error instanceof PresenceError && (error.code === "REDIS_TOO_OLD" || /Sentinel/.test(error.message));
    if (!isAnswered) {
      connection.close();
      throw error;
    }
    // It answers, so it can be asked what it is: a Sentinel, for one, has none of the commands.
    refused = error;
  }
  const raw = ioredisPort(connection.client);
  const port = refused === undefined ? connection.port : raw;
  const address = connection.place.address ?? "?";
  const nodes = connection.client.nodes?.("master");
  const servers = nodes?.map((node) => ({ address: addressOf(node), ask: askOf(ioredisPort(node as IoRedis)) }));
  return {
    over: "redis",
    address,
    user: connection.user,
    ask: askOf(port),
    servers: servers ?? [{ address, ask: askOf(port) }],
    read: port,
    refused,
    close: () => connection.close(),
  };
} // prettier-ignore

const askOf =
  (port: PipelinePort): Ask =>
  (commands) =>
    port.pipeline(commands);

function opened(url: string, cluster: boolean, timeout: number): Connection {
  const own = { timeout, name: "rollcall-doctor" };
  if (!cluster || !URL.canParse(url)) return connect(url, own);
  const { hostname, port, protocol, username, password } = new URL(url);
  const given = new Cluster([{ host: hostname, port: Number(port || 6379) }], {
    lazyConnect: true,
    redisOptions: {
      ...(username !== "" && { username: decodeURIComponent(username) }),
      ...(password !== "" && { password: decodeURIComponent(password) }),
      ...(protocol === "rediss:" && { tls: {} }),
    },
  });
  return connect(given, own);
}

function addressOf(node: object): string {
  const { options } = node as { options?: { host?: string; port?: number } };
  return `${options?.host ?? "?"}:${options?.port ?? 6379}`;
}

/** A server that is loading its data accepts connections and is not ready; so is one that is stuck. */
async function withDeadline(ready: Promise<void>, timeout: number, address: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const why = "no answer in time: it may be loading its data or be stuck, or a firewall is in between";
      reject(
        new PresenceError("REDIS_UNAVAILABLE", `cannot connect to Redis at ${address}: ETIMEDOUT: ${why}`, {
          details: { address, reason: "ETIMEDOUT" },
        }),
      );
    }, timeout + 1_000);
  });
  try {
    await Promise.race([ready, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function reachRest({ rest, timeout }: WhereRest): Promise<Reached> {
  const { upstashClient } = await import("../edge/upstash.ts");
  const client = upstashClient(rest);
  const address = URL.canParse(rest.url) ? new URL(rest.url).host : "a URL that cannot be read";
  // The route takes any command; the types of the port say what the projector sends.
  const port: PipelinePort = upstashWritePort(client);
  const ask = askOf(port);
  try {
    await withDeadline(ask([["PING"]]).then(() => {}), timeout, address);
  } catch (error) {
    const reason = reasonOf(error);
    const why =
      reason === "WRONGPASS"
        ? "WRONGPASS: the token is wrong"
        : `${reason ?? "no answer"}: check that the URL is that of its REST API`;
    throw new PresenceError("REDIS_UNAVAILABLE", `cannot reach the REST API at ${address}: ${why}`, {
      cause: error,
      details: { address, reason: reason === "WRONGPASS" ? "TOKEN" : reason },
    });
  }
  return {
    over: "rest",
    address,
    user: "default",
    ask,
    servers: [{ address, ask }],
    read: upstashReadPort(client),
    refused: undefined,
    close() {},
  };
} // prettier-ignore

/** The first thing that the error or one of its causes is called by: `WRONGPASS`, `ECONNREFUSED`. */
function reasonOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof PresenceError && error.details.reason !== undefined) return error.details.reason;
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && /^E[A-Z]+$/.test(code)) return code;
  return reasonOf(error.cause);
}
