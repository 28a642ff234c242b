/**
 * The ports over an ioredis client or Cluster, version 5 or 6, RESP2 or RESP3.
 */
import type { Cluster, Redis } from "ioredis";
import { redisError } from "./errors.ts";
import { type Command, type PipelinePort, type ReadPort, type Reply, ReplyError } from "./port.ts";

export type IoRedis = Redis | Cluster;

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
