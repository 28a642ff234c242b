/**
 * The ports over an ioredis client or Cluster, version 5.4 to 6, RESP2 or RESP3.
 *
 * Clients are recognised by their shape. An application may use another version or copy of ioredis than the one installed
 * here, so its classes and types cannot be named.
 */
import { answerOf, isDiscarded, redisError } from "./errors.ts";
import { type Command, type PipelinePort, type ReadPort, type Reply, ReplyError } from "./port.ts";

/** An ioredis client or Cluster of any version from 5.4 on, as an application passes it. Only `duplicate` is called. */
export interface IoRedisClient {
  readonly status: string;
  readonly isCluster?: boolean;
  duplicate(...args: never[]): unknown;
  call(...args: never[]): unknown;
}

/** What Rollcall uses of ioredis, on the connections it opens. */
export interface IoRedis {
  readonly status: string;
  readonly isCluster?: boolean;
  call(name: string, ...args: string[]): Promise<unknown>;
  /** The socket of a client of one server, once it has one. What is written while it is corked goes out in one piece. */
  readonly stream?: { cork(): void; uncork(): void } | undefined;
  /** Queues commands; `exec` sends them in one round trip. */
  pipeline(): Batch;
  /** The same, as a transaction. */
  multi(): Batch;
  on(event: "ready" | "close" | "end", listener: () => void): unknown;
  on(event: "error" | "node error", listener: (error: unknown) => void): unknown;
  on(event: "-node", listener: (node: object) => void): unknown;
  /** Only a Cluster has it: its connections. */
  nodes?(role: "all" | "master"): readonly Pick<IoRedis, "call" | "connect" | "status">[];
  connect(): Promise<void>;
  /** `true`: and connect anew. */
  disconnect(reconnect?: boolean): void;
}

interface Batch {
  call(name: string, ...args: string[]): unknown;
  exec(): Promise<Results>;
}

/**
 * A reply in the shape of RESP2. Under RESP3, members arrive paired with their scores, and maps may arrive as a Map or an
 * object (ioredis 6 with `replyMapping: "resp3"`).
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

/** Only the server's error is a reply; when the connection is lost, every command of the batch has that error. */
function toReplyError(error: unknown): ReplyError {
  if (error instanceof Error && error.name === "ReplyError") return new ReplyError(error.message);
  throw redisError(error);
}

function toReplies(results: Results): (Reply | ReplyError)[] {
  if (results === null) throw redisError(new Error("the transaction was discarded"));
  return results.map(([error, result]) =>
    error === null || error === undefined ? toResp2(result) : toReplyError(error),
  );
}

/**
 * Sends commands to one server in one piece, without a pipeline of ioredis: for two commands that one takes half as much CPU again, and
 * a recorder sends little else.
 */
async function together(client: IoRedis, commands: readonly Command[]): Promise<(Reply | ReplyError)[]> {
  const { stream } = client;
  let sent: Promise<unknown>[];
  stream?.cork();
  try {
    sent = commands.map(([name, ...args]) => client.call(name, ...args));
  } finally {
    stream?.uncork();
  }
  const outcomes = await Promise.allSettled(sent);
  return outcomes.map((one) => (one.status === "fulfilled" ? toResp2(one.value) : toReplyError(one.reason)));
}

export function ioredisPort(client: IoRedis): ReadPort & PipelinePort {
  const run = async (batch: Batch, commands: readonly Command[]) => {
    for (const [name, ...args] of commands) batch.call(name, ...args);
    return toReplies(await answerOf(() => batch.exec()));
  };
  return {
    read: (commands) =>
      run(client.multi(), commands).catch((error: unknown) => {
        if (!isDiscarded(error)) throw error;
        return run(client.pipeline(), commands);
      }),
    async call([name, ...args]: Command) {
      return toResp2(await answerOf(() => client.call(name, ...args)));
    },
    // In a Cluster each command would look for its node, and follow redirections on its own.
    pipeline: (commands) =>
      client.isCluster === true ? run(client.pipeline(), commands) : together(client, commands),
  };
}
