/**
 * Goal: the table of src/core/access.ts has for each role what the code sends, no less and no more, and each user can do its work.
 * Method: the real code of each role on a real Redis with the user of that role. The log of the ACLs shows what was refused, even
 * where the client hides it; MONITOR shows what was sent and what the scripts called.
 */
import { historyArgument } from "../../../src/core/history.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { entryOf } from "../../../rig/entry.ts";
import { connect, startNode, startServer, type TestNode, userOfAuth } from "../../../rig/node.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import type { FoldVector } from "../../../scripts/vectors/fold.ts";
import { aclRules, commandsOf, type Role } from "../../../src/core/access.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { createApp } from "../../../src/http/app.ts";
import { project as script } from "../../../src/lua/generated.ts";
import { createPresence } from "../../../src/presence/presence.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { createReader } from "../../../src/reader/create.ts";
import { createSubscriber } from "../../../src/subscriber/create.ts";
import { append, project, TOKEN } from "../http/support.ts";
import { type Guarded, PREFIX as prefix, startGuarded } from "./support.ts";

const root = join(import.meta.dirname, "../../..");
const folds = JSON.parse(readFileSync(join(root, "model/vectors/fold.json"), "utf8")) as FoldVector[];
const keys = keysOf(prefix, 0, 1);
const CONNECTING = ["INFO", "CLIENT|SETNAME", "CLIENT|SETINFO", "CLUSTER|SLOTS", "CLUSTER|INFO", "SELECT"];
/** Sent whatever the rules are: no rule is needed for AUTH and HELLO, and the check of the server's age needs no answer. */
const FREE = ["AUTH", "HELLO"];

let guarded: Guarded;
/** What the script of the projector calls, over all vectors. */
let byScript: Set<string>;
beforeAll(async () => {
  guarded = await startGuarded();
  const watch = await guarded.watch();
  const worker = new Redis(await guarded.as("sweeper"));
  for (const read of ["group", "range"]) {
    for (const { calls } of folds) {
      await guarded.admin.flushdb();
      for (const { append: entries, now, budget, reap, history } of calls) {
        for (const { id, fields } of entries) await guarded.admin.xadd(keys.records, id, ...fields);
        const keep = history && `604800000 604800000${historyArgument(history)}`;
        await worker.eval(
          script.text,
          11,
          ...keys.list,
          1,
          budget,
          reap ? 1 : 0,
          now,
          "",
          read,
          "2",
          "",
          keep ?? "",
        );
      }
      // By the real clock, and with a part that is gone.
      await guarded.admin.hset(keys.users, "a ghost", "99");
      await worker.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", read, "1");
    }
    // Memberships of scopes: a told one, and a user who lingers in it until a goodbye.
    const member = (seq: number, rest: Readonly<Record<string, unknown>>) =>
      guarded.admin.xadd(keys.records, "*", ...entryOf({ process: "p", seq, ttl: 60_000, ...rest }));
    await member(1, { grace: 60_000, connect: ["a"], sockets: 1, join: [["*/,x", "a"]], memberships: 1 });
    await member(2, { sockets: 1, drop: [["/,x", "a"]], memberships: 0 });
    await worker.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", read, "1");
    await member(3, { leave: ["a"], sockets: 0, memberships: 0 });
    await worker.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", read, "1");
    // An id after which nobody could append.
    await guarded.admin.xadd(keys.records, `${Date.now()}-18446744073709551615`, "no", "record");
    await worker.eval(script.text, 11, ...keys.list, 1, 1_000, 1, "", "", read, "1");
  }
  byScript = await watch.end();
  worker.disconnect();
});
afterAll(() => guarded[Symbol.asyncDispose]());
beforeEach(async () => {
  await guarded.admin.flushdb();
  await guarded.denied();
});

/** Runs the work of a role as its user; then compares what was sent with the table. */
async function compare(role: Role, work: (url: string) => Promise<void>): Promise<void> {
  const url = await guarded.as(role);
  const watch = await guarded.watch();
  await work(url);
  const sent = await watch.end();
  const denied = await guarded.denied();
  // Before 7.2 there is no CLIENT SETINFO: ioredis asks nevertheless.
  const known = guarded.redis === "7.2" ? denied : denied.filter((line) => !/setinfo/i.test(line));
  expect(known).toEqual([]);
  const allowed = new Set([...commandsOf(role), ...CONNECTING, ...FREE]);
  expect([...sent].filter((name) => !allowed.has(name))).toEqual([]);
  const isProjecting = commandsOf(role).includes("XREADGROUP");
  const used = new Set([...sent, ...(isProjecting ? byScript : [])]);
  expect(commandsOf(role).filter((name) => !used.has(name))).toEqual([]);
}

/** alice and bob come, and go once `seen` says so; carol loses her transport, and has a grace. */
async function visit(url: string, seen: () => Promise<unknown>): Promise<void> {
  const sockets = await Promise.all(["alice", "bob", "carol"].map((user) => connect(url, user)));
  await seen();
  sockets.pop()!.io.engine.close();
  for (const socket of sockets) socket.disconnect();
}

/** They come to a server that hears of it, and it answers. */
async function visitAndAsk({ url, heard, presence }: TestNode): Promise<void> {
  const lines = (sign: string) => heard.filter((line) => line.startsWith(sign)).length;
  await visit(url, () => untilEqual(() => lines("+"), 3));
  await untilEqual(() => lines("-"), 2);
  await untilEqual(async () => (await presence.user("carol")).online, true);
  await ask(presence);
  await lapse(() => presence.users());
}

const appended = async () => {
  const entries = await guarded.admin.xrange(keys.records, "-", "+");
  return entries.flatMap(([, fields]) => fields).join(" ");
};

it("a recorder appends, and knows whether it is lost", async () => {
  await compare("recorder", async (redis) => {
    const { io, url } = await startServer();
    const presence = createPresence(io, { redis, prefix, project: false, ttl: 1_000, user: userOfAuth });
    await presence.ready;
    await visit(url, () =>
      until("carol's record is there", async () => (await appended()).includes("carol")),
    );
    await presence.close();
    await io.close();
    expect(await appended()).toMatch(/alice.*bye/);
  });
});

it("a server that does not project counts, answers and follows", async () => {
  await using worker = createProjector({ redis: guarded.admin, prefix });
  const running = worker.run();
  await untilEqual(() => guarded.admin.exists(keys.totals), 1);
  await compare("server", async (redis) => {
    await using node = await startNode({ redis, prefix, project: false, grace: 60_000 });
    await visitAndAsk(node);
  });
  await worker.close();
  await running;
});

it("a server that projects does all of it", async () => {
  await compare("projecting-server", async (redis) => {
    await using node = await startNode({ redis, prefix, grace: 60_000 });
    await visitAndAsk(node);
  });
});

it("a worker projects until it is stopped", async () => {
  await compare("worker", async (redis) => {
    await using worker = createProjector({ redis, prefix });
    const running = worker.run();
    await untilEqual(() => guarded.admin.exists(keys.totals), 1);
    await append(guarded.admin, { prefix, users: ["alice"] });
    await untilEqual(() => guarded.admin.hlen(keys.users), 1);
    await worker.close();
    await running;
  });
});

it("a sweeper sweeps", async () => {
  await append(guarded.admin, { prefix, users: ["alice"] });
  await compare("sweeper", async (redis) => {
    await using sweeper = createProjector({ redis, prefix });
    expect(await sweeper.sweep()).toMatchObject({ idle: true, records: 1 });
    expect(await sweeper.sweep()).toMatchObject({ idle: true, records: 0 });
  });
});

it("an operator verifies, repairs, evicts and forgets", async () => {
  await append(guarded.admin, { prefix, process: "web-1", users: ["alice", "bob"] });
  await project(guarded.admin, { prefix });
  await guarded.admin.hset(keys.users, { "a ghost": "7", carol: "0" });
  await guarded.admin.zadd(keys.leaving, Date.now() + 600_000, "nobody");
  await compare("operator", async (redis) => {
    await using operator = createProjector({ redis, prefix });
    await operator.verify({ repair: true });
    const state = await guarded.admin.hget(keys.states, "web-1");
    await guarded.admin.hset(keys.states, "web-1", state!.replace(/^live (\d+) \d+/, "live $1 77"));
    await operator.verify({ repair: true });
    expect(await operator.evict("web-1")).toBe(true);
    expect(await guarded.admin.hlen(keys.users)).toBe(0);
    await guarded.admin.xadd(keys.records, "*", "no", "record", "of", "alice");
    expect(await operator.forget("alice")).toMatchObject({ rejected: 1 });
    expect(JSON.stringify(await guarded.admin.xrange(keys.changes, "-", "+"))).not.toContain("alice");
  });
});

it("a subscriber delivers, compares, gives up and is removed", async () => {
  await serveBilling("subscriber");
});

it("a server with subscribers does all of it", async () => {
  await serveBilling("subscribing-server", async (redis) => {
    await using node = await startNode({ redis, prefix, grace: 60_000 });
    await visitAndAsk(node);
  });
});

it("a reader answers, over HTTP too", async () => {
  await compare("reader", async (redis) => {
    const reader = createReader({ redis, prefix });
    const app = createApp({ reader, tokens: [TOKEN], reuse: 0 });
    await lapse(async () => {
      for (const path of ["/ready", "/metrics", "/v1/counts", "/v1/users", "/v1/users/alice", "/v1/processes", "/v1/changes"]) {
        const { status } = await app.request(path, { headers: { authorization: `Bearer ${TOKEN}` } });
        expect([path, [200, 503].includes(status)]).toEqual([path, true]);
        if (path !== "/ready") expect([path, status]).toEqual([path, 200]);
      }
      const { next } = await reader.changes();
      await reader.changes({ after: next });
      await reader.lookup(["alice", "bob"]);
      await reader.usersList();
      await ask(reader);
    });
    reader.close();
  });
}); // prettier-ignore

it.each([1, 4, 40])("the keys of all of %i shards are allowed, and no others", async (shards) => {
  const url = await guarded.as("reader", { shards });
  const reader = new Redis(url);
  for (let shard = 0; shard < shards; shard++)
    expect(await reader.hlen(keysOf(prefix, shard, shards).users).catch(String)).toMatch(/hlen/);
  for (let shard = 0; shard < shards; shard++)
    expect(await reader.xlen(keysOf(prefix, shard, shards).records)).toBe(0);
  for (const other of ["acl", "acl-tes", "acl-test2", "acl-test:x", "acl-test:", "*"])
    await expect(reader.xlen(keysOf(other, 0, 1).records)).rejects.toThrow(/NOPERM/);
  const tenant = keysOf(`${prefix}:2`, 1, 4).records;
  await expect(reader.xlen(tenant)).rejects.toThrow(/NOPERM/);
  reader.disconnect();
});

it("a prefix with the characters of a pattern stands for itself", async () => {
  const odd = "a*b?c[d]e\\f'g";
  const reader = new Redis(await guarded.as("reader", { prefix: odd, shards: 2 }));
  for (const shard of [0, 1]) expect(await reader.xlen(keysOf(odd, shard, 2).records)).toBe(0);
  await expect(reader.xlen("{aXXb?c[d]e\\f'g}:records")).rejects.toThrow(/NOPERM/);
  await expect(reader.xlen("{a*bXcde\\f'g}:records")).rejects.toThrow(/NOPERM/);
  reader.disconnect();
});

it("a client with another database, and each form of the rules, are covered", async () => {
  const url = await guarded.as("reader", { select: true });
  const reader = createReader({ redis: `${url}/3`, prefix });
  expect(await reader.counts()).toMatchObject({ users: 0 });
  reader.close();
  for (const redis of ["6.2", "7.0", "7.2"] as const)
    expect(aclRules({ role: "reader", redis }).includes("+client|setinfo")).toBe(redis === "7.2");
});

/** What a subscriber can meet. */
async function serveBilling(
  role: Role,
  first: (url: string) => Promise<void> = async () => {},
): Promise<void> {
  const { admin } = guarded;
  await append(admin, { prefix, users: ["ann", "ben"] });
  await project(admin, { prefix });
  const { subscriber: state, known } = {
    subscriber: `{${prefix}}:subscriber:billing`,
    known: `{${prefix}}:known:billing`,
  };
  await compare(role, async (redis) => {
    await first(redis);
    const got: string[] = [];
    const open = () =>
      createSubscriber({
        redis,
        prefix,
        name: "billing",
        logger: false,
        retries: [0],
        handle(delivery) {
          got.push(delivery.type);
          if (delivery.type !== "gap") throw new Error("down");
        },
      });
    await using one = open();
    await one.deliver();
    // Deliveries that fail twice.
    await append(admin, { prefix, process: "second", users: ["cleo"] });
    await project(admin, { prefix });
    await until("cleo was given up", async () => {
      await one.deliver();
      return (await one.deadLetters.count()) === 1;
    });
    const { letters } = await one.deadLetters.list();
    await one.deadLetters.drop(letters[0]!.id);
    // A gap, and a comparison in both directions.
    await admin.xadd(keys.changes, "*", "trimmed", "");
    await admin.xtrim(keys.changes, "MAXLEN", 1);
    await admin.sadd(known, "nobody");
    await admin.srem(known, "ann");
    await until("it was compared", async () => {
      await one.deliver();
      return got.includes("gap") && (await admin.hget(state, "phase")) === "" && (await one.deliver()).idle;
    });
    await admin.hdel(state, "checked", "compared");
    await one.deliver();
    // Within the window of the comparison.
    await append(admin, { prefix, process: "third", users: ["dora"] });
    await project(admin, { prefix });
    await admin.hset(state, "window", "9999999999999-0");
    await one.deliver();
    // Before the first change nothing proves itself.
    await admin.hset(state, "entry", "0-0", "place", "0", "begun", "", "from", "now");
    await one.deliver();
    // The same of a room: who was there, and one who is not any more.
    const rooms = createSubscriber({
      redis,
      prefix,
      name: "rooms",
      logger: false,
      scopes: true,
      handle() {},
    });
    await admin.sadd(`{${prefix}}:told`, "/,x");
    await admin.hset(`{${prefix}}:scope:/,x`, "ann", "1");
    await rooms.deliver();
    await admin.hset(`{${prefix}}:subscriber:rooms`, "phase", "users", "scan", "0");
    await rooms.deliver();
    await admin.hset(`{${prefix}}:subscriber:rooms`, "checked", "0", "compared", "0");
    await rooms.deliver();
    await rooms.close();
    const serving = one.run();
    await one.ready;
    await until("it waits for changes", async () => String(await admin.client("LIST")).includes("cmd=xread"));
    await one.close();
    await serving;
    await using last = open();
    await last.remove();
  });
}

/** Everything that a reader can be asked. */
async function ask(reader: Pick<Parameters<typeof createApp>[0]["reader"], "counts" | "user" | "lookup" | "totals" | "processes" | "changes" | "usersList" | "distinct" | "in">): Promise<void> {
  await reader.counts();
  await reader.user("alice");
  await reader.lookup(["alice", "bob"]);
  await reader.totals();
  await reader.processes();
  await reader.usersList();
  const { next } = await reader.changes();
  await reader.changes({ after: next });
  // As a projector with a history leaves it.
  await guarded.admin.hset(keys.totals, "minute", "0 0 0 0 0 0 0 0");
  await reader.distinct({ day: new Date() });
  await reader.in("x").changes().catch((error: unknown) => expect(error).toMatchObject({ code: "SCOPE_UNTRACKED" }));
} // prettier-ignore

/** Calls `question` while a lease and a grace are over that no projector has ended, and the log has records. */
async function lapse(question: () => unknown): Promise<void> {
  const { admin } = guarded;
  const ago = () => Date.now() - 60_000;
  await append(admin, { prefix, process: "gone", users: ["alice", "bob"], ttl: 1_000, grace: 1_000 });
  await project(admin, { prefix, now: ago });
  await admin.hset(keys.users, "carol", "0");
  await admin.zadd(keys.leaving, Date.now() - 1, "carol");
  await admin.xadd(keys.records, "*", ...encodeRecord({ process: "other", seq: 1, ttl: 1_000, sockets: 0 }));
  await question();
}
