/**
 * Goal: nothing that Rollcall sends needs a Redis newer than 6.2, the floor that `ready` checks.
 * Method: the commands and options are read from the scripts and from every module that sends some; the server's own table says
 * since when it has each. No Redis 6.2 can be had to run on, so this list stands for it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startRedis } from "../../../rig/redis.ts";

const FLOOR = [6, 2];
const src = join(import.meta.dirname, "../../../src");

/** What is used, and the version that it came with. An option has its command in front. */
const USED: Readonly<Record<string, string>> = {
  DEL: "1.0",
  EVAL: "2.6",
  EVALSHA: "2.6",
  GET: "1.0",
  HDEL: "2.0",
  HEXISTS: "2.0",
  HGET: "2.0",
  HINCRBY: "2.0",
  HLEN: "2.0",
  HMGET: "2.0",
  HSCAN: "2.8",
  "HSCAN COUNT": "2.8",
  HSET: "2.0",
  INFO: "1.0",
  MEMORY: "4.0",
  "MEMORY USAGE": "4.0",
  PEXPIRE: "2.6",
  PFADD: "2.8.9",
  PFCOUNT: "2.8.9",
  PTTL: "2.6",
  SADD: "1.0",
  SCARD: "1.0",
  SET: "1.0",
  "SET PXAT": "6.2",
  SMEMBERS: "1.0",
  SMISMEMBER: "6.2",
  SREM: "1.0",
  SSCAN: "2.8",
  "SSCAN COUNT": "2.8",
  TIME: "2.6",
  TYPE: "1.0",
  UNLINK: "4.0",
  XADD: "5.0",
  "XADD MAXLEN": "5.0",
  "XADD MINID": "6.2",
  XDEL: "5.0",
  XGROUP: "5.0",
  "XGROUP CREATE": "5.0",
  "XGROUP MKSTREAM": "5.0",
  "XGROUP SETID": "5.0",
  XLEN: "5.0",
  XRANGE: "5.0",
  "XRANGE COUNT": "5.0",
  XREAD: "5.0",
  "XREAD BLOCK": "5.0",
  "XREAD COUNT": "5.0",
  "XREAD STREAMS": "5.0",
  XREADGROUP: "5.0",
  "XREADGROUP COUNT": "5.0",
  "XREADGROUP GROUP": "5.0",
  "XREADGROUP NOACK": "5.0",
  "XREADGROUP STREAMS": "5.0",
  XREVRANGE: "5.0",
  "XREVRANGE COUNT": "5.0",
  XTRIM: "5.0",
  "XTRIM LIMIT": "6.2",
  "XTRIM MAXLEN": "5.0",
  "XTRIM MINID": "6.2",
  ZADD: "1.2",
  "ZADD GT": "6.2",
  ZCARD: "1.2",
  ZCOUNT: "2.0",
  ZMSCORE: "6.2",
  ZRANGE: "1.2",
  "ZRANGE BYSCORE": "6.2",
  "ZRANGE LIMIT": "6.2",
  "ZRANGE REV": "6.2",
  "ZRANGE WITHSCORES": "1.2",
  ZRANGEBYSCORE: "1.0.5",
  "ZRANGEBYSCORE LIMIT": "1.0.5",
  ZRANGEBYLEX: "2.8.9",
  "ZRANGEBYLEX LIMIT": "2.8.9",
  ZREM: "1.2",
  ZSCAN: "2.8",
  "ZSCAN COUNT": "2.8",
};

function filesIn(folder: string, ending: string): string[] {
  return readdirSync(join(src, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(ending) && !file.endsWith("generated.ts"))
    .map((file) => readFileSync(join(src, folder, file), "utf8"));
}

/** A list of arguments up to its end: brackets inside it belong to it, those in quotes do not count. */
function upToEnd(text: string, from: number): string {
  let depth = 1;
  let quote = "";
  for (let at = from; at < text.length; at++) {
    const letter = text[at]!;
    if (quote !== "") quote = letter === quote ? "" : quote;
    else if (letter === '"' || letter === "'" || letter === "`") quote = letter;
    else if ("([{".includes(letter)) depth++;
    else if (")]}".includes(letter) && --depth === 0) return text.slice(from, at);
  }
  return text.slice(from);
}

/** `HSCAN`, `HSCAN COUNT`: each command, and each word in capitals among its arguments. */
function wordsIn(text: string, start: RegExp): string[] {
  const found: string[] = [];
  for (const { index, 0: all, groups } of text.matchAll(start)) {
    const name = groups!["name"]!;
    found.push(name);
    // A command inside another's arguments is found by itself.
    const args = upToEnd(text, index + all.length).replaceAll(/\b(call|try|ask)\([^)]*\)/g, "");
    for (const [, word] of args.matchAll(/["']([A-Z]{2,})["']/g)) found.push(`${name} ${word!}`);
  }
  return found;
}

const LUA = /\b(?:call|try|ask|in_chunks)\(['"](?<name>[A-Z]+)['"]/g;
const TYPESCRIPT = /(?:\[|\bcall\()\s*"(?<name>[A-Z]+)"(?=[,\])])/g;
const scripts = filesIn("lua", ".lua").flatMap((text) => wordsIn(text, LUA));
const modules = ["redis", "reader", "follow", "projector", "recorder", "subscriber"]
  .flatMap((folder) => filesIn(folder, ".ts"))
  .flatMap((text) => wordsIn(text, TYPESCRIPT));
const used = [...new Set([...scripts, ...modules])].sort();

type Docs = readonly unknown[];
const mapOf = (docs: Docs) =>
  Object.fromEntries(docs.flatMap((item, i) => (i % 2 === 0 ? [[String(item), docs[i + 1]]] : [])));

/** Since when an option is there; undefined: the table does not have it. `since`: of what is around it. */
function sinceOf(word: string, docs: Docs, since: string): string | undefined {
  const { subcommands = [], arguments: args = [], since: own = since, token } = mapOf(docs);
  if (token === word) return String(own);
  for (const [name, inner] of Object.entries(mapOf(subcommands as Docs))) {
    if (name.toUpperCase().endsWith(`|${word}`)) return String(mapOf(inner as Docs)["since"]);
    const found = sinceOf(word, inner as Docs, String(own));
    if (found !== undefined) return found;
  }
  for (const inner of args as Docs[]) {
    const found = sinceOf(word, inner, String(own));
    if (found !== undefined) return found;
  }
  return undefined;
}

it("every command and option is known with the version that it came with, and 6.2 has them all", async (context) => {
  await using server = await startRedis();
  const redis = new Redis(server.url, { protocol: 2 });
  const since: Record<string, string> = {};
  for (const words of used) {
    const [name, word] = words.split(" ");
    const reply = await redis.call("COMMAND", "DOCS", name!).catch(() => undefined);
    if (reply === undefined) redis.disconnect();
    context.skip(reply === undefined, "this server has no table of its commands (COMMAND DOCS, 7.0)");
    const docs = mapOf(reply as Docs)[name!.toLowerCase()] as Docs | undefined;
    const own = String(mapOf(docs ?? [])["since"]);
    since[words] = ((word === undefined ? own : sinceOf(word, docs ?? [], own)) ?? "unknown").replace(
      /\.0$/,
      "",
    );
  }
  redis.disconnect();
  expect(since).toEqual(USED);
});

it("the list has nothing newer than the floor", () => {
  const newer = Object.entries(USED).filter(([, version]) => {
    const [major, minor] = version.split(".").map(Number);
    return !(major! < FLOOR[0]! || (major === FLOOR[0] && minor! <= FLOOR[1]!));
  });
  expect(newer).toEqual([]);
});

it("of what Redis adds to Lua, the scripts use only what 6.2 has, and ask before they use more", () => {
  const lua = filesIn("lua", ".lua")
    .map((text) => text.replaceAll(/--.*$/gm, ""))
    .join("\n");
  const names = new Set([...lua.matchAll(/\bredis\.(\w+)/g)].map((found) => found[1]!));
  expect([...names].sort()).toEqual(["acl_check_cmd", "call", "pcall", "sha1hex"]);
  // From 7.0 on.
  expect(lua).toContain("if not redis.acl_check_cmd then return end");
});
