/**
 * What the Redis user of this connection may do, found out without doing it.
 *
 * A script asks for each command whether its caller may run it (`redis.acl_check_cmd`, Redis 7): it declares no key, writes nothing and
 * needs no right but EVAL. Redis keeps its text among its scripts, where it takes a kilobyte. Where EVAL is refused, ACL DRYRUN says
 * the same of one command at a time, to a user who may run it.
 */
import { commandsOf, ROLES } from "../../core/access.ts";
import { keysOf, type ShardKeys } from "../../core/keys.ts";
import { list } from "../../redis/decode.ts";
import { type Command, type Reply, ReplyError } from "../../redis/port.ts";
import { type Ask, refusal } from "../ask.ts";
import type { AccessFacts, Fact, Permission } from "../facts.ts";

const PROBE = `
local said = {}
for i = 1, #ARGV do
  if redis.acl_check_cmd then
    local good, may = pcall(redis.acl_check_cmd, unpack(cjson.decode(ARGV[i])))
    said[i] = good and (may and 1 or 0) or -1
  end
end
return said`;

/** What no role needs, and a user should not have who only counts or reads. */
export const BEYOND: readonly Command[] = [
  ["FLUSHALL"],
  ["KEYS", "*"],
  ["CONFIG", "SET", "maxmemory", "0"],
  ["ACL", "SETUSER", "default"],
  ["CLIENT", "PAUSE", "0"],
];

export const nameOf = ([name, first = ""]: Command) =>
  ["CONFIG", "ACL", "CLIENT", "MEMORY"].includes(name) ? `${name}|${first}` : name;

/** Each command of a role with arguments that Redis would accept, on a key that the role uses it for. */
export function sampleOf(name: string, keys: ShardKeys): Command {
  const special: Readonly<Record<string, readonly string[]>> = {
    EVAL: ["return 1", "1", keys.users],
    EVALSHA: ["0".repeat(40), "1", keys.users],
    TIME: [],
    MULTI: [],
    EXEC: [],
    XREADGROUP: ["GROUP", "projector", "projector", "STREAMS", keys.records, ">"],
    XREAD: ["STREAMS", keys.changes, "$"],
    XGROUP: ["CREATE", keys.records, "projector", "0"],
    "MEMORY|USAGE": [keys.records],
    XADD: [keys.records, "*", "a", "b"],
    XRANGE: [keys.records, "-", "+"],
    XREVRANGE: [keys.changes, "+", "-"],
    XTRIM: [keys.records, "MINID", "0"],
    XDEL: [keys.records, "0-1"],
    XLEN: [keys.records],
    HMGET: [keys.totals, "a"],
    HGET: [keys.totals, "a"],
    HSET: [keys.totals, "a", "b"],
    HDEL: [keys.users, "a"],
    HSCAN: [keys.users, "0"],
    HINCRBY: [keys.totals, "a", "1"],
    HEXISTS: [keys.users, "a"],
    HLEN: [keys.users],
    ZADD: [keys.processes, "1", "a"],
    ZREM: [keys.processes, "a"],
    ZCARD: [keys.processes],
    ZCOUNT: [keys.processes, "0", "1"],
    ZRANGE: [keys.processes, "0", "1"],
    ZRANGEBYSCORE: [keys.leaving, "0", "1"],
    ZRANGEBYLEX: [keys.lingerers, "-", "+"],
    ZMSCORE: [keys.scopes, "a"],
    ZSCAN: [keys.leaving, "0"],
    SADD: [keys.told, "a"],
    SREM: [keys.told, "a"],
    SCARD: [keys.told],
    SMEMBERS: [keys.told],
    SMISMEMBER: [keys.told, "a"],
    SSCAN: [keys.told, "0"],
    SET: [keys.clock, "a"],
    GET: [keys.clock],
    PTTL: [keys.clock],
    TYPE: [keys.records],
    DEL: [keys.records],
    UNLINK: [keys.users],
    PFADD: [`${keys.tag}:distinct:20260101`, "a"],
    PFCOUNT: [`${keys.tag}:distinct:20260101`],
    PEXPIRE: [`${keys.minutes}:/`, "1"],
  };
  return [...name.split("|"), ...(special[name] ?? [])] as unknown as Command;
}

/** Every command that any role needs. */
export const NEEDED: readonly string[] = [...new Set(ROLES.flatMap((role) => commandsOf(role)))];

const codes: Readonly<Record<string, Permission>> = { 1: "yes", 0: "no", "-1": "absent" };

/** A refused EVAL tells by itself whether it is the user or the server. */
function permissionIn(reply: Reply | ReplyError | undefined): Permission | undefined {
  if (!(reply instanceof ReplyError)) return "yes";
  if (/NOPERM/.test(reply.message)) return "no";
  return /unknown command/i.test(reply.message) ? "absent" : undefined;
}

/** `user`: whom the connection logs in as, where Redis does not say it. */
export async function accessFacts(ask: Ask, prefix: string, shards: number, user: string): Promise<AccessFacts> {
  const keys = keysOf(prefix, 0, shards);
  const probes = [...NEEDED.map((name) => sampleOf(name, keys)), ...BEYOND];
  const [evaluated, read, whoami, info] = await ask([
    ["EVAL", PROBE, "0", ...probes.map((probe) => JSON.stringify(probe))],
    ["HMGET", keys.totals, "shards"],
    ["ACL", "WHOAMI"],
    ["COMMAND", "INFO", "EVAL", "EVALSHA"],
  ]);
  const me = typeof whoami === "string" ? whoami : user;
  const scripts = permissionIn(evaluated);
  return {
    user: me,
    scripts,
    keys: !(read instanceof ReplyError && /NOPERM.*\bkeys?\b/i.test(read.message)),
    commands: withEval(await commandFacts(ask, probes, me, evaluated), scripts, info),
  };
} // prettier-ignore

async function commandFacts(
  ask: Ask,
  probes: readonly Command[],
  user: string,
  evaluated: Reply | ReplyError | undefined,
): Promise<Fact<Map<string, Permission>>> {
  if (!(evaluated instanceof ReplyError)) {
    const said = list(evaluated, "EVAL");
    if (said.length < probes.length) return { unknown: "this Redis cannot be asked, only Redis 7 and later" };
    return { known: new Map(probes.map((probe, i) => [nameOf(probe), codes[String(said[i])] ?? "absent"])) };
  }
  const dry = await ask(probes.map((probe) => ["ACL", "DRYRUN", user, ...probe] as const));
  const [first] = dry;
  if (first instanceof ReplyError && /NOPERM|unknown (?:sub)?command/i.test(first.message))
    return { unknown: `${refusal("EVAL", evaluated)}, or ${refusal("ACL|DRYRUN", first)}` };
  // A refusal is a reply here. An error says that there is no such command.
  const permission = (reply: Reply | ReplyError | undefined): Permission =>
    reply instanceof ReplyError ? "absent" : reply === "OK" ? "yes" : "no";
  return { known: new Map(probes.map((probe, i) => [nameOf(probe), permission(dry[i])])) };
}

/** EVAL was really sent, and COMMAND INFO says of EVALSHA whether this Redis has it. */
function withEval(
  commands: Fact<Map<string, Permission>>,
  scripts: Permission | undefined,
  info: Reply | ReplyError | undefined,
): Fact<Map<string, Permission>> {
  if (!("known" in commands)) return commands;
  if (scripts !== undefined) commands.known.set("EVAL", scripts);
  if (Array.isArray(info) && info[1] === null) commands.known.set("EVALSHA", "absent");
  return commands;
}
