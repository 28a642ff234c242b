/**
 * Goal: a Redis user that lacks one command is told which and to whom, leaves nothing half written, and works once it has it.
 * Method: for each command of a role, its user without it.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { untilEqual } from "../../../rig/until.ts";
import { commandsOf } from "../../../src/core/access.ts";
import { isLasting, type PresenceError } from "../../../src/core/errors.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { tail } from "../../../src/follow/tail.ts";
import { createProjector } from "../../../src/projector/create.ts";
import { createReader } from "../../../src/reader/create.ts";
import { append, populate, project } from "../http/support.ts";
import { type Guarded, PREFIX as prefix, startGuarded } from "./support.ts";

const keys = keysOf(prefix, 0, 1);

let guarded: Guarded;
beforeAll(async () => {
  guarded = await startGuarded();
});
afterAll(() => guarded[Symbol.asyncDispose]());
beforeEach(() => guarded.admin.flushall());

/** Every key with its value, and what was taken into the group's list. */
async function everything(): Promise<string> {
  const names = (await guarded.admin.keys("*")).sort();
  const values = await Promise.all(names.map((name) => guarded.admin.dumpBuffer(name)));
  // The read position of the group is no part of the projection: a read that is repeated begins there.
  return names.map((name, i) => (name === keys.records ? name : `${name} ${values[i]!.toString("hex")}`)).join("\n");
} // prettier-ignore

/** The subcommand is not in Redis's message; "SCRIPT" on Redis 7.0, which does not name the command. */
const named = (command: string) => new RegExp(`may not run (?:${command.replace("|", "[| ]")}|THIS COMMAND)`);

describe("a projector", () => {
  // The script can do without it: an entry that is too large is then weighed when it has been read.
  const needed = commandsOf("worker").filter(
    (name) => !["MEMORY|USAGE", "XREAD", "XREVRANGE"].includes(name),
  );

  it.each(needed.filter((name) => name !== "EVAL"))("without %s", async (name) => {
    const without = `-${name.toLowerCase()}`;
    await populate(guarded.admin, { prefix, users: ["alice"], ttl: 60_000 });
    await append(guarded.admin, { prefix, process: "web-2", users: ["bob", "carol"] });
    const before = await everything();
    const url = await guarded.as("sweeper", {}, [without]);
    // Only who keeps a history needs PFADD, and only who keeps one of scopes PEXPIRE.
    const history = name === "PEXPIRE" ? { scopes: ["/"] } : name === "PFADD";
    await using projector = createProjector({ redis: url, prefix, history });
    const failure = await projector.step().catch((error: unknown) => error as PresenceError);
    expect(failure).toMatchObject({ code: "PERMISSION", message: expect.stringMatching(named(name)) });
    expect(isLasting(failure as PresenceError)).toBe(true);
    // 6.2 cannot be asked, so the script learns it when it is under way.
    if (guarded.redis !== "6.2") expect(await everything()).toBe(before);
    await guarded.as("sweeper");
    await projector.step(0, { check: true });
    expect((await guarded.admin.hkeys(keys.users)).sort()).toEqual(["alice", "bob", "carol"]);
    expect(await guarded.admin.hmget(keys.totals, "users", "sockets")).toEqual(["3", "3"]);
  });

  it("without EVAL, where the script is not loaded", async () => {
    await guarded.admin.script("FLUSH");
    const url = await guarded.as("sweeper", {}, ["-eval"]);
    await using projector = createProjector({ redis: url, prefix });
    await expect(projector.step()).rejects.toMatchObject({ code: "PERMISSION", message: expect.stringMatching(/may not run EVAL/) });
    expect(await guarded.admin.dbsize()).toBe(0);
    await guarded.as("sweeper");
    await projector.step();
  }); // prettier-ignore

  it("says which user it is", async () => {
    await append(guarded.admin, { prefix, users: ["alice"] });
    const url = await guarded.as("sweeper", {}, ["-xtrim"]);
    await using projector = createProjector({ redis: url, prefix });
    await expect(projector.run()).rejects.toMatchObject({
      code: "PERMISSION",
      message: expect.stringMatching(/the Redis user "sweeper" may not run XTRIM.*rollcall acl/),
    });
  });

  it("without MEMORY USAGE folds all the same", async () => {
    await append(guarded.admin, { prefix, users: ["alice"] });
    const url = await guarded.as("sweeper", {}, ["-memory|usage"]);
    await using projector = createProjector({ redis: url, prefix });
    expect(await projector.step()).toMatchObject({ records: 1 });
  });
});

describe("a reader", () => {
  const work = async (reader: ReturnType<typeof createReader>) => {
    await reader.counts();
    await reader.lookup(["alice", "carol"]);
    await reader.usersList();
    await reader.processes();
    await reader.totals();
    const { next } = await reader.changes();
    await reader.changes({ after: next });
    await reader.in("news").changes();
    await reader.distinct({ day: new Date() });
  };

  it.each(commandsOf("reader"))("without %s", async (name) => {
    const ago = () => Date.now() - 60_000;
    await append(guarded.admin, { prefix, users: ["alice"], ttl: 1_000 });
    await project(guarded.admin, { prefix, now: ago });
    await append(guarded.admin, { prefix, process: "web-2", users: ["bob"] });
    await guarded.admin.hset(keys.users, "carol", "0");
    await guarded.admin.zadd(keys.leaving, Date.now() + 60_000, "carol");
    await guarded.admin.sadd(keys.told, "/,news");
    await guarded.admin.hset(keys.totals, "minute", "0 0 0 0 0 0 0 0");
    const before = await everything();
    const url = await guarded.as("reader", {}, [`-${name.toLowerCase()}`]);
    const reader = createReader({ redis: url, prefix });
    await expect(work(reader)).rejects.toMatchObject({ code: "PERMISSION", message: expect.stringMatching(named(name)) });
    expect(await everything()).toBe(before);
    await guarded.as("reader");
    await work(reader);
    reader.close();
  }); // prettier-ignore
});

it.each(["XREAD", "XREVRANGE"])("a follower without %s says so once, and follows once it may", async (name) => {
  const url = await guarded.as("worker", {}, [`-${name.toLowerCase()}`]);
  const states: (string | null)[] = [];
  const seen: string[] = [];
  const following = tail({
    redis: url,
    streams: [keys.records],
    onEntries: (_, entries) => void seen.push(...entries.map(({ id }) => id)),
    onState: (error) => states.push(error?.code ?? null),
  });
  await untilEqual(() => states, ["PERMISSION"]);
  await guarded.as("worker");
  const admin = new Redis(guarded.server.url);
  await untilEqual(async () => {
    await admin.xadd(keys.records, "*", "a", "b");
    return [states, seen.length > 0];
  }, [["PERMISSION", null], true], { every: 200, timeout: 40_000 });
  admin.disconnect();
  await following.close();
}); // prettier-ignore
