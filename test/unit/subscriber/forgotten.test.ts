/**
 * Goal: what durable subscribers know of a user goes with forget(user), and a subscriber that nobody serves goes by itself; what the others are
 * told still adds up (INV-14).
 * Method: real scripts on a real Redis, under the test's clock. Dead letters get the time of this Redis, and the clock is ahead of it by as
 * much as time is to pass.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { subscriberKeysOf } from "../../../src/core/keys.ts";
import { CHECK_IDLE_MS, DEAD_LETTERS_KEPT_MS, FORGET_MS, UNSERVED_MAX } from "../../../src/core/limits.ts";
import { DeliveryError } from "../../../src/subscriber/delivery-error.ts";
import { Crowd, subscriberOn } from "./support.ts";

const DAY_MS = 86_400_000;

let server: RedisServer;
let crowd: Crowd;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  crowd = new Crowd(server.url);
  crowd.now = Date.now();
});
afterEach(() => crowd.close());

const keysTo = (name = "billing") => subscriberKeysOf(crowd.keys, name);
const stateOf = (name?: string) => crowd.redis.hgetall(keysTo(name).state);
const forget = (user: string) => crowd.projector.forget(user);

/** Everything Redis has of subscribers, as one text. */
async function everything(name = "billing"): Promise<string> {
  const { redis } = crowd;
  const { state, known, inbox, dead } = keysTo(name);
  return JSON.stringify([
    await redis.hgetall(state),
    await redis.smembers(known),
    await redis.xrange(inbox, "-", "+"),
    await redis.xrange(dead, "-", "+"),
  ]);
}

const lettersOf = async (name?: string) =>
  (await crowd.redis.xrange(keysTo(name).dead, "-", "+")).map(
    ([, fields]) => (JSON.parse(fields[1]!) as { user: string }).user,
  );

/** Changes are trimmed, as long after. */
async function trimmed(): Promise<void> {
  await crowd.redis.xadd(crowd.keys.changes, "*", "trimmed", "");
  await crowd.redis.xtrim(crowd.keys.changes, "MAXLEN", 1);
}

describe("forget(user)", () => {
  it("reaches a subscriber that is not served: it no longer knows the user, is told of a gap, and goes on", async () => {
    await crowd.say("+alice", "+bob");
    await subscriberOn(crowd).deliver();
    await crowd.say("~alice");
    expect(await everything()).toContain("alice");
    expect(await forget("alice")).toEqual({ changes: 2, rejected: 0, subscribers: 1 });
    expect(await everything()).not.toContain("alice");
    await crowd.say("+carol");
    const one = subscriberOn(crowd);
    await one.deliver();
    expect(one.got).toEqual(["gap trimmed", "+carol resync"]);
    expect(await forget("alice")).toMatchObject({ subscribers: 0 });
  });

  it("of one that has read everything is no gap", async () => {
    await crowd.say("+alice");
    const one = subscriberOn(crowd, { from: "start" });
    await crowd.say("~alice");
    await crowd.say("+bob");
    await one.deliver();
    const { token } = await stateOf();
    expect(await forget("alice")).toMatchObject({ subscribers: 0 });
    expect((await stateOf())["token"]).toBe(token);
    await crowd.say("+carol");
    await one.deliver();
    expect(one.got.slice(3)).toEqual(["+carol connect"]);
  });

  it("removes dead letters about the user, and such whose error has the id as a word; no others", async () => {
    const errors = new Map([
      ["alice", "down"],
      ["bob", "no account for alice."],
      ["carol", "no account for alice2, malice, _alice or aliceé"],
      ["alice2", "down"],
    ]);
    const failing = subscriberOn(crowd, { retries: [] }, (delivery) => {
      if (delivery.type !== "gap") throw new Error(errors.get(delivery.user));
    });
    await failing.deliver();
    for (const user of errors.keys()) await crowd.say(`+${user}`);
    while (!(await failing.deliver()).idle);
    expect(await lettersOf()).toEqual([...errors.keys()]);
    await crowd.say("~alice");
    while (!(await failing.deliver()).idle);
    expect(await forget("alice")).toMatchObject({ subscribers: 3 });
    expect(await lettersOf()).toEqual(["carol", "alice2"]);
  });

  it("looks through more dead letters than one call does", async () => {
    await subscriberOn(crowd).deliver();
    const adding = crowd.redis.pipeline();
    for (let i = 0; i < 1_500; i++) {
      const user = i % 3 === 0 ? "alice" : `u${i}`;
      adding.xadd(
        keysTo().dead,
        "*",
        "delivery",
        JSON.stringify({ id: `0.1-${i}.0`, user }),
        "error",
        "down",
      );
    }
    await adding.exec();
    expect(await forget("alice")).toMatchObject({ subscribers: 500 });
    expect(await lettersOf()).toHaveLength(1_000);
  });

  it("removes a letter that waits to be delivered again, and how often it had failed", async () => {
    const failing = subscriberOn(crowd, { retries: [] }, (delivery) => {
      if (delivery.type !== "gap" && delivery.user === "alice") throw new Error("down for alice");
    });
    await failing.deliver();
    await crowd.say("+alice");
    await crowd.say("~alice");
    while (!(await failing.deliver()).idle);
    const { letters } = await failing.subscriber.deadLetters.list();
    expect(await failing.subscriber.deadLetters.retry(letters[0]!.id)).toBe(true);
    const patient = subscriberOn(crowd, { retries: [60_000] }, () => {
      throw new Error("alice again");
    });
    await patient.deliver();
    expect(await stateOf()).toMatchObject({ attempt: "1", error: "alice again" });
    await forget("alice");
    expect(await everything()).not.toContain("alice");
    expect(await stateOf()).toMatchObject({ attempt: "0", after: "0" });
  });

  it("INV-14: removes the page of a comparison that lists the user, and compares again: the others are told", async () => {
    await crowd.say("+zoe");
    while (!(await subscriberOn(crowd).deliver()).idle);
    await crowd.say("+alice", "+bob", "+carol", "+dan");
    await trimmed();
    // The gap and the first of the page are handled; then the process ends.
    await subscriberOn(crowd).subscriber.deliver({ budget: { deliveries: 2 } });
    const [page] = await crowd.redis.xrange(keysTo().inbox, "-", "+");
    expect([page![1][0], (JSON.parse(page![1][1]!) as string[]).sort()]).toEqual([
      "online",
      ["alice", "bob", "carol", "dan"],
    ]);
    const first = (await crowd.redis.smembers(keysTo().known)).find((user) => user !== "zoe");
    await crowd.say("~alice");
    expect(await forget("alice")).toMatchObject({ subscribers: first === "alice" ? 2 : 1 });
    expect(await everything()).not.toContain("alice");
    const one = subscriberOn(crowd);
    while (!(await one.deliver()).idle);
    const left = ["bob", "carol", "dan"].filter((user) => user !== first);
    expect(one.got.filter((what) => what.startsWith("+")).sort()).toEqual(
      left.map((user) => `+${user} resync`),
    );
    expect((await crowd.redis.smembers(keysTo().known)).sort()).toEqual(["bob", "carol", "dan", "zoe"]);
  });

  it("INV-14: the same where nothing after its place was cut: those who went are told", async () => {
    const gone = ["alice", "ben", "bill", "bob"];
    await crowd.say("+zoe", ...gone.map((user) => `+${user}`));
    while (!(await subscriberOn(crowd).deliver()).idle);
    await crowd.say(...gone.map((user) => `~${user}`));
    await trimmed();
    // The gap and the first of the page.
    const early = subscriberOn(crowd);
    await early.subscriber.deliver({ budget: { deliveries: 2 } });
    expect(early.got[0]).toBe("gap trimmed");
    expect(await forget("alice")).toMatchObject({ changes: 0 });
    expect(await everything()).not.toContain("alice");
    const one = subscriberOn(crowd);
    while (!(await one.deliver()).idle);
    const told = [...early.got, ...one.got].filter((what) => what !== "-alice resync");
    expect(told.sort()).toEqual(["-ben resync", "-bill resync", "-bob resync", "gap trimmed"]);
    expect(await crowd.redis.smembers(keysTo().known)).toEqual(["zoe"]);
  });

  it("INV-14: what is under way meanwhile is not noted, and comes again", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("~alice");
    let calls = 0;
    const one = subscriberOn(crowd, { batch: 10, retries: [] }, async () => {
      if (calls++ > 0) return;
      await forget("alice");
      throw new DeliveryError("alice is not known here", { giveUp: true });
    });
    while (!(await one.deliver()).idle);
    expect(await everything()).not.toContain("alice");
    expect(one.got).toEqual(["gap trimmed", "+bob resync"]);
    expect(await crowd.redis.smembers(keysTo().known)).toEqual(["bob"]);
  });

  it("removes the id from why it is disabled, and it stays so", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    await crowd.say("~alice");
    const one = subscriberOn(crowd, {}, () => {
      throw new DeliveryError("410 for alice", { disable: true });
    });
    await one.deliver();
    expect((await stateOf())["disabled"]).toBe("410 for alice");
    await forget("alice");
    expect(await everything()).not.toContain("alice");
    expect(await one.deliver()).toMatchObject({ disabled: true });
  });

  it("is refused while the user is present, and then removes nothing", async () => {
    await crowd.say("+alice");
    await subscriberOn(crowd).deliver();
    await expect(forget("alice")).rejects.toMatchObject({ code: "USER_PRESENT" });
    expect(await crowd.redis.smembers(keysTo().known)).toEqual(["alice"]);
  });
});

describe("a subscriber that nobody serves", () => {
  const keysLeft = async () => (await crowd.redis.keys(`{${crowd.prefix}}:*billing*`)).sort();

  /** What the projector does once a minute. */
  async function aMinute(): Promise<void> {
    crowd.now += FORGET_MS;
    await crowd.step({ check: true });
    await crowd.drain();
  }

  async function failing(keepDeadLetters?: "1d" | "90d"): Promise<ReturnType<typeof subscriberOn>> {
    const options = keepDeadLetters === undefined ? {} : { keepDeadLetters };
    const one = subscriberOn(crowd, { retries: [], ...options }, ({ type }) => {
      if (type !== "gap") throw new Error("down");
    });
    await one.deliver();
    await crowd.say("+alice");
    while (!(await one.deliver()).idle);
    return one;
  }

  it("is gone after 30 days, with all its keys; one that is served stays", async () => {
    await failing();
    const mail = subscriberOn(crowd, { name: "mail" });
    await mail.deliver();
    for (let days = 0; days < 29; days += 10) {
      crowd.now += 10 * DAY_MS - (days === 20 ? 4 * FORGET_MS : 0);
      await mail.deliver();
      await aMinute();
    }
    expect(await keysLeft()).toContain(keysTo().state);
    for (let minutes = 0; minutes < 4; minutes++) await aMinute();
    expect(await keysLeft()).toEqual([]);
    expect(await crowd.redis.zrange(crowd.keys.subscribers, "0", "-1")).toEqual(["mail"]);
    expect((await crowd.totals())["subscribed"]).toBe("1");
    crowd.now += DEAD_LETTERS_KEPT_MS;
    await aMinute();
    expect(await crowd.redis.exists(crowd.keys.subscribers)).toBe(0);
    expect((await crowd.totals())["subscribed"]).toBe("0");
    // Who comes back then is known again.
    await mail.deliver();
    expect((await crowd.totals())["subscribed"]).toBe("1");
  });

  it("keeps its dead letters as long as it said, and no longer", async () => {
    await failing("1d");
    crowd.now += DAY_MS - 2 * FORGET_MS;
    await aMinute();
    expect(await lettersOf()).toEqual(["alice"]);
    await aMinute();
    await aMinute();
    expect(await lettersOf()).toEqual([]);
    expect(await keysLeft()).toContain(keysTo().state);
  });

  it("is served also while it is disabled, by whoever asks", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    let calls = 0;
    const one = subscriberOn(crowd, {}, () => {
      calls++;
      throw new DeliveryError("gone", { disable: true });
    });
    await one.deliver();
    for (let days = 0; days < 60; days += 10) {
      crowd.now += 10 * DAY_MS;
      expect(await one.deliver()).toMatchObject({ disabled: true });
      await aMinute();
    }
    // It has not begun anew.
    expect(calls).toBe(1);
    expect(await keysLeft()).toContain(keysTo().state);
  });

  it("goes also where nobody is left, when `due` says", async () => {
    await failing("90d");
    await crowd.record({
      process: "web",
      seq: 2,
      sockets: 0,
      operations: [{ op: "leave", user: "alice" }],
      bye: true,
    });
    const began = crowd.now;
    let calls = 0;
    for (let due: number | null = began; due !== null; due = (await crowd.drain()).at(-1)!.due) {
      expect(calls++).toBeLessThan(20);
      crowd.now = due;
    }
    expect(await keysLeft()).toEqual([]);
    expect(crowd.now - began).toBeGreaterThanOrEqual(DEAD_LETTERS_KEPT_MS);
    expect(crowd.now - began).toBeLessThanOrEqual(DEAD_LETTERS_KEPT_MS + 3 * CHECK_IDLE_MS);
  });

  it("goes with others in bounded calls", async () => {
    for (let i = 0; i < 2 * UNSERVED_MAX + 1; i++)
      await subscriberOn(crowd, { name: `billing${i}` }).deliver();
    crowd.now += DEAD_LETTERS_KEPT_MS + 1;
    expect((await crowd.step({ check: true })).more).toBe(true);
    expect(await crowd.redis.zcard(crowd.keys.subscribers)).toBe(UNSERVED_MAX + 1);
    await crowd.drain();
    expect(await keysLeft()).toEqual([]);
  });
});
