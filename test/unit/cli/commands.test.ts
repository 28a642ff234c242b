/**
 * Goal: each command prints what Redis has, in every form, and its exit code says how it went.
 * Method: a real Redis, a few users appended and projected, the commands called in this process.
 */
import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { createApp } from "../../../src/http/app.ts";
import { createReader } from "../../../src/reader/create.ts";
import { createSubscriber } from "../../../src/subscriber/create.ts";
import { startNode, connect } from "../../../rig/node.ts";
import { until } from "../../../rig/until.ts";
import { append, newPrefix, populate, TOKEN, useRedis } from "../http/support.ts";
import { serve } from "../http/serve.ts";
import { fieldsOf, plain, type Ran, rollcall, type Settings } from "./support.ts";

const test = useRedis();

/** Calls a command on the Redis of this file. */
function on(prefix: string) {
  return (args: readonly string[], settings: Settings = {}): Promise<Ran> =>
    rollcall(args, {
      ...settings,
      env: { REDIS_URL: test.server.url, ROLLCALL_PREFIX: prefix, ...settings.env },
    });
}

const jsonOf = (stdout: string): unknown[] =>
  stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as unknown);

async function present(users: readonly string[], options: { ttl?: number; process?: string } = {}) {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users, ...options });
  return { prefix, run: on(prefix) };
}

describe("status", () => {
  it("prints facts a line in a pipe, tables on a terminal, one object as JSON", async () => {
    const { run } = await present(["alice", "alice", "bob"]);
    const piped = await run(["status"]);
    expect([piped.code, piped.stderr]).toEqual([0, ""]);
    const facts = new Map(fieldsOf(piped.stdout).map(([name, ...rest]) => [name, rest]));
    expect(facts.get("users")).toEqual(["2"]);
    expect(facts.get("sockets")).toEqual(["3"]);
    expect(facts.get("process")!.slice(0, 3)).toEqual(["web-1", "live", "3"]);

    const terminal = await run(["status"], { isTTY: true });
    expect(terminal.stdout).toContain("\u001B[");
    expect(plain(terminal.stdout)).toMatch(
      /^users 2 {3}sockets 3 {3}connections \d+ {3}127\.0\.0\.1:\d+\nfresh/,
    );
    expect(plain(terminal.stdout)).toMatch(/^PROCESS +STATE +SOCKETS/m);
    const bare = await run(["status"], { isTTY: true, env: { NO_COLOR: "1" } });
    expect(bare.stdout).not.toContain("\u001B[");

    const [answer] = jsonOf((await run(["status", "--json"])).stdout);
    expect(answer).toMatchObject({ users: 2, sockets: 3, processes: [{ id: "web-1" }], subscribers: [] });
  });

  it("ends with 1 where nothing projects", async () => {
    const prefix = newPrefix();
    await append(test.redis, { prefix, users: ["alice"] });
    const { code, stdout } = await on(prefix)(["status", "--json"]);
    expect(jsonOf(stdout)).toMatchObject([{ asOf: { stale: true } }]);
    expect(code).toBe(1);
  });

  it("--watch shows again and again, until it is ended", async () => {
    const { run } = await present(["alice"]);
    const ending = new AbortController();
    const onOutput = (all: string) => {
      if (jsonLines(all) === 3) ending.abort();
    };
    const { code, stdout } = await run(["status", "--watch", "--json", "--interval", "100"], {
      signal: ending.signal,
      onOutput,
    });
    expect(jsonOf(stdout)).toHaveLength(3);
    expect(code).toBe(130);
  });
});

const jsonLines = (text: string) => text.split("\n").length - 1;

describe("users", () => {
  it("lists all of them, or as many as asked for, with ids that cannot harm", async () => {
    const many = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);
    const { run } = await present(["tab\there", "esc\u001B[31m", ...many]);
    const { stdout } = await run(["users"]);
    const rows = fieldsOf(stdout);
    expect(rows).toHaveLength(2_502);
    expect(rows).toContainEqual(["1", "tab\\there"]);
    expect(rows).toContainEqual(["1", "esc\\u{1b}[31m"]);
    expect(fieldsOf((await run(["users", "--limit", "7"])).stdout)).toHaveLength(7);
    expect(jsonOf((await run(["users", "--json"])).stdout)).toContainEqual({
      id: "esc\u001B[31m",
      online: true,
      sockets: 1,
    });
    const terminal = await run(["users", "--limit", "3"], { isTTY: true });
    expect(plain(terminal.stdout)).toMatch(/^SOCKETS {2}USER\n {6}1 {2}/);
  });

  it("of the past, and 1 where nobody knows", async () => {
    const { run } = await present(["alice", "bob"]);
    const now = await run(["users", "--at", "now"]);
    expect(fieldsOf(now.stdout)).toEqual([["alice"], ["bob"]]);
    const before = await run(["users", "--at", "365d"]);
    expect(before).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("kept only since") });
  });

  it("of a room, by either way of naming it; not of one that is not counted", async () => {
    const prefix = newPrefix();
    await using node = await startNode({ redis: test.server.url, prefix, rooms: ["news"] });
    node.io.on("connection", (socket) => void socket.join("news"));
    await connect(node.url, "alice");
    const run = on(prefix);
    await until(
      "alice is in the room",
      async () => (await run(["users", "--room", "news"])).stdout === "1\talice\n",
    );
    expect((await run(["users", "--scope", "/,news"])).stdout).toBe("1\talice\n");
    expect(fieldsOf((await run(["scopes"])).stdout)).toContainEqual(["1", "1", "/", "news"]);
    const other = await run(["users", "--room", "other"]);
    expect(other).toMatchObject({ code: 4, stdout: "" });
  });
});

describe("user", () => {
  it("says where, and since when; 1 for one who is offline", async () => {
    const { run } = await present(["alice", "alice"]);
    const { code, stdout } = await run(["user", "alice", "--from", "1h"]);
    const rows = fieldsOf(stdout);
    expect(rows.slice(0, 2)).toEqual([
      ["user", "alice", "online", "2"],
      ["process", "web-1", "2"],
    ]);
    expect(rows[2]).toEqual(["session", expect.stringMatching(/^20/), "", ""]);
    expect(code).toBe(0);
    expect(await run(["user", "bob"])).toMatchObject({ code: 1, stdout: "user\tbob\toffline\t0\n" });
    expect(jsonOf((await run(["user", "bob", "--json"])).stdout)).toMatchObject([
      { id: "bob", online: false },
    ]);
    expect(plain((await run(["user", "alice"], { isTTY: true })).stdout)).toMatch(
      /^online, 2 sockets\nSOCKETS/,
    );
  });
});

describe("changes", () => {
  it("tells those of now by itself, and follows", async () => {
    const { prefix, run } = await present(["alice"]);
    const first = await run(["changes"]);
    expect(fieldsOf(first.stdout)).toEqual([[expect.stringMatching(/^20/), "+", "alice", "connect"]]);
    const [, cursor = ""] = /^continue with --after (\S+)$/m.exec(first.stderr)!;

    const ending = new AbortController();
    const following = run(["changes", "--follow", "--json", "--interval", "100", "--after", cursor], {
      signal: ending.signal,
      onOutput: (all) => all.includes("bob") && ending.abort(),
    });
    await populate(test.redis, { prefix, process: "web-2", users: ["bob"] });
    const { code, stdout } = await following;
    expect(jsonOf(stdout)).toMatchObject([{ type: "online", user: "bob", cause: "connect" }]);
    expect(code).toBe(130);
  });

  it("says that some are gone, with 1", async () => {
    const { prefix, run } = await present(["alice"]);
    const { stderr } = await run(["changes"]);
    const [, cursor = ""] = /--after (\S+)/.exec(stderr)!;
    await populate(test.redis, { prefix, process: "web-2", users: ["bob"] });
    await populate(test.redis, { prefix, process: "web-3", users: ["carol"] });
    await test.redis.xtrim(keysOf(prefix, 0, 1).changes, "MAXLEN", 1);
    const after = await run(["changes", "--after", cursor, "--json"]);
    expect(jsonOf(after.stdout)).toMatchObject([{ gap: true }]);
    expect(after).toMatchObject({ code: 1, stderr: expect.stringContaining("no longer kept") });
  });
});

describe("history", () => {
  it("is a line a step; 4 where none is kept", async () => {
    const { run } = await present(["alice"]);
    expect(await run(["history"])).toMatchObject({ code: 4, stdout: "" });
    const prefix = newPrefix();
    await append(test.redis, { prefix, users: ["alice", "bob"] });
    await projectorOver(ioredisPort(test.redis), { prefix, history: true }).sweep();
    const { code, stdout } = await on(prefix)(["history", "--from", "3m"]);
    const rows = fieldsOf(stdout);
    expect(code).toBe(0);
    expect(rows.at(-1)!.slice(1, 2)).toEqual(["2"]);
    expect(rows.length).toBeGreaterThan(2);
    expect(jsonOf((await on(prefix)(["history", "--json"])).stdout).at(-1)).toMatchObject({
      users: { last: 2 },
    });
  });
});

describe("webhooks", () => {
  it("lists subscribers and dead letters, delivers one again and drops another", async () => {
    const prefix = newPrefix();
    let isBroken = true;
    const handled: string[] = [];
    const subscriber = createSubscriber({
      redis: test.server.url,
      prefix,
      name: "crm",
      retries: [],
      logger: false,
      handle(change) {
        if (isBroken) throw new Error("no\u001B[31m thanks");
        handled.push("user" in change ? change.user : "");
      },
    });
    onTestFinished(() => subscriber.close());
    await subscriber.deliver();
    await populate(test.redis, { prefix, users: ["alice", "bob"] });
    await until("both were given up", async () => {
      await subscriber.deliver();
      return (await subscriber.deadLetters.count()) === 2;
    });
    const run = on(prefix);
    expect(fieldsOf((await run(["webhooks"])).stdout)[0]!.slice(0, 2)).toEqual(["crm", "2"]);
    const rows = fieldsOf((await run(["webhooks", "crm"])).stdout);
    expect(rows.map(([, , tried, event, user]) => [tried, event, user])).toEqual([
      ["1", "online", "alice"],
      ["1", "online", "bob"],
    ]);
    expect(rows[0]!.at(-1)).toContain("no\\u{1b}[31m thanks");
    const [[first = ""] = [], [second = ""] = []] = rows;
    expect(await run(["webhooks", "crm", "--drop", second, "--yes"])).toMatchObject({
      code: 0,
      stdout: `dropped\t${second}\n`,
    });
    expect(await run(["webhooks", "crm", "--drop", second, "--yes"])).toMatchObject({ code: 1 });
    isBroken = false;
    expect(await run(["webhooks", "crm", "--retry", first])).toMatchObject({
      code: 0,
      stdout: `retried\t${first}\n`,
    });
    await subscriber.deliver();
    expect(handled).toEqual(["alice"]);
    expect((await run(["webhooks", "crm"])).stdout).toBe("");
  });
});

describe("what writes", () => {
  it("verify finds what differs with 1, and corrects it with --repair", async () => {
    const { prefix, run } = await present(["alice"]);
    const { users, totals } = keysOf(prefix, 0, 1);
    expect(await run(["verify"])).toMatchObject({ code: 0, stderr: "1 users checked, 0 differences\n" });
    await test.redis.hset(totals, "sockets", 9);
    const found = await run(["verify", "--json"]);
    expect(found.code).toBe(1);
    expect(jsonOf(found.stdout)).toMatchObject([{ repaired: false }]);
    expect(Number(await test.redis.hget(totals, "sockets"))).toBe(9);
    expect((await run(["verify", "--repair", "--yes"])).code).toBe(0);
    expect(Number(await test.redis.hget(totals, "sockets"))).toBe(1);
    expect(await test.redis.hlen(users)).toBe(1);
  });

  it("evict ends a process, and says with 1 that there is none", async () => {
    const { prefix, run } = await present(["alice"]);
    expect(await run(["evict", "web-9", "--yes"])).toMatchObject({ code: 1, stdout: "not found\tweb-9\n" });
    expect(await run(["evict", "web-1", "--yes"])).toMatchObject({ code: 0, stdout: "evicted\tweb-1\n" });
    expect(await on(prefix)(["user", "alice"])).toMatchObject({ code: 1 });
  });

  it("evict trims nothing that servers want to keep", async () => {
    const { prefix, run } = await present(["alice"]);
    const { changes, totals } = keysOf(prefix, 0, 1);
    const old = `${Date.now() - 30 * 86_400_000}-0`;
    const [[, fields] = ["", []]] = await test.redis.xrange(changes, "-", "+");
    await test.redis.del(changes);
    await test.redis.xadd(changes, old, ...fields);
    // It was long ago that somebody looked for what is too old.
    await test.redis.hdel(totals, "trimmed");
    await run(["evict", "web-1", "--yes"]);
    expect((await test.redis.xrange(changes, old, old)).length).toBe(1);
  });

  it("forget refuses a user who is here with 1, and forgets one who is not", async () => {
    const { prefix, run } = await present(["alice"]);
    const refused = await run(["forget", "alice", "--yes"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("is present") });
    expect(refused.stderr).not.toContain("alice");
    await run(["evict", "web-1", "--yes"]);
    const forgotten = await run(["forget", "alice", "--yes", "--json"]);
    expect(jsonOf(forgotten.stdout)).toMatchObject([{ changes: 2 }]);
    const left = await test.redis.xrange(keysOf(prefix, 0, 1).changes, "-", "+");
    expect(JSON.stringify(left)).not.toContain("alice");
  });

  it("sweep says with 1 that work is left", async () => {
    const prefix = newPrefix();
    const run = on(prefix);
    await append(test.redis, { prefix, shards: 2, users: ["alice", "bob", "carol", "dave"] });
    const env = { ROLLCALL_SHARDS: "2" };
    expect(await run(["sweep", "--requests", "1", "--json"], { env })).toMatchObject({ code: 1 });
    const { code, stdout } = await run(["sweep"], { env });
    expect(code).toBe(0);
    expect(fieldsOf(stdout)).toContainEqual(["idle", "true"]);
  });

  it("bench measures, and leaves nothing behind", async () => {
    const before = await test.redis.dbsize();
    const { code, stdout, stderr } = await rollcall(["bench", "--operations", "300", "--json"], {
      env: { REDIS_URL: test.server.url },
    });
    expect(code).toBe(0);
    const [values] = jsonOf(stdout) as [Record<string, number>];
    expect(Object.values(values).every((value) => value > 0)).toBe(true);
    expect(stderr).toContain("which is deleted afterwards");
    expect(await test.redis.dbsize()).toBe(before);
  });
});

describe("where it reads", () => {
  it("over the HTTP API it is the same, and a wrong token is told", async () => {
    const { prefix, run } = await present(["alice", "bob"]);
    const reader = createReader({ redis: test.server.url, prefix });
    onTestFinished(() => reader.close());
    await using api = await serve(createApp({ reader, tokens: [TOKEN] }));
    const env = {
      REDIS_URL: undefined,
      ROLLCALL_PREFIX: undefined,
      ROLLCALL_URL: api.url,
      ROLLCALL_TOKEN: TOKEN,
    };
    for (const args of [
      ["users"],
      ["users", "--at", "now"],
      ["user", "alice"],
      ["changes", "--from", "1h"],
      ["scopes"],
      ["webhooks"],
    ]) {
      const [direct, over] = [await run(args), await rollcall(args, { env })];
      expect(over.stdout, args.join(" ")).toBe(direct.stdout);
      expect(over.code).toBe(direct.code);
    }
    expect((await rollcall(["status"], { env })).stdout).toContain("users\t2\n");
    const wrong = await rollcall(["users"], { env: { ...env, ROLLCALL_TOKEN: "a-token-that-is-wrong" } });
    expect(wrong).toMatchObject({ code: 4, stdout: "", stderr: expect.stringContaining("the API answered") });
    expect(wrong.stderr).not.toContain("a-token-that-is-wrong");
  });

  it.each([
    ["status"],
    ["users"],
    ["user", "alice"],
    ["scopes"],
    ["changes"],
    ["history"],
    ["webhooks"],
    ["webhooks", "crm"],
    ["verify"],
    ["evict", "x", "--yes"],
    ["forget", "x", "--yes"],
    ["sweep"],
    ["bench"],
  ])("%s %s names an unreachable Redis in one line, with 3", async (...args) => {
    const { code, stdout, stderr } = await rollcall(args, {
      env: { REDIS_URL: "redis://:s3cret@127.0.0.1:1" },
    });
    const [line = "", ...more] = stderr.trim().split("\n").toReversed();
    expect(line).toMatch(
      new RegExp(`^rollcall ${args[0]}: cannot connect to Redis at 127\\.0\\.0\\.1:1: ECONNREFUSED`),
    );
    expect(more.length).toBeLessThanOrEqual(args[0] === "bench" ? 1 : 0);
    expect(stderr + stdout).not.toContain("s3cret");
    expect([code, stdout]).toEqual([3, ""]);
  });

  it("a Redis that does not answer is given up after --timeout", async () => {
    const prefix = newPrefix();
    await test.redis.call("CLIENT", "PAUSE", "1500", "ALL");
    const { code, stderr } = await on(prefix)(["status", "--timeout", "200"]);
    expect(stderr).toContain("no answer within 200 ms");
    expect(code).toBe(3);
  });

  it("what is wrong with what Redis holds ends with 4", async () => {
    const { run } = await present([randomBytes(4).toString("hex")]);
    const { code, stderr } = await run(["status", "--shards", "2"]);
    expect(stderr).toMatch(/^rollcall status: this prefix was opened with 1 shard/);
    expect(code).toBe(4);
  });
});
