/**
 * Goal: each change reaches a durable subscriber at least once, with one id, in order for a user and from one process at a time; what cannot
 * be delivered waits, then is a dead letter; what was lost is a gap and the difference (INV-14).
 * Method: real scripts on a real Redis, under the test's clock.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import { subscriberKeysOf } from "../../../src/core/keys.ts";
import { SUBSCRIBERS_MAX } from "../../../src/core/limits.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { Delivery } from "../../../src/core/delivery.ts";
import type { WritePort } from "../../../src/redis/port.ts";
import { DeliveryError } from "../../../src/subscriber/delivery-error.ts";
import { resolveSubscriberOptions } from "../../../src/subscriber/options.ts";
import { subscriberOver } from "../../../src/subscriber/subscriber.ts";
import { SubscriberScript } from "../../../src/subscriber/script.ts";
import { Crowd, short, subscriberOn } from "./support.ts";

let server: RedisServer;
let crowd: Crowd;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  crowd = new Crowd(server.url);
});
afterEach(() => crowd.close());

const stateOf = (name = "billing") => crowd.redis.hgetall(subscriberKeysOf(crowd.keys, name).state);
const ALL = { signal: new AbortController().signal, mayGoOn: () => true, handled() {} };
const knownTo = async (name = "billing") =>
  (await crowd.redis.smembers(subscriberKeysOf(crowd.keys, name).known)).sort();

describe("deliveries", () => {
  it("begin with the next change, and go on where they stopped", async () => {
    await crowd.say("+alice", "+bob");
    const one = subscriberOn(crowd);
    expect(await one.deliver()).toEqual({ handled: 0, idle: true, due: null, disabled: false });
    expect(await knownTo()).toEqual(["alice", "bob"]);
    await crowd.say("~alice", "+carol");
    await crowd.say("-bob");
    expect(await one.deliver()).toMatchObject({ handled: 3, idle: true });
    expect(one.got).toEqual(["+carol connect", "-alice leave", "-bob disconnect"]);
    expect(await one.deliver()).toMatchObject({ handled: 0 });
    const two = subscriberOn(crowd);
    await crowd.say("+dan");
    await two.deliver();
    expect(two.got).toEqual(["+dan connect"]);
    expect(await knownTo()).toEqual(["carol", "dan"]);
  });

  it("from the start are all that is kept", async () => {
    await crowd.say("+alice");
    await crowd.say("~alice", "+bob");
    const one = subscriberOn(crowd, { from: "start" });
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+bob connect", "-alice leave"]);
    expect(await knownTo()).toEqual(["bob"]);
  });

  it("have one id in every attempt and from every process, made of shard, entry and place", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob", "+carol");
    const ids: string[] = [];
    const failing = subscriberOn(crowd, { retries: [1_000] }, ({ id, type }) => {
      ids.push(id);
      if (type !== "gap" && ids.length === 2) throw new Error("down");
    });
    expect(await failing.deliver()).toMatchObject({ handled: 1, idle: false, due: expect.any(Number) });
    crowd.now += 2_000;
    const other = subscriberOn(crowd);
    await other.deliver();
    const [entry] = await crowd.redis.xrange(crowd.keys.changes, "-", "+");
    expect(ids).toEqual([`0.${entry![0]}.0`, `0.${entry![0]}.1`]);
    expect(other.deliveries.map(({ id }) => id)).toEqual([`0.${entry![0]}.1`, `0.${entry![0]}.2`]);
    expect(other.infos.map(({ attempt }) => attempt)).toEqual([2, 1]);
  });

  it("of one batch are handed over together", async () => {
    await subscriberOn(crowd).deliver();
    for (const user of ["a", "b", "c", "d", "e"]) await crowd.say(`+${user}`);
    const sizes: string[] = [];
    const one = subscriberOn(crowd, { batch: 3 }, (_, { id }) => void sizes.push(id));
    await one.deliver();
    expect(one.got).toEqual(["+a connect", "+b connect", "+c connect", "+d connect", "+e connect"]);
    expect(new Set(sizes).size).toBe(2);
  });

  it("are those that the filter lets through, while everything is kept up with", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("~alice", "-bob");
    const one = subscriberOn(crowd, { filter: { types: ["offline"], users: ["alice", "dan"] } });
    expect(await one.deliver()).toMatchObject({ handled: 1, idle: true });
    expect(one.got).toEqual(["-alice leave"]);
    expect(await knownTo()).toEqual([]);
    await crowd.say("+carol", "+dan");
    const two = subscriberOn(crowd, { filter: ({ user }) => user === "carol" });
    await two.deliver();
    expect(two.got).toEqual(["+carol connect"]);
    expect(await knownTo()).toEqual(["carol", "dan"]);
  });

  it("of several names are independent", async () => {
    const [one, two] = [subscriberOn(crowd), subscriberOn(crowd, { name: "mail" })];
    await one.deliver();
    await two.deliver();
    await crowd.say("+alice");
    await one.deliver();
    expect([one.got, two.got]).toEqual([["+alice connect"], []]);
    await two.deliver();
    expect(two.got).toEqual(["+alice connect"]);
  });

  it("stop at the budget, and the turn is given back", async () => {
    await subscriberOn(crowd).deliver();
    for (let i = 0; i < 5; i++) await crowd.say(`+u${i}`);
    const one = subscriberOn(crowd);
    expect(await one.subscriber.deliver({ budget: { deliveries: 2 } })).toMatchObject({
      handled: 2,
      idle: false,
    });
    const { handled } = await one.subscriber.deliver({ budget: { requests: 7 } });
    expect(handled).toBe(2);
    expect(await subscriberOn(crowd).deliver()).toMatchObject({ handled: 1, idle: true });
  });
});

describe("the turn", () => {
  it("is one process's: another gets nothing until it is over", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    const late: string[] = [];
    const other = subscriberOn(crowd, { turn: 10_000 }, ({ id }) => void late.push(id));
    const one = subscriberOn(crowd, { turn: 10_000 }, async (delivery) => {
      if (short(delivery) !== "+alice connect") return;
      expect(await other.deliver()).toMatchObject({ handled: 0, idle: false });
    });
    await one.deliver();
    expect([one.got, late]).toEqual([["+alice connect", "+bob connect"], []]);
  });

  it("lost, what was done is not noted, the signal fires, and the next process repeats that one", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    const other = subscriberOn(crowd, { turn: 1_000 });
    let reason: unknown;
    const slow = subscriberOn(crowd, { turn: 1_000 }, async (_, { signal }) => {
      crowd.now += 2_000; // as after SIGSTOP
      await other.deliver();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      reason = signal.reason;
    });
    await slow.deliver();
    expect(String(reason)).toContain("another process may have the turn");
    expect(other.got).toEqual(["+alice connect", "+bob connect"]);
    // The slow one had done it, and nothing else: it found nothing left.
    expect(slow.got).toEqual(["+alice connect"]);
    expect(await stateOf()).toMatchObject({ handled: "2" });
  });

  it("is had once: of two deliver() of one subscriber at once, the second finds it held", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob", "+carol");
    const begun = Promise.withResolvers<void>();
    const second = Promise.withResolvers<unknown>();
    const one = subscriberOn(crowd, {}, async () => {
      begun.resolve();
      await second.promise;
    });
    const first = one.deliver();
    // At once, and while a handler is at work.
    expect(await one.deliver()).toMatchObject({ handled: 0, idle: false });
    await begun.promise;
    const other = await one.deliver();
    second.resolve(other);
    expect(other).toMatchObject({ handled: 0, idle: false });
    expect(await first).toMatchObject({ handled: 3, idle: true });
    expect(one.got).toEqual(["+alice connect", "+bob connect", "+carol connect"]);
    // And it was given back.
    await crowd.say("~bob");
    expect(await subscriberOn(crowd).deliver()).toMatchObject({ handled: 1 });
  });

  it("over by the time its process goes on, nothing of what it has read is handed over", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    const turn = 10_000;
    const other = subscriberOn(crowd, { turn });
    let elapsed = 0;
    let hasStalled = false;
    const own = ioredisPort(crowd.redis);
    const port: WritePort = {
      pipeline: (commands) => own.pipeline(commands),
      async call(command) {
        const reply = await own.call(command);
        if (!hasStalled && command.includes("take")) {
          // Between the reply and its handling: as after SIGSTOP.
          hasStalled = true;
          elapsed += turn;
          crowd.now += turn;
          await other.deliver();
        }
        return reply;
      },
    };
    const got: string[] = [];
    const options = resolveSubscriberOptions({ name: "billing", prefix: crowd.prefix, logger: false, turn });
    const runtime = { now: () => elapsed, random: () => 0, after: () => () => {} };
    const handle = (delivery: Delivery) => void got.push(short(delivery));
    const { subscriber } = subscriberOver(port, handle, options, { now: () => crowd.now, runtime });
    await subscriber.deliver({ budget: { ms: 86_000_000 } });
    expect([got, other.got]).toEqual([[], ["+alice connect"]]);
  });

  it("is not stuck when the clock has gone back", async () => {
    const one = subscriberOn(crowd, {}, () => {}, "one");
    await one.shards[0]!.round(ALL);
    await crowd.redis.hset(crowd.keys.users, "alice", "1");
    for (const back of [900_000, 60_000]) {
      crowd.now -= back;
      await crowd.redis.xadd(crowd.keys.changes, "*", "connect", '["alice"]');
      const other = subscriberOn(crowd);
      // The holder may be at work still.
      expect(await other.deliver()).toMatchObject({ handled: 0, idle: false });
      crowd.now += 30_000;
      await other.deliver();
      expect(other.got).toEqual(["+alice connect"]);
      await other.shards[0]!.round(ALL);
    }
  });
});

describe("what arrives late, after its sender has gone on", () => {
  const STEP = { caller: "one", turn: 30_000, count: 100, from: "now", keep: 1_000 } as const;
  const script = () => new SubscriberScript(ioredisPort(crowd.redis), crowd.keys, "billing", () => crowd.now);
  const portion = (entry: string, place: number, ...users: string[]) => ({
    deliveries: [],
    position: { entry, place },
    states: new Map(users.map((user) => [user, true] as const)),
  });

  it("or twice, a note does not move the place", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    await crowd.say("+carol", "+dan");
    const own = script();
    const { token, entries } = await own.take(STEP);
    const first = portion("", 1, "alice");
    const { token: next } = await own.note(token, 30_000, "changes", first);
    await own.note(next, 30_000, "changes", portion(entries[0]!.id, 0, "bob"));
    // It would go past carol.
    expect(await own.note(token, 30_000, "changes", first)).toMatchObject({ word: "lost" });
    crowd.now += 40_000;
    const other = subscriberOn(crowd);
    await other.deliver();
    expect(other.got).toEqual(["+carol connect", "+dan connect"]);
  });

  it("a turn that was given back is not given back again", async () => {
    await subscriberOn(crowd).deliver();
    const own = script();
    const { token } = await own.take(STEP);
    await crowd.say("+alice");
    expect(await own.take(STEP)).toMatchObject({ word: "changes" });
    expect(await own.leave(token)).toMatchObject({ word: "lost" });
    expect(await own.take({ ...STEP, caller: "other" })).toMatchObject({ word: "held" });
  });

  it("a failover of Redis, and its clock gone back: no token is given twice", async () => {
    const own = script();
    await own.take(STEP);
    const failover = await crowd.replica();
    await crowd.say("+alice");
    const { token, entries } = await own.take(STEP);
    await failover();
    crowd.now -= 500_000;
    expect(await own.take(STEP)).toMatchObject({ word: "behind" });
    await own.amend(new Map());
    await crowd.say("+bob");
    expect(await own.take(STEP)).toMatchObject({ word: "changes" });
    const noted = await own.note(token, 30_000, "changes", portion(entries[0]!.id, 0, "alice"));
    expect(noted).toMatchObject({ word: "lost" });
  });

  it("after a failover: another process, which was given lower tokens, gives none of them again", async () => {
    const [own, other] = [script(), script()];
    // All in one ms: each token is the one before and one.
    const first = await own.take(STEP);
    const failover = await crowd.replica();
    await own.leave(first.token);
    const theirs = await other.take({ ...STEP, caller: "other" });
    await other.leave(theirs.token);
    const mine = await own.take(STEP);
    await failover();
    crowd.now -= 500_000;
    expect(await other.take({ ...STEP, caller: "other" })).toMatchObject({ word: "behind" });
    await other.amend(new Map());
    const noted = await own.note(mine.token, 30_000, "changes", portion("", 1, "alice"));
    expect(noted).toMatchObject({ word: "lost" });
  });

  it("who was told of another's tokens, and given none, is not behind", async () => {
    const [own, other] = [script(), script()];
    await own.take(STEP);
    const failover = await crowd.replica();
    await crowd.say("+alice");
    await own.take(STEP);
    expect(await other.take({ ...STEP, caller: "other" })).toMatchObject({ word: "held" });
    await failover();
    expect(await other.take({ ...STEP, caller: "other" })).toMatchObject({ word: "held" });
    expect(await own.take(STEP)).toMatchObject({ word: "behind" });
  });

  it("an amendment, or a second one, changes nothing once Redis is as far", async () => {
    const [own, other] = [script(), script()];
    const mine = await own.take(STEP);
    const failover = await crowd.replica();
    await own.leave(mine.token);
    await other.take({ ...STEP, caller: "other" });
    await failover();
    expect((await own.amend(new Map([["alice", true]]))).word).toBe("done");
    const before = await stateOf();
    await other.amend(new Map([["carol", true]]));
    expect(await stateOf()).toEqual(before);
    expect(await knownTo()).toEqual(["alice"]);
  });

  it("nothing is noted for who had a turn before Redis forgot it", async () => {
    const own = script();
    await own.take(STEP);
    await crowd.say("+alice");
    const { token, entries } = await own.take(STEP);
    await crowd.redis.flushall();
    crowd.now += 1;
    // The same process takes it again, as far as it was before.
    await own.take(STEP);
    await crowd.restart("bob");
    expect(await own.take(STEP)).toMatchObject({ word: "changes" });
    const noted = await own.note(token, 30_000, "changes", portion(entries[0]!.id, 0, "alice"));
    expect(noted).toMatchObject({ word: "lost" });
  });
});

describe("failures", () => {
  it("wait longer and longer, in order, and at last are dead letters", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    await crowd.say("+bob");
    const attempts: number[] = [];
    const one = subscriberOn(crowd, { retries: [1_000, 10_000] }, (delivery, { attempt }) => {
      if (short(delivery) !== "+alice connect") return;
      attempts.push(attempt);
      throw new Error("down");
    });
    const waits: number[] = [];
    for (let i = 0; i < 3; i++) {
      const { due } = await one.deliver();
      if (due === null) break;
      waits.push(due);
      expect(one.got).toEqual([]);
      crowd.now += due - 1;
      expect(await one.deliver()).toMatchObject({ handled: 0, due: 1 });
      crowd.now += 1;
    }
    expect(attempts).toEqual([1, 2, 3]);
    expect(waits[0]! >= 1_000 && waits[0]! <= 1_100 && waits[1]! >= 10_000 && waits[1]! <= 11_000).toBe(true);
    expect(one.got).toEqual(["+bob connect"]);
    const { letters, next } = await one.subscriber.deadLetters.list();
    expect(next).toBeNull();
    expect(letters).toEqual([
      {
        id: expect.stringMatching(/^0\.\d+-\d+$/),
        delivery: expect.objectContaining({ user: "alice", type: "online", cause: "connect" }),
        attempts: 3,
        error: "down",
        at: expect.any(Date),
      },
    ]);
    expect(await knownTo()).toEqual(["alice", "bob"]);
    expect(await stateOf()).toMatchObject({ failed: "3", buried: "1", handled: "1" });
  });

  it("a dead letter is delivered again with its own id, or dropped", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    let down = true;
    const ids: string[] = [];
    const one = subscriberOn(crowd, { retries: [] }, ({ id }) => {
      ids.push(id);
      if (down) throw new Error("down");
    });
    await one.deliver();
    const { deadLetters } = one.subscriber;
    const { letters } = await deadLetters.list({ limit: 1 });
    const rest = await deadLetters.list({ after: letters[0]!.id });
    expect([letters.length, rest.letters.length, await deadLetters.count()]).toEqual([1, 1, 2]);
    down = false;
    expect(await deadLetters.retry(letters[0]!.id)).toBe(true);
    expect(await deadLetters.drop(rest.letters[0]!.id)).toBe(true);
    expect(await deadLetters.drop(rest.letters[0]!.id)).toBe(false);
    await crowd.say("+carol");
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+carol connect"]);
    expect(ids[2]).toBe(ids[0]);
    expect(await deadLetters.count()).toBe(0);
  });

  it("a dead letter that is tried again has attempts of its own, not those of the change that waits", async () => {
    let isDown = true;
    const one = subscriberOn(crowd, { retries: [1_000] }, () => {
      if (isDown) throw new Error("down");
    });
    await one.deliver();
    await crowd.say("+alice");
    await one.deliver();
    crowd.now += 1_200;
    await one.deliver();
    const letters = one.subscriber.deadLetters;
    const [letter] = (await letters.list()).letters;
    await crowd.say("+bob");
    await one.deliver();
    expect(await stateOf()).toMatchObject({ attempt: "1" });
    await letters.retry(letter!.id);
    isDown = false;
    crowd.now += 1_200;
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+bob connect"]);
    expect(one.infos.map(({ attempt }) => attempt)).toEqual([1, 1]);
  });

  it("that say when, or not at all, are heeded", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice", "+bob");
    const thrown = [
      new DeliveryError("busy", { retryAfter: 60_000 }),
      new DeliveryError("gone", { giveUp: true }),
      new DeliveryError("over", { disable: true }),
    ];
    const one = subscriberOn(crowd, { retries: [1_000, 1_000, 1_000] }, () => {
      const error = thrown.shift();
      if (error !== undefined) throw error;
    });
    const { due } = await one.deliver();
    expect(due).toBe(60_000);
    crowd.now += 60_000;
    expect(await one.deliver()).toMatchObject({ handled: 0, disabled: true });
    expect(await one.subscriber.deadLetters.count()).toBe(1);
    expect(await stateOf()).toMatchObject({ disabled: "over" });
    expect(await one.deliver()).toMatchObject({ disabled: true });
    expect(await one.subscriber.enable()).toBe(true);
    await one.deliver();
    expect(one.got).toEqual(["+bob connect"]);
  });

  it("a handler that takes too long has failed, and its signal fires", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    let reason: unknown;
    const one = subscriberOn(crowd, { timeout: 20, retries: [0] }, async (_, { attempt, signal }) => {
      if (attempt > 1) return;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      reason = signal.reason;
      await new Promise(() => {});
    });
    await one.deliver();
    expect(String(reason)).toContain("not within 20 ms");
    expect(await stateOf()).toMatchObject({ error: "not within 20 ms" });
    await one.deliver();
    expect(one.got).toEqual(["+alice connect"]);
  });
});

describe("a gap", () => {
  it("after changes were trimmed is one gap and the difference", async () => {
    await crowd.say("+alice", "+bob", "+carol");
    await subscriberOn(crowd).deliver();
    await crowd.say("~alice", "+dan");
    await crowd.say("-bob", "+erin");
    await crowd.say("+bob", "~erin");
    await crowd.say("~carol");
    await crowd.redis.xtrim(crowd.keys.changes, "MAXLEN", 1);
    const one = subscriberOn(crowd);
    await one.deliver();
    expect(one.got.toSorted()).toEqual(["+dan resync", "-alice resync", "-carol resync", "gap trimmed"]);
    expect(one.got[0]).toBe("gap trimmed");
    expect(await knownTo()).toEqual(["bob", "dan"]);
    expect(new Set(one.deliveries.map(({ id }) => id)).size).toBe(4);
    await crowd.say("~dan");
    await one.deliver();
    expect(one.got.at(-1)).toBe("-dan leave");
    expect(await stateOf()).toMatchObject({ gaps: "1" });
  });

  it("is filled only once, whatever changes meanwhile", async () => {
    await crowd.say("+alice", "+bob");
    await subscriberOn(crowd).deliver();
    await crowd.say("~alice", "+carol");
    await crowd.say("+dan");
    await crowd.redis.xtrim(crowd.keys.changes, "MAXLEN", 1);
    // Between the gap and the comparison: bob goes, alice comes back and carol goes and comes.
    const one = subscriberOn(crowd, {}, async ({ type }) => {
      if (type === "gap") {
        await crowd.say("~bob", "+alice");
        await crowd.say("~carol", "+erin");
        await crowd.say("+carol");
      }
    });
    await one.deliver();
    const online = new Set(["alice", "bob"]);
    for (const delivery of one.deliveries) {
      if (delivery.type === "gap") continue;
      const isOnline = delivery.type === "online";
      expect([short(delivery), online.has(delivery.user)]).toEqual([short(delivery), !isOnline]);
      if (isOnline) online.add(delivery.user);
      else online.delete(delivery.user);
    }
    expect([...online].sort()).toEqual(Object.keys(await crowd.users()).sort());
    expect(await knownTo()).toEqual([...online].sort());
  });

  it("after a rebuild waits until processes had time to register again", async () => {
    await crowd.say("+alice", "+bob");
    await subscriberOn(crowd).deliver();
    await crowd.redis.del(crowd.keys.users);
    crowd.now += 5_000;
    await crowd.step({ check: true });
    const one = subscriberOn(crowd);
    const { due } = await one.deliver();
    expect(one.got).toEqual(["gap rebuilt"]);
    expect(due).toBeGreaterThanOrEqual(14_000);
    await crowd.restart("bob", "carol");
    crowd.now += due!;
    await one.deliver();
    expect(one.got).toEqual(["gap rebuilt", "+carol resync", "-alice resync"]);
  });

  it("after FLUSHALL: a process that served it says so, a new one begins anew", async () => {
    await crowd.say("+alice");
    const one = subscriberOn(crowd);
    await one.deliver();
    await crowd.redis.flushall();
    await crowd.restart("bob");
    const { due } = await one.deliver();
    expect(one.got).toEqual(["gap forgotten"]);
    crowd.now += due!;
    await one.deliver();
    expect(one.got).toEqual(["gap forgotten", "+bob resync"]);
  });

  it("after the changes were deleted is one, however long there are no new ones", async () => {
    await crowd.say("+alice");
    const one = subscriberOn(crowd, { from: "start" });
    await one.deliver();
    await crowd.redis.del(crowd.keys.changes);
    for (let i = 0; i < 4; i++) {
      await one.deliver();
      crowd.now += 20_000;
    }
    expect(one.got).toEqual(["+alice connect", "gap lost"]);
    await crowd.say("+bob");
    await one.deliver();
    expect(one.got.slice(2)).toEqual(["+bob connect"]);
  });

  it("waits no longer because the clock goes back", async () => {
    await crowd.say("+alice");
    const one = subscriberOn(crowd, { retries: [1_000] }, ({ type }, { attempt }) => {
      if (type === "gap" && attempt === 1) throw new Error("down");
    });
    await one.deliver();
    await crowd.redis.del(crowd.keys.changes);
    expect((await one.deliver()).due).toBeLessThanOrEqual(1_100);
    crowd.now -= 400_000;
    expect((await one.deliver()).due).toBeLessThanOrEqual(1_100);
    crowd.now += 1_100;
    expect((await one.deliver()).due).toBe(15_000);
    crowd.now -= 400_000;
    expect((await one.deliver()).due).toBe(15_000);
    crowd.now += 15_000;
    expect(await one.deliver()).toMatchObject({ idle: true });
  });

  it("is found by counting when nothing else shows it", async () => {
    await crowd.say("+alice", "+bob");
    const one = subscriberOn(crowd);
    await one.deliver();
    await crowd.redis.srem(subscriberKeysOf(crowd.keys, "billing").known, "bob");
    expect(await one.deliver()).toMatchObject({ handled: 0 });
    crowd.now += 61_000;
    await one.deliver();
    expect(one.got).toEqual(["gap differs", "+bob resync"]);
  });

  it("after a failover took a change and its note: whom the receiver was told about is compared", async () => {
    const one = subscriberOn(crowd);
    await one.deliver();
    await crowd.say("+alice");
    await one.deliver();
    const failover = await crowd.replica();
    await crowd.say("+carol");
    await one.deliver();
    await failover();
    expect(await one.deliver()).toMatchObject({ idle: false });
    expect(one.got).toEqual(["+alice connect", "+carol connect", "gap lost"]);
    crowd.now += 15_000;
    await one.deliver();
    expect(one.got.slice(3)).toEqual(["-carol resync"]);
    expect(await knownTo()).toEqual(["alice"]);
    crowd.now += 120_000;
    await one.deliver();
    expect(one.got).toHaveLength(4);
  });

  it("after a failover took only notes: nothing that is left of the changes is skipped, nor told twice by who knows", async () => {
    const one = subscriberOn(crowd);
    await one.deliver();
    await crowd.say("+alice", "+bob");
    const failover = await crowd.replica();
    await one.deliver();
    await failover();
    await crowd.say("~alice", "+dan");
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+bob connect", "+dan connect", "-alice leave", "gap lost"]);
    crowd.now += 15_000;
    await one.deliver();
    expect(one.got).toHaveLength(5);
    expect(await knownTo()).toEqual(["bob", "dan"]);
  });

  it("after a failover took a change and left an older one of the user: what was told last is known", async () => {
    const one = subscriberOn(crowd);
    await one.deliver();
    await crowd.say("+alice", "+bob");
    await one.deliver();
    await crowd.say("~alice");
    const failover = await crowd.replica();
    await one.deliver();
    await crowd.say("+alice");
    await one.deliver();
    await failover();
    await one.deliver();
    crowd.now += 15_000;
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+bob connect", "-alice leave", "+alice connect", "gap lost", "-alice resync"]); // prettier-ignore
  });

  it("after a failover took the note of what had failed before: the next one begins with its first attempt", async () => {
    let isDown = true;
    const one = subscriberOn(crowd, {}, ({ id }) => {
      if (isDown) throw new Error(`down: ${id}`);
    });
    await one.deliver();
    await crowd.say("+alice");
    await one.deliver();
    isDown = false;
    crowd.now += 60_000;
    const failover = await crowd.replica();
    await one.deliver();
    await failover();
    await crowd.say("+bob");
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "+bob connect", "gap lost"]);
    expect(one.infos.map(({ attempt }) => attempt)).toEqual([2, 1, 1]);
  });

  it("after a failover took a dead letter: what it said is told after a later change, and the comparison tells what is so", async () => {
    let isDown = false;
    const one = subscriberOn(crowd, { retries: [] }, (delivery) => {
      if (isDown && short(delivery) === "-alice leave") throw new Error("down");
    });
    await one.deliver();
    await crowd.say("+alice", "+bob");
    await one.deliver();
    isDown = true;
    await crowd.say("~alice");
    const failover = await crowd.replica();
    await crowd.say("+alice");
    // It took the notes, and none of the changes.
    const changes = await crowd.redis.dumpBuffer(crowd.keys.changes);
    const kept = await crowd.redis.hgetall(crowd.keys.users);
    await one.deliver();
    isDown = false;
    await failover();
    await crowd.redis.restore(crowd.keys.changes, 0, changes, "REPLACE");
    await crowd.redis.hset(crowd.keys.users, kept);
    await one.deliver();
    expect(await knownTo()).toEqual(["bob"]);
    crowd.now += 15_000;
    await one.deliver();
    expect(one.got.slice(2)).toEqual(["+alice connect", "-alice leave", "gap lost", "+alice resync"]);
  });

  it("after a failover: a process says nothing of whom it told about before another had the turn", async () => {
    const [one, two] = [subscriberOn(crowd), subscriberOn(crowd)];
    await one.deliver();
    await crowd.say("+alice", "+bob");
    await one.deliver();
    await crowd.say("~alice");
    await two.deliver();
    await one.deliver();
    const failover = await crowd.replica();
    await crowd.say("+carol");
    await one.deliver();
    await failover();
    await one.deliver();
    expect(await knownTo()).toEqual(["bob", "carol"]);
  });

  it("of one whose state was evicted while there are as many as may be: it still has its place", async () => {
    await crowd.say("+alice");
    const one = subscriberOn(crowd);
    await one.deliver();
    const others = Array.from({ length: SUBSCRIBERS_MAX - 1 }, (_, i) => [crowd.now, `other-${i}`]);
    await crowd.redis.zadd(crowd.keys.subscribers, ...others.flat());
    await crowd.redis.del(subscriberKeysOf(crowd.keys, "billing").state);
    await one.deliver();
    expect(one.got).toEqual(["gap forgotten"]);
    await expect(subscriberOn(crowd, { name: "another" }).deliver()).rejects.toThrow(
      "there are 100 subscribers",
    );
  });

  it("after Redis forgot all, and another process began: who had the turn before is not behind it", async () => {
    const [one, two] = [subscriberOn(crowd), subscriberOn(crowd)];
    await one.deliver();
    await crowd.say("+alice", "+bob");
    await one.deliver();
    await crowd.redis.flushdb();
    crowd.now += 1;
    await two.deliver();
    await crowd.restart("carol");
    await one.deliver();
    expect((await stateOf())["gaps"]).toBe(undefined);
    expect(await knownTo()).toEqual(["carol"]);
    expect(one.got.at(-1)).toBe("+carol connect");
  });

  it("after a failover: who is known by a dead letter that is left stays so", async () => {
    let isDown = false;
    const one = subscriberOn(crowd, { retries: [] }, ({ id }) => {
      if (isDown) throw new Error(`down: ${id}`);
    });
    await one.deliver();
    await crowd.say("+alice", "+bob");
    await one.deliver();
    isDown = true;
    await crowd.say("~alice");
    await one.deliver();
    isDown = false;
    const failover = await crowd.replica();
    await crowd.say("+carol");
    await one.deliver();
    await failover();
    await one.deliver();
    expect(await knownTo()).toEqual(["bob", "carol"]);
  });

  it("after a failover took a dead letter, it is delivered again", async () => {
    let isDown = true;
    const one = subscriberOn(crowd, { retries: [] }, ({ id }) => {
      if (isDown) throw new Error(`down: ${id}`);
    });
    await one.deliver();
    await crowd.say("+alice");
    const failover = await crowd.replica();
    await one.deliver();
    expect(await stateOf()).toMatchObject({ buried: "1" });
    await failover();
    isDown = false;
    await one.deliver();
    expect(one.got).toEqual(["+alice connect", "gap lost"]);
  });

  it("after a failover, what fails behind what is passed again is given up in the end", async () => {
    let isDown = false;
    const one = subscriberOn(crowd, { retries: [1_000] }, () => {
      if (isDown) throw new Error("down");
    });
    await one.deliver();
    await crowd.say("+alice");
    const failover = await crowd.replica();
    await one.deliver();
    await failover();
    await crowd.say("+bob");
    isDown = true;
    await one.deliver();
    expect(await stateOf()).toMatchObject({ attempt: "1" });
    crowd.now += 1_200;
    await one.deliver();
    expect(await stateOf()).toMatchObject({ buried: "1" });
  });

  it("after a failover: another process that takes over tells again what was not noted", async () => {
    await subscriberOn(crowd).deliver();
    await crowd.say("+alice");
    const failover = await crowd.replica();
    const one = subscriberOn(crowd);
    await one.deliver();
    await failover();
    const two = subscriberOn(crowd);
    await two.deliver();
    expect(two.deliveries.map(({ id }) => id)).toEqual(one.deliveries.map(({ id }) => id));
  });

  it("after a failover is found although another process has the turn in what is left, and it does not say what another knows better", async () => {
    const [one, two] = [subscriberOn(crowd, {}, undefined, "one"), subscriberOn(crowd, {}, undefined, "two")];
    const [first, second] = [one.shards[0]!, two.shards[0]!];
    await first.round(ALL);
    await crowd.say("+alice", "+bob");
    await first.round(ALL);
    crowd.now += 40_000;
    await crowd.say("~alice");
    await second.round(ALL);
    expect(await first.round(ALL)).toMatchObject({ state: "held" });
    const failover = await crowd.replica();
    crowd.now += 40_000;
    await crowd.say("+carol");
    await first.round(ALL);
    await failover();
    crowd.now -= 30_000;
    expect(await first.round(ALL)).toMatchObject({ state: "held" });
    expect(await stateOf()).toMatchObject({ holder: "two", unsure: "1" });
    expect(await knownTo()).toEqual(["bob", "carol"]);
    await second.round(ALL);
    crowd.now += 15_000;
    await second.round(ALL);
    expect(two.got).toEqual(["-alice leave", "gap lost", "-carol resync"]);
  });

  it("survives a crash in the middle of the difference", async () => {
    await crowd.say(...Array.from({ length: 300 }, (_, i) => `+u${i}`));
    await subscriberOn(crowd).deliver();
    await crowd.say(...Array.from({ length: 200 }, (_, i) => `~u${i}`));
    await crowd.say("+last");
    await crowd.redis.xtrim(crowd.keys.changes, "MAXLEN", 1);
    const seen: string[] = [];
    for (let i = 0; i < 20; i++) {
      let left = 13;
      const one = subscriberOn(crowd, { batch: 5 }, (delivery) => {
        if (left-- === 0) throw new Error("crash");
        seen.push(delivery.id);
      });
      await one.deliver();
      crowd.now += 40_000_000;
    }
    expect(new Set(seen).size).toBe(202);
    expect(await knownTo()).toHaveLength(101);
  });
});

describe("remove()", () => {
  it("leaves nothing in Redis", async () => {
    const one = subscriberOn(crowd, { retries: [] }, () => {
      throw new Error("down");
    });
    await one.deliver();
    await crowd.say("+alice");
    await one.deliver();
    const keys = async () =>
      (await crowd.redis.keys(`{${crowd.prefix}}:*`)).filter((key) => /billing|subscribers/.test(key));
    expect(await keys()).not.toEqual([]);
    await one.subscriber.remove();
    expect(await keys()).toEqual([]);
  });
});
