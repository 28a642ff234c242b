/**
 * The ports over @upstash/redis: HTTP, so no blocking reads. It works in every runtime, whatever the client's options: requests
 * are sent as they are, past the client's command classes (upstash-settings.ts says why).
 */
import { PresenceError } from "../core/errors.ts";
import { answerOf, isDiscarded, redisError } from "./errors.ts";
import { type Command, type ReadPort, type Reply, ReplyError, type WritePort } from "./port.ts";
import { type Send, senderOf } from "./upstash-settings.ts";

/** A client of @upstash/redis from any of its entry points, or of a package built on it. Recognised by its shape. */
export interface UpstashClient {
  exec(...args: never[]): Promise<unknown>;
  multi(): object;
  pipeline(): object;
}

/** Whether a client is one of @upstash/redis, of any version and any installed copy. */
export function isUpstash(redis: unknown): redis is UpstashClient {
  return typeof redis === "object" && redis !== null && "exec" in redis && !("duplicate" in redis);
}

interface Result {
  readonly result?: Reply;
  readonly error?: string;
}

/** What the REST API answers is not checked here: like every reply, it is where it is decoded. */
function toReply({ result, error }: Result): Reply | ReplyError {
  return error === undefined ? (result ?? null) : new ReplyError(error);
}

async function sendAll(
  send: Send,
  path: string,
  commands: readonly Command[],
): Promise<(Reply | ReplyError)[]> {
  const body = commands.map((command) => [...command]);
  const results = await answerOf(() => send({ path: [path], body }));
  if (!Array.isArray(results)) throw replyInvalid(path);
  return (results as Result[]).map(toReply);
}

function replyInvalid(path: string): PresenceError {
  return new PresenceError("REPLY_INVALID", `the REST API answered ${path} with something other than a list`);
}

/** Throws PresenceError OPTIONS_INVALID. */
export function upstashReadPort(client: UpstashClient): ReadPort {
  const send = senderOf(client);
  return {
    read: (commands) =>
      sendAll(send, "multi-exec", commands).catch((error: unknown) => {
        if (!isDiscarded(error)) throw error;
        return sendAll(send, "pipeline", commands);
      }),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function upstashWritePort(client: UpstashClient): WritePort {
  const send = senderOf(client);
  return {
    async call(command) {
      const answer = await answerOf(() => send({ body: [...command] }));
      const reply = toReply(answer as Result);
      if (reply instanceof ReplyError) throw redisError(reply);
      return reply;
    },
    pipeline: (commands) => sendAll(send, "pipeline", commands),
  };
}
