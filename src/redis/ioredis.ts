/**
 * The ports over an ioredis client or Cluster, version 5.4 to 6, RESP2 or RESP3.
 *
 * Clients are taken by their shape. An application may bring another version or copy of ioredis than the one that is
 * found from here, so neither its classes nor its types are ours to name.
 */
import { redisError } from "./errors.ts";
import { type Command, type PipelinePort, type ReadPort, type Reply, ReplyError } from "./port.ts";

/** An ioredis client or Cluster of any version from 5.4 on, as an application passes it. Only `duplicate` is called. */
export interface IoRedisClient {
  readonly status: string;
  readonly isCluster?: boolean;
  duplicate(...args: never[]): unknown;
  call(...args: never[]): unknown;
}

/** A connection of our own: what we use of ioredis. */
export interface IoRedis {
  readonly status: string;
  readonly isCluster?: boolean;
  call(name: string, ...args: string[]): Promise<unknown>;
  /** Queues commands; `exec` sends them in one round trip. */
  pipeline(): Batch;
  /** The same, as a transaction. */
  multi(): Batch;
  on(event: "ready" | "close" | "end" | "error", listener: () => void): unknown;
  on(event: "-node", listener: (node: object) => void): unknown;
  /** Of a Cluster alone: its connections. */
  nodes?(role: "all"): readonly object[];
  disconnect(): void;
}

interface Batch {
  call(name: string, ...args: string[]): unknown;
  exec(): Promise<Results>;
}

/**
 * RESP2's shape of a reply: under RESP3, members come paired with their scores, and maps can come as Map or object
 * (ioredis 6 with `replyMapping: "resp3"`).
 */
function toResp2(reply: unknown): Reply {
  if (reply === null || reply === undefined) return null;
  if (typeof reply === "string" || typeof reply === "number") return reply;
  if (typeof reply === "bigint" || typeof reply === "boolean") return Number(reply);
  if (reply instanceof Uint8Array) return new TextDecoder().decode(reply);
  if (reply instanceof Map) return [...reply].flat().map(toResp2);
  if (Array.isArray(reply)) return reply.map(toResp2);
  return Object.entries(reply).flat().map(toResp2);
}

type Results = [error: Error | null, result: unknown][] | null;

function toReplies(results: Results): (Reply | ReplyError)[] {
  if (results === null) throw new Error("the transaction was discarded");
  return results.map(([error, result]) => {
    if (error === null || error === undefined) return toResp2(result);
    // Only a server's word is a reply; a lost connection says so for every command of the batch.
    if (error.name === "ReplyError") return new ReplyError(error.message);
    throw error;
  });
}

export function ioredisPort(client: IoRedis): ReadPort & PipelinePort {
  return {
    async read(commands) {
      try {
        const transaction = client.multi();
        for (const [name, ...args] of commands) transaction.call(name, ...args);
        return toReplies(await transaction.exec());
      } catch (error) {
        throw redisError(error);
      }
    },
    async call([name, ...args]: Command) {
      try {
        return toResp2(await client.call(name, ...args));
      } catch (error) {
        throw redisError(error);
      }
    },
    async pipeline(commands) {
      try {
        const pipeline = client.pipeline();
        for (const [name, ...args] of commands) pipeline.call(name, ...args);
        return toReplies(await pipeline.exec());
      } catch (error) {
        throw redisError(error);
      }
    },
  };
}
