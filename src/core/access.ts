/**
 * Which Redis commands, on which keys, each role needs. This table is the only place that says it: `rollcall acl` prints it, the
 * docs quote what is printed, and tests compare it with what the code really sends, in both directions.
 *
 * Pub/sub channels: none, for any role.
 */
import { resolveKeyOptions, type KeyOptions } from "./key-options.ts";
import { type KeyName, keysOf } from "./keys.ts";
import { invalid, type Known, oneOf, refuseUnknown } from "./options.ts";

/** Which keys of a shard: all, or these. */
type Keys = "all" | readonly KeyName[];

interface Part {
  readonly commands: readonly string[];
  readonly reads: Keys;
  readonly writes: Keys;
  /** Of keys that are read: those whose form a command may change, though not what it says. PFCOUNT keeps its result in the key. */
  readonly rewrites?: readonly string[];
}

/** What the script of the projector calls, and how it is called. */
const PROJECT: Part = {
  commands: [
    "EVALSHA", "EVAL", "TIME", "TYPE", "XREADGROUP", "XGROUP", "XLEN", "XRANGE", "XTRIM", "XDEL", "XADD", "DEL", "UNLINK", "HGET",
    "HMGET", "HSET", "HDEL", "HLEN", "HSCAN", "ZADD", "ZREM", "ZCARD", "ZRANGE", "ZRANGEBYSCORE", "ZRANGEBYLEX", "ZMSCORE", "SADD", "SREM",
    "SCARD", "SMISMEMBER", "SET", "PTTL", "MEMORY|USAGE", "PFADD", "PEXPIRE",
  ],
  reads: "all",
  writes: "all",
}; // prettier-ignore

const APPEND: Part = { commands: ["XADD", "HMGET"], reads: ["totals", "states"], writes: ["records"] };

const READ: Part = {
  commands: [
    "GET", "PTTL", "HMGET", "HSCAN", "SMISMEMBER", "ZMSCORE", "ZCOUNT", "ZRANGE", "XLEN", "XRANGE", "XREVRANGE", "PFCOUNT", "MULTI", "EXEC",
  ],
  reads: "all",
  writes: [],
  rewrites: ["distinct:*"],
}; // prettier-ignore

const FOLLOW: Part = { commands: ["XREAD", "XREVRANGE"], reads: "all", writes: [] };

/** What the scripts of verify() and forget() call beyond the projector's. */
const AUDIT: Part = { commands: ["ZSCAN", "HINCRBY", "XREVRANGE"], reads: "all", writes: "all" };

/** What the script of durable subscribers calls, and what its holder reads beside it. All keys a script declares must be writable. */
const SUBSCRIBE: Part = {
  commands: [
    "EVALSHA", "EVAL", "TIME", "HGET", "HMGET", "HSET", "HINCRBY", "HEXISTS", "HLEN", "HSCAN", "SADD", "SREM", "SCARD", "SMEMBERS",
    "SMISMEMBER", "SSCAN",
    "XADD", "XDEL", "XLEN", "XRANGE", "XREVRANGE", "XTRIM", "ZADD", "ZCARD", "ZMSCORE", "ZREM", "UNLINK",
  ],
  reads: "all",
  writes: "all",
}; // prettier-ignore

interface RoleOf {
  /** Who that is, for docs and `rollcall acl`. */
  readonly who: string;
  readonly parts: readonly Part[];
}

const ROLE_TABLE = {
  recorder: { who: "a recorder in another language, which only appends", parts: [APPEND] },
  server: { who: "createPresence with project: false", parts: [APPEND, READ, FOLLOW] },
  "projecting-server": { who: "createPresence", parts: [PROJECT, READ, FOLLOW] },
  "subscribing-server": { who: "createPresence with subscribe()", parts: [PROJECT, READ, FOLLOW, SUBSCRIBE] },
  worker: { who: "createProjector().run(), functions/projector.ts", parts: [PROJECT, FOLLOW] },
  sweeper: { who: "createProjector().sweep(), scheduled functions", parts: [PROJECT] },
  subscriber: { who: "createSubscriber()", parts: [SUBSCRIBE, FOLLOW] },
  reader: { who: "createReader(), the HTTP API", parts: [READ] },
  operator: { who: "verify(), evict() and forget()", parts: [PROJECT, AUDIT] },
} as const satisfies Readonly<Record<string, RoleOf>>;

/** Who uses Redis, and for what. */
export type Role = keyof typeof ROLE_TABLE;

export const ROLES = Object.keys(ROLE_TABLE) as readonly Role[];

/** What a connection of ioredis begins with: whether the server is loading, and what CLIENT LIST shows. AUTH and HELLO need no permission. */
const CONNECT = ["INFO", "CLIENT|SETNAME", "CLIENT|SETINFO"];
const CLUSTER = ["CLUSTER|SLOTS", "CLUSTER|INFO"];

/** The oldest Redis that takes a form of rules. 7.0 tells reading from writing; 7.2 has CLIENT SETINFO. Valkey is 7.2. */
export const ACL_VERSIONS = ["6.2", "7.0", "7.2"] as const;
export type AclVersion = (typeof ACL_VERSIONS)[number];

/** For whom rules are made. */
export interface AclOptions extends KeyOptions {
  readonly role: Role;
  /** Which form the rules have. Default 7.2: for that Redis and later, and Valkey. */
  readonly redis?: AclVersion | undefined;
  /** Whether the client is a Cluster, which asks for its slots. Default false. */
  readonly cluster?: boolean | undefined;
  /** Whether the client selects a database other than 0. Default false. */
  readonly select?: boolean | undefined;
}

const ACL_OPTIONS: Known<AclOptions> = {
  prefix: true,
  shards: true,
  role: true,
  redis: true,
  cluster: true,
  select: true,
};

/** Beyond this, a pattern stands for all tags with as many digits: Redis tries pattern after pattern for each key. */
const SHARDS_LISTED = 16;

/** What a role may run, in upper case, a subcommand after a bar; without what a connection begins with. */
export function commandsOf(role: Role): readonly string[] {
  return [...new Set(ROLE_TABLE[role].parts.flatMap(({ commands }) => commands))];
}

export function whoIs(role: Role): string {
  return ROLE_TABLE[role].who;
}

/**
 * The rules for ACL SETUSER, without name and password: they replace whatever the user had.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function aclRules(options: AclOptions): readonly string[] {
  refuseUnknown(options, ACL_OPTIONS, "acl");
  const { prefix, shards } = resolveKeyOptions(options);
  const role = oneOf("role", options.role, ROLES);
  const redis = oneOf("redis", options.redis ?? "7.2", ACL_VERSIONS);
  const { cluster = false, select = false } = options;
  const connect = CONNECT.filter((name) => redis === "7.2" || name !== "CLIENT|SETINFO");
  const commands = [
    ...connect,
    ...(cluster ? CLUSTER : []),
    ...(select ? ["SELECT"] : []),
    ...commandsOf(role),
  ];
  const tags = tagPatterns(prefix, shards);
  const patterns = redis === "6.2" ? plainPatterns(role, tags) : preciselyPatterns(role, tags);
  // 6.2 gives a new user all channels.
  return ["reset", "on", "resetchannels", ...patterns, ...commands.map((name) => `+${name.toLowerCase()}`)];
}

/** The beginning of the keys of each shard, as patterns. */
function tagPatterns(prefix: string, shards: number): string[] {
  const quoted = (text: string) => text.replace(/[\\*?[\]]/g, "\\$&");
  const tags = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).tag);
  if (shards <= SHARDS_LISTED) return tags.map(quoted);
  // With a `*` in it, it would also match the tags of a prefix such as `presence:2`.
  const head = `{${prefix}`;
  const shapes = tags.map((tag) => quoted(head) + tag.slice(head.length).replace(/\d/g, "[0-9]"));
  return [...new Set(shapes)];
}

function keysFor(role: Role, kind: "reads" | "writes"): Keys {
  const lists = ROLE_TABLE[role].parts.map((part: Part) => part[kind]);
  if (lists.includes("all")) return "all";
  return [...new Set(lists.flatMap((list) => [...(list as readonly KeyName[])]))];
}

function patternsOf(sign: string, keys: "all" | readonly string[], tags: readonly string[]): string[] {
  return tags.flatMap((tag) => (keys === "all" ? ["*"] : keys).map((name) => `${sign}~${tag}:${name}`));
}

/** 6.2 does not tell a key that is read from one that is written. */
function plainPatterns(role: Role, tags: readonly string[]): string[] {
  const [reads, writes] = [keysFor(role, "reads"), keysFor(role, "writes")];
  const all = reads === "all" || writes === "all" ? "all" : [...new Set([...writes, ...reads])];
  return patternsOf("", all, tags);
}

function preciselyPatterns(role: Role, tags: readonly string[]): string[] {
  const [reads, writes] = [keysFor(role, "reads"), keysFor(role, "writes")];
  if (reads === "all" && writes === "all") return patternsOf("", "all", tags);
  const rewrites = [...new Set(ROLE_TABLE[role].parts.flatMap((part: Part) => part.rewrites ?? []))];
  return [
    ...patternsOf("%W", writes, tags),
    ...patternsOf("%R", reads, tags),
    ...patternsOf("%RW", rewrites, tags),
  ];
}

/**
 * The command line that makes a user with these rules, quoted for a POSIX shell; the password in it is to be replaced.
 * Throws PresenceError OPTIONS_INVALID.
 */
export function aclLine(options: AclOptions, user = `rollcall-${options.role}`): string {
  const [reset = "", ...rules] = aclRules(options);
  if (!/^[\w.:-]+$/.test(user)) invalid("user must consist of letters, digits and . : _ -");
  return ["redis-cli", "ACL", "SETUSER", user, reset, ">a-password", ...rules].map(quotedWord).join(" ");
}

function quotedWord(word: string): string {
  return /^[\w+:.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
