/**
 * Goal: a process's hash of socket ids holds what its records say, all of a record or none of it, on both paths; a wrong number fences; and
 * nothing of it is left of a process that has ended.
 * Method: the real script under a test's clock; records by hand, and journals at random beside a model of one line.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { operations, TestShard, type TestRecord } from "../../../rig/shard.ts";
import { Journal } from "../../../src/core/journal.ts";
import { SOCKET_SCOPES_MAX } from "../../../src/core/limits.ts";
import { encodeRecord } from "../../../src/core/record.ts";

let server: RedisServer;
const shards: TestShard[] = [];
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
afterEach(async () => {
  for (const shard of shards.splice(0)) await shard.close();
});

function open(options: ConstructorParameters<typeof TestShard>[1] = {}): TestShard {
  const shard = new TestShard(server.url, options);
  shards.push(shard);
  return shard;
}

const ABOUT = { host: "web", pid: 1, version: "1", grace: 0, tracks: ["/", "/,*", "#"] };

/** Socket id → user and scopes, of a slot. */
async function idsOf(shard: TestShard, slot: number): Promise<Record<string, string[]>> {
  const found = await shard.redis.hgetall(`${shard.keys.tag}:sockets:${slot}`);
  return Object.fromEntries(Object.entries(found).map(([id, value]) => [id, JSON.parse(value) as string[]]));
}

const keysLeft = async (shard: TestShard) =>
  (await shard.redis.keys(`*${shard.prefix}*`)).filter((key) => key.includes(":sockets:"));

describe.each([
  ["quick", false],
  ["careful", true],
] as const)("on the %s path", (path, check) => {
  /** A live process with two sockets. */
  async function live(): Promise<TestShard> {
    const shard = open();
    await shard.record({
      process: "p", seq: 1, sockets: 2, about: ABOUT, operations: operations("+alice", "+bob"),
      join: [["/", "alice", "bob"], ["/,news", "alice"]], memberships: 3,
      open: [["s1", "alice", "/", "/,news"], ["s2", "bob", "/"]], ids: 2,
    }); // prettier-ignore
    await shard.drain();
    return shard;
  }

  /** One step, on this path: the careful one writes `rejected`. */
  async function step(shard: TestShard, record: Omit<TestRecord, "process">): Promise<void> {
    await shard.record({ process: "p", ...record });
    await shard.redis.hdel(shard.keys.totals, "rejected");
    await shard.step(check ? { check: true } : {});
    const wasCareful = (await shard.redis.hexists(shard.keys.totals, "rejected")) === 1;
    expect(wasCareful ? "careful" : "quick").toBe(path);
  }

  it("what `open` says replaces what was said, and `gone` takes away", async () => {
    const shard = await live();
    expect(await idsOf(shard, 1)).toEqual({ s1: ["alice", "/", "/,news"], s2: ["bob", "/"] });
    await step(shard, {
      seq: 2, sockets: 2, memberships: 3, ids: 2,
      open: [["s1", "alice", "/"], ["s3", "", "/", "/,é,\u0001"]], gone: ["s2"],
    }); // prettier-ignore
    expect(await idsOf(shard, 1)).toEqual({ s1: ["alice", "/"], s3: ["", "/", "/,é,\u0001"] });
    await shard.check();
  });

  it("a heartbeat proves that they are there", async () => {
    const shard = await live();
    await step(shard, { seq: 2, sockets: 2, memberships: 3, ids: 2 });
    expect((await shard.process("p")).state).toBe("live");
    await shard.redis.hdel(`${shard.keys.tag}:sockets:1`, "s1");
    await shard.record({ process: "p", seq: 3, sockets: 2, memberships: 3, ids: 2 });
    await shard.step(check ? { check: true } : {});
    expect((await shard.process("p")).state).toBe("fenced");
    expect((await shard.process("p")).about["reason"]).toBe("check digit: 2 ids declared, 1 counted");
  });

  it.each([
    ["too many", { open: [["s3", "bob", "/"]], ids: 2 }],
    ["too few", { gone: ["s1"], ids: 2 }],
    ["one that goes and is not there", { gone: ["s9"], ids: 1 }],
    ["none at all", { ids: 0 }],
  ])("a wrong number fences, and nothing of the record counts: %s", async (_, said) => {
    const shard = await live();
    await shard.record({
      process: "p", seq: 2, sockets: 3, operations: operations("+carol"),
      join: [["/", "carol"]], memberships: 4, ...said,
    }); // prettier-ignore
    await shard.step(check ? { check: true } : {});
    expect((await shard.process("p")).state).toBe("fenced");
    expect(await idsOf(shard, 1)).toEqual({ s1: ["alice", "/", "/,news"], s2: ["bob", "/"] });
    expect(await shard.users()).toEqual({ alice: 1, bob: 1 });
    await shard.check();
  });

  it("a wrong number of memberships leaves the ids as they were", async () => {
    const shard = await live();
    await shard.record({ process: "p", seq: 2, sockets: 2, memberships: 9, gone: ["s1"], ids: 1 });
    await shard.step(check ? { check: true } : {});
    expect((await shard.process("p")).state).toBe("fenced");
    expect(Object.keys(await idsOf(shard, 1))).toEqual(["s1", "s2"]);
  });

  const many = (scopes: number) => Array.from({ length: scopes }, (_, i) => `/,${i}`);
  it.each([
    ["open holds something that is no list", ["open", '["s1"]']],
    ["open holds something that is no list", ["open", '[["s1","alice"]]']],
    ["open holds something that is no text", ["open", '[["s1","alice",1]]']],
    ["open holds no scope", ["open", '[["s1","alice","news"]]']],
    ["open holds no scope", ["open", '[["s1","alice","*/,news"]]']],
    ["open holds an empty id", ["open", '[["","alice","/"]]']],
    ["open holds an id that is too long", ["open", JSON.stringify([["x".repeat(257), "", "/"]])]],
    ["open holds too many scopes", ["open", JSON.stringify([["s1", "", ...many(SOCKET_SCOPES_MAX + 1)]])]],
    [
      "open holds too many scopes",
      ["open", JSON.stringify([["s1", "", ...Array<string>(9).fill(`/,${"x".repeat(500)}`)]])],
    ],
    ["open is no JSON list", ["open", '{"1":["s1","alice","/"]}']],
    ["open is no JSON list", ["open", '[["\\ud800","alice","/"]]']],
    ["gone holds an empty id", ["gone", '[""]']],
    ["gone holds something that is no text", ["gone", "[7]"]],
    ["too many operations", ["gone", JSON.stringify(Array<string>(1_001).fill("s"))]],
    ["ids is not a whole number", ["ids", "-1"]],
  ])("is set aside: %s %#", async (reason, [name, value]) => {
    const shard = await live();
    const ids = name === "ids" ? [] : ["ids", "2"];
    await shard.append(
      "process", "p", "seq", "2", "ttl", "10000", "sockets", "2", "memberships", "3", name!, value!, ...ids,
    ); // prettier-ignore
    await shard.step(check ? { check: true } : {});
    expect(await shard.rejected()).toEqual([reason]);
    expect(Object.keys(await idsOf(shard, 1))).toEqual(["s1", "s2"]);
  });

  it("is set aside without its number", async () => {
    const shard = await live();
    await shard.append(
      "process", "p", "seq", "2", "ttl", "10000", "sockets", "2", "memberships", "3", "gone", '["s1"]',
    ); // prettier-ignore
    await shard.step(check ? { check: true } : {});
    expect(await shard.rejected()).toEqual(["ids is missing"]);
  });

  it("several records of a call count one after the other", async () => {
    const shard = await live();
    const more = { process: "p", sockets: 2, memberships: 3 };
    await shard.record({ ...more, seq: 2, open: [["s3", "", "/"]], ids: 3 });
    await shard.record({ ...more, seq: 3, gone: ["s3", "s1"], ids: 1 });
    await step(shard, { ...more, seq: 4, open: [["s1", "bob", "/,x"]], ids: 2 });
    expect(await idsOf(shard, 1)).toEqual({ s1: ["bob", "/,x"], s2: ["bob", "/"] });
  });
});

it("another type under the key is an error before anything is written", async () => {
  const shard = open();
  const record = (seq: number) => ({ process: "p", seq, sockets: 0, memberships: 0, ids: 0 });
  await shard.record({ ...record(1), about: ABOUT });
  await shard.drain();
  await shard.redis.set(`${shard.keys.tag}:sockets:1`, "x");
  await shard.record(record(2));
  await expect(shard.step()).rejects.toThrow(/sockets:1/);
  expect((await shard.process("p")).seq).toBe(1);
});

it.each(["bye", "reap", "replace", "rebuild"])("nothing is left after: %s", async (how) => {
  const shard = open();
  await shard.record({
    process: "p", seq: 1, sockets: 1, about: ABOUT, operations: operations("+alice"),
    join: [["/", "alice"]], memberships: 1, open: [["s1", "alice", "/"]], ids: 1,
  }); // prettier-ignore
  await shard.drain();
  expect(await keysLeft(shard)).toHaveLength(1);
  if (how === "bye")
    await shard.record({ process: "p", seq: 2, sockets: 1, memberships: 1, ids: 1, bye: true });
  if (how === "reap") shard.now += 60_000;
  if (how === "replace")
    await shard.record({
      process: "q",
      seq: 1,
      sockets: 0,
      memberships: 0,
      ids: 0,
      about: ABOUT,
      replaces: ["p"],
    });
  if (how === "rebuild") await shard.redis.hset(shard.keys.totals, "users", "7");
  await shard.step({ check: true });
  await shard.drain();
  expect(await keysLeft(shard)).toEqual([]);
  if (how !== "rebuild") await shard.check();
});

it.each([1, 2, 3])("journals at random say what their sockets are (seed %i)", async (seed) => {
  const shard = open();
  let state = seed;
  const random = (n: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  const processes = ["p", "q"].map((name) => ({
    name,
    restarts: 0,
    journal: new Journal(`${name}0`, { ttl: 10_000, about: ABOUT, ids: true }),
    sockets: new Map<string, { user: string; scopes: Set<string> }>(),
  }));
  let made = 0;
  for (let round = 0; round < 150; round++) {
    for (const one of processes) {
      const { journal, sockets } = one;
      for (let n = random(6); n > 0; n--) {
        const known = [...sockets];
        const [id, socket] = known[random(known.length)] ?? [];
        const act = random(4);
        if (act === 0 || socket === undefined) {
          const user = ["", "alice", "bob"][random(3)]!;
          const scopes = new Set(["*/"]);
          journal.connect(user);
          journal.join("*/", user);
          const id = `s${made++}`;
          sockets.set(id, { user, scopes });
          journal.opened(id, user, scopes);
        } else if (act === 1) {
          for (const scope of socket.scopes) journal.part(scope, socket.user, "leave");
          journal.disconnect(socket.user, "leave");
          journal.gone(id!);
          sockets.delete(id!);
        } else {
          const scope = `/,room ${random(4)}`;
          if (socket.scopes.delete(scope)) journal.part(scope, socket.user, "leave");
          else {
            socket.scopes.add(scope);
            journal.join(scope, socket.user);
          }
          journal.opened(id!, socket.user, socket.scopes);
        }
      }
      if (random(25) === 0) journal.restate(`${one.name}${++one.restarts}`);
      do await shard.append(...encodeRecord(journal.take()));
      while (journal.dirty);
    }
    if (random(3) > 0) continue;
    await shard.drain();
    await shard.check();
    for (const { journal, sockets } of processes) {
      const { slot, state } = await shard.process(journal.process);
      expect(state).toBe("live");
      expect(await idsOf(shard, slot)).toEqual(
        Object.fromEntries(
          [...sockets].map(([id, { user, scopes }]) => [
            id,
            [user, ...[...scopes].map((scope) => scope.replace(/^\*/, ""))],
          ]),
        ),
      );
    }
    const slots = processes.filter(({ sockets }) => sockets.size > 0).length;
    expect(await keysLeft(shard)).toHaveLength(slots);
  }
});
