/**
 * The connection shared by all requests. Commands written in the same turn of the event loop stay together on the wire, so a
 * transaction (MULTI, its commands, EXEC) needs neither a lock nor a separate connection: no other command can come between.
 *
 * While Redis is unreachable, commands fail at once. Commands in flight fail when the connection closes, and their answer says
 * that their effect is unknown. The connection is restored automatically.
 */
import { Redis, type RedisOptions } from "ioredis";
import { toRedis } from "./dialect.ts";
import { BridgeError } from "./errors.ts";
import { runnableFunctions } from "./functions.ts";
import type { Command } from "./request.ts";
import type { Outcome, Reply } from "./reply.ts";
import type { CheckedOptions } from "./options.ts";

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

export interface Connection {
  /** Runs commands in order and independently; one outcome per command. */
  run(commands: readonly Command[]): Promise<Outcome[]>;
  /** Runs commands as one transaction: one outcome per command, or the error that discarded the transaction. */
  transaction(commands: readonly Command[]): Promise<Outcome[] | Outcome>;
  /** COMMAND, the table of this Redis's commands. Rejects with BridgeError. */
  commandTable(): Promise<Reply>;
  /** Another connection to the same Redis, not connected yet. It is not restored once it is lost. */
  dedicated(options?: RedisOptions): Redis;
  close(): void;
}

/** Connects. Rejects with BridgeError when Redis cannot be reached. */
export async function connect({ redis, commandTimeoutMs, logger }: CheckedOptions): Promise<Connection> {
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

  const send = (name: string, args: readonly (string | Buffer)[] = []) =>
    client.callBuffer(name, [...args]) as Promise<Reply>;
  const sendCommand = (command: Command) => {
    const { name, args } = toRedis(command);
    return send(name, args);
  };
  const outcomeOf = async (reply: Promise<Reply>): Promise<Outcome> => {
    try {
      return { result: await reply };
    } catch (error) {
      return failed(error, commandTimeoutMs);
    }
  };

  return {
    async run(commands) {
      const ready = await runnableFunctions(commands, send);
      return Promise.all(ready.map((command) => outcomeOf(sendCommand(command))));
    },

    async transaction(commands) {
      const ready = await runnableFunctions(commands, send);
      const replies = [send("MULTI"), ...ready.map(sendCommand), send("EXEC")];
      const outcomes = await Promise.all(replies.map(outcomeOf));
      // The first error says what is wrong; EXEC's error only says that something is.
      const refused = outcomes.find((outcome) => "error" in outcome);
      if (refused !== undefined) return refused;
      const last = outcomes.at(-1)!;
      const results = "result" in last && Array.isArray(last.result) ? (last.result as Reply[]) : [];
      return results.map((reply) => (reply instanceof Error ? failed(reply, 0) : { result: reply }));
    },

    async commandTable() {
      try {
        return await send("COMMAND");
      } catch (error) {
        throw new BridgeError(
          `Redis does not list its commands: ${reasonOf(error)}. Its user requires the permission +command.`,
          { cause: error },
        );
      }
    },

    dedicated(extra) {
      const copy = client.duplicate({ ...extra, retryStrategy: () => null });
      copy.on("error", (error: Error) => logger.warn(`event stream: ${error.message}`));
      return copy;
    },
    close() {
      lost = true;
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

function failed(error: unknown, commandTimeoutMs: number): Outcome {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === "ReplyError") return { error: message, status: 400 };
  if (message === "Command timed out") {
    return {
      error: `ERR the command took longer than ${commandTimeoutMs} ms; whether it ran is unknown`,
      status: 504,
    };
  }
  return { error: "ERR Redis is not reachable; whether the command ran is unknown", status: 503 };
}
