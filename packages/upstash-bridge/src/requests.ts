/**
 * Commands over one connection. Those written in the same turn of the event loop stay together on the wire, so a transaction
 * (MULTI, its commands, EXEC) needs neither a lock nor a connection of its own: no other command can come between.
 */
import type { Redis } from "ioredis";
import { toRedis } from "./dialect.ts";
import { runnableFunctions } from "./functions.ts";
import type { Sent } from "./key-locking.ts";
import type { Outcome, Reply } from "./reply.ts";
import type { Command } from "./request.ts";

export interface Requests {
  /** Runs commands in order and independently; one outcome per command. */
  run(commands: readonly Command[]): Promise<Outcome[]>;
  /** Runs commands as one transaction: one outcome per command, or the error that discarded the transaction. */
  transaction(commands: readonly Command[]): Promise<Outcome[] | Outcome>;
}

export function requestsOver(
  client: Redis,
  keyLocking: (command: Command) => Sent,
  commandTimeoutMs: number,
): Requests {
  const send = (name: string, args: readonly (string | Buffer)[] = []) =>
    client.callBuffer(name, [...args]) as Promise<Reply>;
  const outcomeOf = async (reply: Promise<Reply>): Promise<Outcome> => {
    try {
      return { result: await reply };
    } catch (error) {
      return failed(error, commandTimeoutMs);
    }
  };
  const sendCommand = ({ command }: Sent) => {
    const { name, args } = toRedis(command);
    return send(name, args);
  };
  const answered = (outcome: Outcome, { answer }: Sent): Outcome =>
    answer === undefined || "error" in outcome ? outcome : { result: answer(outcome.result) };

  return {
    async run(commands) {
      const ready = (await runnableFunctions(commands, send)).map(keyLocking);
      return Promise.all(ready.map(async (one) => answered(await outcomeOf(sendCommand(one)), one)));
    },

    async transaction(commands) {
      const ready = (await runnableFunctions(commands, send)).map(keyLocking);
      const replies = [send("MULTI"), ...ready.map(sendCommand), send("EXEC")];
      const outcomes = await Promise.all(replies.map(outcomeOf));
      // The first error says what is wrong; EXEC's error only says that something is.
      const refused = outcomes.find((outcome) => "error" in outcome);
      if (refused !== undefined) return refused;
      const last = outcomes.at(-1)!;
      const results = "result" in last && Array.isArray(last.result) ? (last.result as Reply[]) : [];
      return results.map((reply, index) =>
        answered(reply instanceof Error ? failed(reply, 0) : { result: reply }, ready[index]!),
      );
    },
  };
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
