/**
 * Goal: no role may do more than its work: what stops a server, shows what others do, reaches other keys, or writes without need.
 * Method: a user for each role on a real Redis; each command is really sent.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { commandsOf, type Role, ROLES } from "../../../src/core/access.ts";
import { keysOf, type KeyName } from "../../../src/core/keys.ts";
import { populate } from "../http/support.ts";
import { type Guarded, PREFIX, startGuarded } from "./support.ts";

const keys = keysOf(PREFIX, 0, 1);
const other = keysOf("another", 0, 1);

let guarded: Guarded;
let clients: Map<Role, Redis>;
beforeAll(async () => {
  guarded = await startGuarded();
  clients = new Map();
  for (const role of ROLES) clients.set(role, new Redis(await guarded.as(role)));
});
afterAll(async () => {
  for (const client of clients.values()) client.disconnect();
  await guarded[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await guarded.admin.flushall();
  for (const prefix of [PREFIX, "another"]) await populate(guarded.admin, { prefix, users: ["alice"] });
});

const said = (role: Role, [name = "", ...args]: readonly string[]) =>
  clients
    .get(role)!
    .call(name, ...args)
    .then((reply) => `allowed: ${JSON.stringify(reply)}`, String);

/** Of the whole server. Redis 6.2 lets `+client|setname` as a first argument too. */
const SERVER = [
  ["CLIENT", "PAUSE", "1"], ["CLIENT", "KILL", "TYPE", "normal"], ["CLIENT", "LIST"], ["CLIENT", "TRACKING", "ON"], ["CLIENT", "NO-EVICT", "ON"],
  ["KEYS", "*"], ["SCAN", "0"], ["RANDOMKEY"], ["DBSIZE"],
  ["FLUSHALL"], ["FLUSHDB"], ["SWAPDB", "0", "1"], ["SELECT", "1"],
  ["CONFIG", "GET", "*"], ["CONFIG", "SET", "maxmemory", "1"], ["SHUTDOWN", "NOSAVE"], ["MONITOR"],
  ["ACL", "LIST"], ["ACL", "SETUSER", "mallory", "on"], ["ACL", "WHOAMI"],
  ["SUBSCRIBE", "news"], ["PSUBSCRIBE", "*"], ["PUBLISH", "news", "x"],
  ["SCRIPT", "FLUSH"], ["SCRIPT", "KILL"], ["FUNCTION", "FLUSH"], ["MODULE", "LIST"], ["REPLICAOF", "NO", "ONE"], ["SAVE"], ["BGSAVE"], ["SLOWLOG", "GET"],
  ["LATENCY", "LATEST"], ["MEMORY", "PURGE"], ["MEMORY", "DOCTOR"], ["CLUSTER", "FAILOVER"], ["COMMAND"], ["WAIT", "0", "0"],
] as const; // prettier-ignore

/** Reading and writing keys in ways that most roles do not need, on keys that roles have. */
const NEVER = [
  ["DUMP", keys.users], ["RESTORE", keys.users, "0", "x"], ["RENAME", keys.users, keys.about], ["COPY", keys.users, keys.about], ["MIGRATE", "127.0.0.1", "1", keys.users, "0", "1"],
  ["EXPIRE", keys.users, "1"], ["PEXPIRE", keys.users, "1"], ["PERSIST", keys.users], ["SORT", keys.processes], ["OBJECT", "ENCODING", keys.users],
  ["HGETALL", keys.users], ["HKEYS", keys.users], ["HVALS", keys.users], ["HRANDFIELD", keys.users, "-2000000"], ["HINCRBYFLOAT", keys.totals, "users", "1"],
  ["ZREMRANGEBYSCORE", keys.leaving, "-inf", "+inf"], ["XSETID", keys.records, "9-9"], ["XINFO", "STREAM", keys.records], ["XAUTOCLAIM", keys.records, "projector", "x", "0", "0"],
  ["APPEND", keys.clock, "x"], ["GETSET", keys.clock, "x"], ["WATCH", keys.users],
] as const; // prettier-ignore

describe.each(ROLES)("%s", (role) => {
  const needed: readonly string[] = commandsOf(role);
  const never = NEVER.filter(([name]) => !needed.includes(name));
  it.each([...SERVER, ...never].map((command) => [command.join(" "), command] as const))(
    "may not %s",
    async (_, command) => {
      expect(await said(role, command)).toMatch(/NOPERM|unknown (?:sub)?command/i);
    },
  );

  it("may use no key of another prefix", async () => {
    for (const name of commandsOf(role)) {
      const command = onKey(name, other.users);
      if (command !== undefined) expect([name, await said(role, command)]).toEqual([name, expect.stringContaining("NOPERM")]);
    }
  }); // prettier-ignore
});

/** A command with a key; undefined: it takes none. */
function onKey(name: string, key: string): readonly string[] | undefined {
  if (["TIME", "MULTI", "EXEC"].includes(name)) return undefined;
  if (["EVAL", "EVALSHA"].includes(name)) return [name, "return 1", "1", key];
  if (name === "XREAD") return [name, "STREAMS", key, "0"];
  if (name === "XREADGROUP") return [name, "GROUP", "g", "c", "STREAMS", key, ">"];
  if (name === "XGROUP") return [name, "CREATE", key, "g", "0"];
  if (name === "MEMORY|USAGE") return ["MEMORY", "USAGE", key];
  return [name, key, ...(ARGUMENTS[name] ?? [])];
}

const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  XADD: ["*", "a", "b"], XRANGE: ["-", "+"], XREVRANGE: ["+", "-"], XTRIM: ["MAXLEN", "0"], XDEL: ["0-1"], HGET: ["a"], HMGET: ["a"], HSET: ["a", "1"], HDEL: ["a"],
  HSCAN: ["0"], HINCRBY: ["a", "1"], ZADD: ["1", "a"], ZREM: ["a"], ZRANGE: ["0", "1"], ZRANGEBYSCORE: ["0", "1"], ZRANGEBYLEX: ["-", "+"], ZMSCORE: ["a"], ZCOUNT: ["0", "1"], ZSCAN: ["0"], SET: ["x"],
  SADD: ["a"], SREM: ["a"], SMISMEMBER: ["a"], SSCAN: ["0"], HEXISTS: ["a"], PFADD: ["a"], PEXPIRE: ["1"],
}; // prettier-ignore

/** Each command that writes, with all it needs. */
const WRITES = ["XADD", "XTRIM", "XDEL", "DEL", "UNLINK", "HSET", "HDEL", "HINCRBY", "ZADD", "ZREM", "SADD", "SREM", "SET", "PFADD", "PEXPIRE", "XGROUP", "XREADGROUP", "EVAL", "EVALSHA"]; // prettier-ignore

it.each(WRITES)("a reader may not %s", async (name) => {
  expect(await said("reader", onKey(name, keys.users)!)).toMatch(/NOPERM/);
});

it.each(["FCALL", "EVAL_RO", "EVALSHA_RO", "SCRIPT"])("who does not project may not %s", async (name) => {
  for (const role of ["recorder", "server", "reader"] as const) {
    const command = name === "SCRIPT" ? ["SCRIPT", "LOAD", "return 1"] : [name, "return 1", "0"];
    expect([role, await said(role, command)]).toEqual([role, expect.stringMatching(/NOPERM|unknown/)]);
  }
});

it("a recorder appends to the log alone, and reads nothing of users", async () => {
  for (const name of ["changes", "users", "rejected", "totals"] as const satisfies readonly KeyName[]) {
    // 6.2 does not tell reading from writing: there it may, on the keys that it reads.
    if (guarded.redis === "6.2" && name === "totals") continue;
    expect(await said("recorder", ["XADD", keys[name], "*", "a", "b"])).toMatch(/NOPERM/);
  }
  for (const read of [["HMGET", keys.users, "alice"], ["HMGET", keys.about, "web-1"], ["XRANGE", keys.changes, "-", "+"], ["HSCAN", keys.users, "0"]])
    expect(await said("recorder", read)).toMatch(/NOPERM/);
}); // prettier-ignore

it("a server that does not project writes nothing but the log", async () => {
  for (const name of ["HSET", "DEL", "XTRIM", "ZADD", "EVAL"])
    expect(await said("server", onKey(name, keys.records)!)).toMatch(/NOPERM/);
  // 6.2 does not tell reading from writing.
  if (guarded.redis === "6.2") return;
  for (const name of ["changes", "users", "rejected", "totals", "states"] as const)
    expect(await said("server", ["XADD", keys[name], "*", "a", "b"])).toMatch(/NOPERM/);
});

it("nobody may run DEBUG, where a server has it switched on", async () => {
  if (guarded.redis === "6.2") return;
  // The server itself refuses it before it looks at the ACL.
  for (const role of ROLES)
    expect(await guarded.admin.call("ACL", "DRYRUN", role, "DEBUG", "SLEEP", "0")).toMatch(/no permissions/);
});

it("the transaction of a reader may not write either", async () => {
  const reader = clients.get("reader")!;
  const results = await reader
    .multi()
    .xlen(keys.records)
    .call("HSET", keys.users, "mallory", "1")
    .exec()
    .catch(String);
  expect(String(results)).toMatch(/EXECABORT|NOPERM/);
  expect(await guarded.admin.hexists(keys.users, "mallory")).toBe(0);
});
