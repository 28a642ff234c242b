/**
 * Goal: the commands that docs/protocol.md lists for each role are sufficient, and a missing one is reported.
 * Method: users of a real Redis with exactly those commands; the projector's user folds all vectors.
 */
import { historyArgument } from "../../../src/core/history.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import type { FoldVector } from "../../../scripts/vectors/fold.ts";
import { commandsOf as ofTable } from "../../../src/core/access.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { project as script } from "../../../src/lua/generated.ts";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/protocol.md"), "utf8");
const folds = JSON.parse(readFileSync(join(root, "model/vectors/fold.json"), "utf8")) as FoldVector[];

/** The commands in backticks in the row of the table under "Access" that begins with `role`. */
function commandsOf(role: string): string[] {
  const section = page.slice(page.indexOf("## Access"), page.indexOf("## Invariants"));
  const row = section.split("\n").find((line) => line.startsWith(`| ${role}`))!;
  return [...row.matchAll(/`([A-Z| \\]+)`/g)].flatMap(([, names = ""]) =>
    names.replaceAll("\\", "").split(" "),
  );
}

let server: RedisServer;
let admin: Redis;
beforeAll(async () => {
  server = await startRedis();
  admin = new Redis(server.url);
});
afterAll(async () => {
  await admin.quit();
  await server.stop();
});

async function as(role: string): Promise<Redis> {
  const commands = commandsOf(role);
  expect(commands.length).toBeGreaterThanOrEqual(2);
  const name = role.replaceAll(" ", "-");
  const rules = [
    "reset",
    "on",
    ">a-password",
    "~{presence*",
    ...commands.map((one) => `+${one.toLowerCase()}`),
  ];
  await admin.call("ACL", "SETUSER", name, ...rules);
  return new Redis(server.url, { username: name, password: "a-password", enableReadyCheck: false });
}

const keys = keysOf("presence", 0, 1);

it.each([
  ["recorder", "recorder that does not project"],
  ["sweeper", "projector"],
  ["follower", "reader"],
] as const)("the commands of a %s are those that `rollcall acl` prints", (role, row) => {
  const printed = role === "follower" ? [...ofTable("reader"), "XREAD"] : ofTable(role);
  expect(commandsOf(row).sort()).toEqual([...printed].sort());
});

it("a projector can run every command it needs", async () => {
  const projector = await as("projector");
  for (const read of ["group", "range"]) {
    for (const { calls } of folds) {
      await admin.flushdb();
      for (const { append, now, budget, reap, history } of calls) {
        for (const { id, fields } of append) await admin.xadd(keys.records, id, ...fields);
        const keep = history && `604800000 604800000${historyArgument(history)}`;
        const args = [1, budget, reap ? 1 : 0, now, "", read, "2", "", keep ?? ""];
        await projector.eval(script.text, 11, ...keys.list, ...args);
      }
      // By the real clock, and with a part that is gone.
      await admin.hset(keys.users, "a ghost", "99");
      await projector.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", read, "1");
    }
  }
  await expect(projector.call("KEYS", "*")).rejects.toThrow(/NOPERM/);
  await projector.quit();
});

it("a projector without one of them gets an error before anything is written", async () => {
  await (await as("projector")).quit();
  await admin.call("ACL", "SETUSER", "projector", "-xtrim");
  await admin.flushdb();
  const projector = new Redis(server.url, {
    username: "projector",
    password: "a-password",
    enableReadyCheck: false,
  });
  const call = projector.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", "group", "2");
  await expect(call).rejects.toThrow(/PRESENCE_PERMISSION XTRIM|NOPERM/);
  expect(await admin.dbsize()).toBe(0);
  await projector.quit();
});

it("a recorder can append and check itself, and cannot read users", async () => {
  const recorder = await as("recorder that does not project");
  await recorder.xadd(keys.records, "MAXLEN", "~", 200_000, "*", "process", "p", "seq", "1", "ttl", "1000", "sockets", "0");
  const look = recorder.pipeline().hmget(keys.totals, "folded", "shards").hmget(keys.states, "p");
  expect(await look.exec()).toHaveLength(2);
  for (const refused of [["DEL", keys.records], ["HGETALL", keys.users], ["HSET", keys.totals, "users", "1"], ["XRANGE", keys.records, "-", "+"]])
    await expect(recorder.call(refused[0]!, ...refused.slice(1))).rejects.toThrow(/NOPERM/);
  await expect(recorder.xadd("other", "*", "a", "b")).rejects.toThrow(/NOPERM/);
  await recorder.quit();
}); // prettier-ignore

it("a reader can read, and cannot write", async () => {
  const reader = await as("reader");
  const snapshot = reader.multi().hmget(keys.totals, "users").xlen(keys.records).get(keys.clock).pttl(keys.clock);
  expect(await snapshot.exec()).toHaveLength(4);
  for (const refused of [["XADD", keys.records, "*", "a", "b"], ["HSET", keys.users, "a", "1"], ["EVAL", "return 1", "0"], ["DEL", keys.users], ["XTRIM", keys.changes, "MAXLEN", "0"]])
    await expect(reader.call(refused[0]!, ...refused.slice(1))).rejects.toThrow(/NOPERM/);
  await reader.quit();
}); // prettier-ignore
