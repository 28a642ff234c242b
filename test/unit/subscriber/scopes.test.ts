/**
 * Goal: a subscriber of namespaces and rooms is told of each change in them, with where; and after a gap of the difference (INV-14).
 * Method: the real scripts on a real Redis, under the test's clock.
 */
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { until } from "../../../rig/until.ts";
import { keysOf, subscriberKeysOf } from "../../../src/core/keys.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { ScopeWriter } from "../presence/scope-writer.ts";
import { Crowd, subscriberOn } from "./support.ts";

const SEED = process.env["SCOPED_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));
let server: RedisServer;
let crowd: Crowd;
let writer: ScopeWriter;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  crowd = new Crowd(server.url);
  crowd.now = Date.now();
  writer = new ScopeWriter(crowd.redis, { prefix: crowd.prefix });
});
afterEach(() => crowd.close());

const known = async () => (await crowd.redis.smembers(subscriberKeysOf(crowd.keys, "billing").known)).sort();
/** As `:known` has them: who is in which told scope. */
async function truth(): Promise<string[]> {
  const keys = keysOf(crowd.prefix, 0, 1);
  const scopes = await crowd.redis.smembers(keys.told);
  const found = await Promise.all(
    scopes.map(async (scope) =>
      (await crowd.redis.hkeys(`${keys.tag}:scope:${scope}`))
        .filter((user) => user !== "")
        .map((user) => `${Buffer.byteLength(user)}:${user}${scope}`),
    ),
  );
  return found.flat().sort();
}

it("is told who comes and goes where, and knows who was there before", async () => {
  await writer.do("/chat", "+alice");
  const one = subscriberOn(crowd, { scopes: true });
  await one.deliver();
  expect(await known()).toEqual(["5:alice/chat"]);
  await writer.do("/chat,news", "+bob", "+él");
  await writer.do("/chat", "~alice");
  await one.deliver();
  expect(one.got.toSorted()).toEqual(
    ["/chat,news +bob connect", "/chat,news +él connect", "/chat -alice leave"].sort(),
  );
  expect(one.deliveries.find((d) => d.type !== "gap" && d.user === "bob")).toMatchObject({
    namespace: "/chat",
    room: "news",
  });
  expect(one.deliveries.find((d) => d.type !== "gap" && d.user === "alice")).not.toHaveProperty("room");
  expect(await known()).toEqual(await truth());
});

it("only of the scopes that are asked for", async () => {
  const named = subscriberOn(crowd, { scopes: [{ namespace: "/chat" }, { room: "news" }], name: "named" });
  const chosen = subscriberOn(crowd, {
    scopes: ({ room }) => room?.startsWith("n") === true,
    name: "chosen",
  });
  await named.deliver();
  await chosen.deliver();
  for (const scope of ["/chat", "/,news", "/chat,news", "/,other"]) await writer.do(scope, "+alice");
  await named.deliver();
  await chosen.deliver();
  expect(named.got).toEqual(["/chat +alice connect", "/,news +alice connect"]);
  expect(chosen.got).toEqual(["/,news +alice connect", "/chat,news +alice connect"]);
});

it("a name is of scopes or of the whole", async () => {
  await subscriberOn(crowd, { scopes: true }).deliver();
  await expect(subscriberOn(crowd).deliver()).rejects.toMatchObject({ code: "OPTIONS_INVALID" });
  await subscriberOn(crowd, { name: "mail" }).deliver();
  await expect(subscriberOn(crowd, { name: "mail", scopes: true }).deliver()).rejects.toThrow(
    "begun without scopes",
  );
  expect(() => subscriberOn(crowd, { scopes: [] })).toThrow("scopes must be");
  expect(() => subscriberOn(crowd, { scopes: [{ namespace: "chat" }] })).toThrow("must start with /");
});

it("a gap is one gap and the difference, in every scope", async () => {
  for (let i = 0; i < 30; i++) await writer.do(`/,r${i}`, "+alice", "+bob");
  await subscriberOn(crowd, { scopes: true }).deliver();
  await writer.do("/,r3", "~alice");
  await writer.do("/,r7", "~alice", "~bob");
  await writer.do("/,r30", "+carol");
  await writer.do("/,r31", "+dan");
  const { moves } = keysOf(crowd.prefix, 0, 1);
  await crowd.redis.xtrim(moves, "MAXLEN", 1);
  const one = subscriberOn(crowd, { scopes: true });
  await one.deliver();
  expect(one.got[0]).toBe("gap trimmed");
  expect(one.got.slice(1).sort()).toEqual(
    [
      "/,r3 -alice resync",
      "/,r30 +carol resync",
      "/,r31 +dan resync",
      "/,r7 -alice resync",
      "/,r7 -bob resync",
    ].sort(),
  );
  expect(await known()).toEqual(await truth());
  // And when only counting shows it.
  await crowd.redis.srem(subscriberKeysOf(crowd.keys, "billing").known, "3:dan/,r31");
  crowd.now += 61_000;
  await one.deliver();
  expect(one.got.slice(-2)).toEqual(["gap differs", "/,r31 +dan resync"]);
});

it(`what was told adds up to who is there, whatever is trimmed (SCOPED_SEED=${SEED})`, async () => {
  for (let run = 0; run < 15; run++) {
    const random = new Random(`${SEED}/${run}`);
    const own = new Crowd(server.url);
    own.now = Date.now();
    const local = new ScopeWriter(own.redis, { prefix: own.prefix });
    const told = new Set<string>();
    const there = new Map<string, Set<string>>();
    const one = subscriberOn(
      own,
      { scopes: true, from: random.pick(["now", "start"]), retries: Array<number>(50).fill(0) },
      (d) => {
        if (random.chance(0.15)) throw new Error("down");
        if (d.type === "gap") return;
        const key = `${d.namespace},${d.room} ${d.user}`;
        if (d.type === "online") told.add(key);
        else told.delete(key);
      },
    );
    await one.deliver();
    for (let i = 0; i < 40; i++) {
      const scope = random.pick(["/", "/,a", "/,b", "/chat,c"]);
      const user = random.pick(["x", "y", "ü"]);
      const users = there.get(scope) ?? new Set();
      there.set(scope, users);
      await local.do(scope, `${users.delete(user) ? "~" : (users.add(user), "+")}${user}`);
      if (random.chance(0.2)) await one.deliver();
      if (random.chance(0.1)) {
        const { moves, totals } = keysOf(own.prefix, 0, 1);
        if ((await own.redis.xtrim(moves, "MAXLEN", 1)) > 0) await own.redis.hset(totals, "moved_cut", "1-0");
      }
    }
    for (let i = 0; i < 200; i++) {
      own.now += 61_000;
      if ((await one.deliver()).idle && (await one.deliver()).idle) break;
    }
    const expected = [...there].flatMap(([scope, users]) => {
      const [namespace, room] = scope.split(",");
      return [...users].map((user) => `${namespace},${room} ${user}`);
    });
    expect([run, [...told].sort()]).toEqual([run, expected.sort()]);
    await own.close();
  }
});

it("subscribers() says how far behind it is", async () => {
  const reader = readerOver(ioredisPort(crowd.redis), { prefix: crowd.prefix });
  await subscriberOn(crowd, { scopes: true }).deliver();
  expect((await reader.subscribers()).subscribers[0]).toMatchObject({ behind: 0 });
  await writer.do("/chat", "+alice");
  // By the clock of Redis, which the writer's projector goes by.
  await until("it is behind", async () => (await reader.subscribers()).subscribers[0]!.behind > 20);
});

it("forget(user) reaches who is known in scopes, and pages that are on their way", async () => {
  const rooms = Array.from({ length: 40 }, (_, i) => `/,r${i}`);
  for (const room of rooms) await writer.do(room, "+alice", "+al");
  await subscriberOn(crowd, { scopes: true }).deliver();
  // It has not been told yet that they went, and is being compared.
  const { known: knownKey, inbox } = subscriberKeysOf(crowd.keys, "billing");
  for (const room of rooms) await writer.do(room, "~alice");
  await crowd.redis.xadd(inbox, "*", "offline", JSON.stringify(["al", "/alice", "alice", "/,r1"]));
  await crowd.redis.hset(subscriberKeysOf(crowd.keys, "billing").state, "queued", "1");
  await crowd.projector.forget("alice");
  expect((await crowd.redis.smembers(knownKey)).filter((member) => member.includes("alice"))).toEqual([]);
  expect(await crowd.redis.xlen(inbox)).toBe(0);
  expect((await known()).length).toBe(40);
  const one = subscriberOn(crowd, { scopes: true });
  for (let i = 0; i < 5; i++) {
    crowd.now += 61_000;
    await one.deliver();
  }
  expect(await known()).toEqual(await truth());
});
