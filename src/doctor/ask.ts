/** Asking a server that may refuse: every refusal becomes a reason, and nothing here throws for one. */
import { type Command, type Reply, ReplyError } from "../redis/port.ts";
import type { Fact } from "./facts.ts";

/** Sends commands in one round trip; a refusal is a ReplyError in its place. Rejects only when there is no reply at all. */
export type Ask = (commands: readonly Command[]) => Promise<(Reply | ReplyError)[]>;

/** Why a command was refused, as the rest of `not known: …`. */
export function refusal(command: string, error: ReplyError): string {
  if (/NOPERM.*\bkeys?\b/i.test(error.message)) return "needs the keys of the prefix";
  if (/NOPERM/.test(error.message)) return `needs +${command.toLowerCase()}`;
  if (/unknown (?:sub)?command/i.test(error.message)) return `this Redis has no ${command.replace("|", " ")}`;
  // Only its first word: the rest may quote arguments.
  const word = /^-?([A-Z]{2,20})\b/.exec(error.message)?.[1] ?? "an error";
  return `${command.replace("|", " ")} was answered with ${word}`;
}

/** The reply decoded, or why there is none. `decode` may throw for a reply of another shape. */
export function factOf<T>(command: string, reply: Reply | ReplyError | undefined, decode: (reply: Reply) => T): Fact<T> {
  if (reply instanceof ReplyError) return { unknown: refusal(command, reply) };
  try {
    return { known: decode(reply ?? null) };
  } catch {
    return { unknown: `the reply to ${command.replace("|", " ")} is not understood` };
  }
} // prettier-ignore

/** The fields of INFO. */
export function infoOf(reply: Reply): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of String(reply).split(/\r?\n/)) {
    const at = line.indexOf(":");
    if (at > 0 && !line.startsWith("#")) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}
