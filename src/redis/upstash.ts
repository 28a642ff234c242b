/**
 * The ports over @upstash/redis: HTTP, so no blocking reads. It works in every runtime.
 *
 * Create the client with
 * - `automaticDeserialization: false`: otherwise it turns user ids into numbers and booleans;
 * - `responseEncoding: false`: its base64 decoding strips a leading U+FEFF from a user id;
 * - a timeout as a function, `signal: () => AbortSignal.timeout(ms)`: there is none by default, and when a plain signal
 *   fires, the client returns `null` as the answer.
 */
import type { Redis } from "@upstash/redis";
import { answerOf } from "./errors.ts";
import {
  type Command,
  type ReadCommand,
  type ReadPort,
  type Reply,
  ReplyError,
  type ScriptCall,
  type WritePort,
} from "./port.ts";

/** A client of @upstash/redis, version 1.35.3 or later, from any of its entry points. Recognised by its shape. */
export interface UpstashClient {
  exec(...args: never[]): Promise<unknown>;
  multi(): object;
  pipeline(): object;
}

/** Whether a client is one of @upstash/redis, of any version and any installed copy. */
export function isUpstash(redis: unknown): redis is UpstashClient {
  return typeof redis === "object" && redis !== null && "exec" in redis && !("duplicate" in redis);
}

type Pipeline = ReturnType<Redis["multi"]>;

/** The client cannot put a raw command into a pipeline, so each read command is written out. */
function add(pipeline: Pipeline, command: ReadCommand): void {
  switch (command[0]) {
    case "HMGET": {
      const [, key, ...fields] = command;
      pipeline.hmget(key, ...fields);
      break;
    }
    case "HGETALL":
      pipeline.hgetall(command[1]);
      break;
    case "HSCAN":
      pipeline.hscan(command[1], command[2], { count: Number(command[4]) });
      break;
    case "ZRANGE":
      pipeline.zrange(command[1], Number(command[2]), Number(command[3]), { withScores: true });
      break;
    case "XLEN":
      pipeline.xlen(command[1]);
      break;
    case "XRANGE":
      pipeline.xrange(command[1], command[2], command[3], Number(command[5]));
      break;
    default:
      command satisfies never;
  }
}

function toReplies(results: unknown): (Reply | ReplyError)[] {
  return (results as { result?: Reply; error?: string }[]).map(({ result, error }) =>
    error === undefined ? (result ?? null) : new ReplyError(error),
  );
}

export function upstashReadPort(client: UpstashClient): ReadPort {
  const redis = client as Redis;
  return {
    async read(commands) {
      const transaction = redis.multi();
      for (const command of commands) add(transaction, command);
      return toReplies(await answerOf(() => transaction.exec({ keepErrors: true })));
    },
  };
}

export function upstashWritePort(client: UpstashClient): WritePort {
  const redis = client as Redis;
  return {
    async call(command: Command) {
      return answerOf(() => redis.exec<Reply>([...command]));
    },
    async pipeline(commands) {
      const pipeline = redis.pipeline();
      // A sweep sends the same call hundreds of times; it is split into keys and arguments once.
      let call: ScriptCall | undefined;
      let keys: string[] = [];
      let args: string[] = [];
      for (const command of commands) {
        if (command[0] !== "EVALSHA") {
          add(pipeline, command);
          continue;
        }
        if (command !== call) {
          call = command;
          const first = 3 + Number(call[2]);
          keys = call.slice(3, first);
          args = call.slice(first);
        }
        pipeline.evalsha(command[1], keys, args);
      }
      return toReplies(await answerOf(() => pipeline.exec({ keepErrors: true })));
    },
  };
}
