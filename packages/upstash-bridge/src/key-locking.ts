/**
 * Scripts with Upstash's flag `allow-key-locking` in their first line. It lets Upstash lock only the keys of the call; Redis
 * refuses a flag that it does not know. So it is taken out, and the script has another SHA1 in Redis than at the client: the
 * client's is answered for. What the flag means is not imitated: a script may use keys that it does not declare.
 */
import { createHash } from "node:crypto";
import type { Command } from "./request.ts";
import type { Reply } from "./reply.ts";

/** Scripts remembered; the oldest is forgotten first, and its next EVALSHA gets NOSCRIPT. */
const SCRIPTS_MAX = 1_000;
const FLAG = "allow-key-locking";
const WITH_TEXT = new Set(["EVAL", "EVAL_RO"]);
const WITH_SHA = new Set(["EVALSHA", "EVALSHA_RO"]);

/** What to send for a command, and what to answer for its reply. */
export interface Sent {
  readonly command: Command;
  readonly answer?: (reply: Reply) => Reply;
}

export function createKeyLocking(): (command: Command) => Sent {
  /** The client's SHA1 → Redis's. */
  const known = new Map<string, string>();

  function remember(text: string | Buffer): { text: string; sha: string } | undefined {
    const script = withoutFlag(text.toString());
    if (script === undefined) return undefined;
    const sha = sha1(text);
    known.delete(sha);
    known.set(sha, sha1(script));
    if (known.size > SCRIPTS_MAX) known.delete(known.keys().next().value!);
    return { text: script, sha };
  }
  const inRedis = (sha: string | Buffer) => known.get(sha.toString().toLowerCase()) ?? sha;

  return function sent(command) {
    const { name, args } = command;
    const [first, second, ...rest] = args;
    if (first === undefined) return { command };
    if (WITH_TEXT.has(name)) {
      const script = remember(first);
      return { command: script === undefined ? command : { name, args: [script.text, ...args.slice(1)] } };
    }
    if (WITH_SHA.has(name)) return { command: { name, args: [inRedis(first), ...args.slice(1)] } };
    if (name !== "SCRIPT" || second === undefined) return { command };
    const subcommand = first.toString().toUpperCase();
    if (subcommand === "EXISTS")
      return { command: { name, args: [first, ...[second, ...rest].map(inRedis)] } };
    const script = subcommand === "LOAD" ? remember(second) : undefined;
    if (script === undefined) return { command };
    return { command: { name, args: [first, script.text, ...rest] }, answer: () => Buffer.from(script.sha) };
  };
}

/** The script for Redis, its lines where they were; undefined: it has no such flag. */
function withoutFlag(text: string): string | undefined {
  const [, before, flags, after] = /^(#![^\n]*?\bflags=)([\w,-]*)([^\n]*)/.exec(text) ?? [];
  const all = flags?.split(",") ?? [];
  if (!all.includes(FLAG)) return undefined;
  const left = all.filter((flag) => flag !== FLAG);
  const end = text.indexOf("\n");
  const rest = end < 0 ? "" : text.slice(end);
  // Before 7.0 Redis knows no such line at all.
  return left.length === 0 ? rest : `${before!}${left.join(",")}${after!}${rest}`;
}

function sha1(text: string | Buffer): string {
  return createHash("sha1").update(text).digest("hex");
}
