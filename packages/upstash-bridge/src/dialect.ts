/**
 * Commands that Upstash answers differently from Redis 7, as the official client's tests show. Each is replaced by a command
 * with which Redis gives Upstash's answer. Any other form of a command goes to Redis unchanged, whose error messages are best.
 *
 * One command is replaced by one command, so its place in a pipeline or transaction stays the same. Permissions are checked
 * before, for the original command.
 */
import type { Command } from "./request.ts";
import { BITOP, NOACK, SCAN_WITH_TYPE } from "./dialect-scripts.ts";

type Args = Command["args"];

/** The command to send for `command`; most are unchanged. */
export function toRedis(command: Command): Command {
  return DIALECT[command.name]?.(command.args) ?? command;
}

const DIALECT: Readonly<Record<string, (args: Args) => Command | undefined>> = {
  BITOP: bitop,
  COPY: copyToItself,
  SCAN: scanWithType,
  XREADGROUP: readWithoutAck,
  XTRIM: trimExactly,
};

/** `COPY key key` copies nothing and returns 0; in Redis it is an error. */
function copyToItself([from, to, ...more]: Args): Command | undefined {
  if (from === undefined || to === undefined || more.length > 0) return undefined;
  return Buffer.from(from).equals(Buffer.from(to)) ? script("return 0", [], []) : undefined;
}

/** `SCAN cursor … WITHTYPE` returns each key followed by its type. */
function scanWithType([cursor, ...options]: Args): Command | undefined {
  const kept: (string | Buffer)[] = [];
  let withType = false;
  for (let index = 0; index < options.length; index += 2) {
    if (word(options[index]) === "WITHTYPE") {
      withType = true;
      index -= 1;
    } else {
      kept.push(...options.slice(index, index + 2));
    }
  }
  return withType && cursor !== undefined ? script(SCAN_WITH_TYPE, [], [cursor, ...kept]) : undefined;
}

/** `XTRIM … ~ threshold` trims exactly to the threshold; Redis may keep up to one node more, a hundred entries. */
function trimExactly(args: Args): Command | undefined {
  // With LIMIT, trimming may stop before the threshold, in whole nodes: Redis does that itself.
  if (args.length !== 4 || word(args[2]) !== "~") return undefined;
  return { name: "XTRIM", args: [args[0]!, args[1]!, "=", args[3]!] };
}

/** `XREADGROUP … NOACK` leaves no consumer behind, because nothing is pending for it. */
function readWithoutAck(args: Args): Command | undefined {
  let group: Args | undefined;
  let noAck = false;
  let index = 0;
  for (let option = word(args[0]); option !== "STREAMS"; option = word(args[index])) {
    if (option === "GROUP") group = args.slice(index + 1, index + 3);
    if (option === "NOACK") noAck = true;
    const width = { COUNT: 2, GROUP: 3, NOACK: 1 }[option];
    if (width === undefined) return undefined;
    index += width;
  }
  const streams = args.slice(index + 1);
  if (!noAck || group?.length !== 2 || streams.length === 0 || streams.length % 2 === 1) return undefined;
  return script(NOACK, streams.slice(0, streams.length / 2), [...group, ...args]);
}

/** `BITOP DIFF`, `DIFF1`, `ANDOR` and `ONE`, which Redis supports from 8.2 on. */
function bitop([operation, ...keys]: Args): Command | undefined {
  const name = word(operation);
  if (!["DIFF", "DIFF1", "ANDOR", "ONE"].includes(name) || keys.length < (name === "ONE" ? 2 : 3))
    return undefined;
  return script(BITOP, keys, [name]);
}

function script(text: string, keys: Args, args: Args): Command {
  return { name: "EVAL", args: [text, String(keys.length), ...keys, ...args] };
}

function word(arg: string | Buffer | undefined): string {
  return String(arg).toUpperCase();
}
