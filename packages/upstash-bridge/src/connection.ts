/**
 * The connections to Redis: one that is shared by all requests with the read-write token, one for those with the read-only
 * token, and one for each event stream.
 *
 * While Redis is unreachable, commands fail at once. Commands in flight fail when the connection closes, and their answer says
 * that their effect is unknown. The connection is restored automatically.
 */
import { Redis, type RedisOptions } from "ioredis";
import { boundedRequests } from "./bounded.ts";
import { BridgeError } from "./errors.ts";
import { createKeyLocking } from "./key-locking.ts";
import type { CheckedOptions } from "./options.ts";
import type { Reply } from "./reply.ts";
import { type Requests, requestsOver } from "./requests.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const RECONNECT_MAX_MS = 500;
/** How long closing a connection may take; also how long it can delay the end of the process. */
const DISCONNECT_TIMEOUT_MS = 100;

/** Settings of every connection of the bridge: RESP2 shapes, exact integers, no queue, no silent resend. */
function connectionOptions(commandTimeoutMs: number) {
  return {
    protocol: 2,
    stringNumbers: true,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    commandTimeout: commandTimeoutMs,
    retryStrategy: (attempt: number) => Math.min(attempt * 50, RECONNECT_MAX_MS),
  } satisfies RedisOptions;
}

export interface Connection extends Requests {
  /** For the read-only token: one request at a time, and the bytes of its replies are limited. */
  readonly reads: Requests;
  /** COMMAND, the table of this Redis's commands. Rejects with BridgeError. */
  commandTable(): Promise<Reply>;
  /** Another connection to the same Redis, not connected yet. It is not restored once it is lost. */
  dedicated(options?: RedisOptions): Redis;
  close(): void;
}

/** Connects. Rejects with BridgeError when Redis cannot be reached. */
export async function connect({
  redis,
  commandTimeoutMs,
  maxRequestBytes,
  logger,
}: CheckedOptions): Promise<Connection> {
  const client = new Redis(redis, connectionOptions(commandTimeoutMs));
  let lost = false;
  let failure: Error | undefined;
  client.on("error", (error: Error) => (failure = error));
  try {
    await client.connect();
    // An invalid database number does not end the connection, which would then use database 0.
    if (failure !== undefined) throw failure;
    client.on("close", () => {
      // Once per loss, not once per attempt to reconnect.
      if (!lost) logger.warn("the connection to Redis is lost; requests fail until it is restored");
      lost = true;
    });
    client.on("ready", () => {
      if (lost) logger.warn("the connection to Redis is restored");
      lost = false;
    });
  } catch (error) {
    client.disconnect();
    throw new BridgeError(
      `Redis cannot be reached: ${reasonOf(failure ?? error)}. Check the option redis and that it runs.`,
      { cause: error },
    );
  }

  const keyLocking = createKeyLocking();
  const over = (one: Redis) => requestsOver(one, keyLocking, commandTimeoutMs);
  const dedicated = (extra?: RedisOptions) => {
    const copy = client.duplicate({ ...extra, retryStrategy: () => null });
    copy.on("error", (error: Error) => {
      if (!lost) logger.warn(`another connection: ${error.message}`);
    });
    return copy;
  };
  const reads = boundedRequests(
    async () => {
      const copy = dedicated();
      await copy.connect();
      return copy;
    },
    over,
    maxRequestBytes,
  );

  return {
    ...over(client),
    reads,

    async commandTable() {
      try {
        return (await client.callBuffer("COMMAND", [])) as Reply;
      } catch (error) {
        throw new BridgeError(
          `Redis does not list its commands: ${reasonOf(error)}. Its user requires the permission +command.`,
          { cause: error },
        );
      }
    },

    dedicated,
    close() {
      lost = true;
      reads.close();
      client.disconnect();
    },
  };
}

function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // ioredis has several messages for a connection closed before the first answer, depending on timing.
  if (/isn't writeable|EPIPE|ECONNRESET|Connection is closed/.test(message))
    return "the connection was closed";
  return message.replace(/\.$/, "");
}
