/**
 * Goal: INV-14, whatever happens: each change is handled at least once, in order for a user, under one id, by who has the turn; a gap is told,
 * and what was told adds up to who is present.
 * Method: random histories on the real script under the test's clock. Several processes serve one subscriber; their requests get lost before
 * or after they were carried out, they crash between handling and noting, stall beyond their turn and go on, handlers fail; changes are
 * trimmed, the projection is rebuilt, a user is forgotten, Redis forgets everything. A failure prints its seed; repeat it with
 * `SUBSCRIBER_SEED=<seed> npx vitest run test/unit/subscriber/random.test.ts`.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../../rig/random.ts";
import { type RedisServer, startRedis } from "../../../rig/redis.ts";
import type { Change } from "../../../src/core/change.ts";
import type { ChangeDelivery, Delivery } from "../../../src/core/delivery.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { subscriberKeysOf } from "../../../src/core/keys.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { WritePort } from "../../../src/redis/port.ts";
import { resolveSubscriberOptions } from "../../../src/subscriber/options.ts";
import { type ServedSubscriber, subscriberOver } from "../../../src/subscriber/subscriber.ts";
import { Crowd, short } from "./support.ts";

const SEED = process.env["SUBSCRIBER_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env["SUBSCRIBER_RUNS"] ?? 40);
const USERS = ["a", "b", "c", "d", "e", "f"];
const TURN = 4_000;
const NEVER = new AbortController().signal;

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Loses requests, before or after Redis has carried them out. `noted`: a step forward was carried out. */
function lossy(port: WritePort, random: Random, isOn: () => boolean, noted: () => void): WritePort {
  const through = async <T>(send: () => Promise<T>): Promise<T> => {
    if (isOn() && random.chance(0.04)) throw new PresenceError("REDIS_UNAVAILABLE", "lost on the way there");
    const reply = await send();
    if (isOn() && random.chance(0.04)) throw new PresenceError("REDIS_UNAVAILABLE", "lost on the way back");
    return reply;
  };
  return {
    call: (command) =>
      through(async () => {
        const reply = await port.call(command);
        if (command.includes("note") && (reply as unknown[])[0] === "done") noted();
        return reply;
      }),
    pipeline: (commands) => through(() => port.pipeline(commands)),
  };
}

class History {
  readonly crowd: Crowd;
  readonly #random: Random;
  readonly #sockets = new Map<string, number>();
  /** What was handled, in order. */
  readonly handled: Delivery[] = [];
  /** Changes that forget() removed. */
  readonly removed: Change[] = [];
  /** What each id was. */
  readonly ids = new Map<string, string>();
  isWild = true;
  /** Redis has forgotten what was told: a process that starts then cannot know. */
  isForgotten = false;
  gaps = 0;
  /** Users of what was handled and is not noted; and those who were when a gap came. */
  readonly #unnoted = new Map<string, string>();
  readonly inDoubt = new Set<string>();
  #processes: ServedSubscriber[] = [];

  constructor(seed: string) {
    this.#random = new Random(seed);
    this.crowd = new Crowd(server.url);
  }

  #serve(): ServedSubscriber {
    const random = this.#random.fork(`process ${this.#processes.length}`);
    const port = lossy(
      ioredisPort(this.crowd.redis),
      random,
      () => this.isWild,
      () => {
        for (const id of pending.splice(0)) this.#unnoted.delete(id);
      },
    );
    /** What this process has handled last. */
    const pending: string[] = [];
    const isBatch = random.chance(0.3);
    const options = resolveSubscriberOptions({
      name: "billing",
      prefix: this.crowd.prefix,
      logger: false,
      from: "start",
      turn: TURN,
      retries: Array<number>(30).fill(500),
      ...(isBatch && { batch: 4 }),
    });
    const handle = async (given: Delivery | readonly Delivery[]) => {
      const all = (Array.isArray(given) ? given : [given]) as readonly Delivery[];
      if (this.isWild && random.chance(0.1)) throw new Error("the receiver is down");
      // A stall: the clock goes on, others work, and this process has not noticed.
      if (this.isWild && random.chance(0.03)) {
        this.crowd.now += TURN * 2;
        await this.#other(random);
      }
      this.#note(all);
      pending.splice(0, pending.length, ...all.map(({ id }) => id));
      // It was handled, and nobody will know.
      if (this.isWild && random.chance(0.05)) throw new Error("crashed after handling");
    };
    const served = subscriberOver(port, handle, options, { now: () => this.crowd.now });
    this.#processes.push(served);
    return served;
  }

  #isNested = false;
  async #other(random: Random): Promise<void> {
    if (this.#isNested) return;
    this.#isNested = true;
    await this.deliver(random.pick(this.#processes));
    this.#isNested = false;
  }

  #note(all: readonly Delivery[]): void {
    for (const delivery of all) {
      const text = short(delivery);
      const before = this.ids.get(delivery.id);
      if (before !== undefined && before !== text)
        throw new Error(`INV-14: ${delivery.id} was ${before} and is ${text}`);
      this.ids.set(delivery.id, text);
      if (before === undefined && delivery.type === "gap") this.gaps++;
      this.handled.push(delivery);
      if (delivery.type !== "gap") this.#unnoted.set(delivery.id, delivery.user);
      // Whether they were handled nobody knows any more.
      else for (const user of this.#unnoted.values()) this.inDoubt.add(user);
    }
  }

  async deliver(served: ServedSubscriber): Promise<boolean> {
    try {
      const [shard] = served.shards;
      let left = this.isWild ? this.#random.int(1, 12) : Infinity;
      const { state } = await shard!.round({ signal: NEVER, mayGoOn: () => left-- > 0, handled() {} });
      if (this.isWild && this.#random.chance(0.5)) await shard!.leave();
      return state === "idle";
    } catch (error) {
      if (error instanceof PresenceError && error.code === "REDIS_UNAVAILABLE") return false;
      throw error;
    }
  }

  async #come(): Promise<void> {
    const user = this.#random.pick(USERS);
    const has = this.#sockets.get(user) ?? 0;
    if (has > 0 && this.#random.chance(0.6)) {
      this.#sockets.set(user, has - 1);
      await this.crowd.say(`${this.#random.pick(["~", "-"])}${user}`);
    } else {
      this.#sockets.set(user, has + 1);
      await this.crowd.say(`+${user}`);
    }
  }

  async #strike(): Promise<void> {
    const { redis, keys } = this.crowd;
    const what = this.#random.pick(["trim", "trim", "rebuild", "flush", "forget"]);
    if (what === "trim") {
      await redis.xadd(keys.changes, "*", "trimmed", "");
      await redis.xtrim(keys.changes, "MAXLEN", 1);
      return;
    }
    if (what === "forget") {
      const user = this.#random.pick(USERS);
      if ((await redis.hexists(keys.users, user)) === 1) return;
      const was = await this.crowd.changes();
      await this.crowd.projector.forget(user);
      this.removed.push(...was.slice(0, was.length - (await this.crowd.changes()).length));
      // Nobody is told that it went.
      this.inDoubt.add(user);
      const knows = await redis.sismember(subscriberKeysOf(keys, "billing").known, user);
      if (knows === 1) throw new Error(`INV-14: it still knows ${user}, who was forgotten`);
      return;
    }
    if (what === "flush") {
      await redis.flushdb();
      this.isForgotten = true;
    } else {
      await redis.del(keys.users);
      this.crowd.now += 5_000;
      await this.crowd.step({ check: true });
    }
    await this.crowd.restart(...[...this.#sockets].flatMap(([user, n]) => Array<string>(n).fill(user)));
  }

  async run(strikes: boolean): Promise<void> {
    for (let i = 0; i < 3; i++) this.#serve();
    for (let i = 0; i < 60; i++) {
      const what = this.#random.next();
      if (what < 0.45) await this.#come();
      else if (what < 0.9) await this.deliver(this.#random.pick(this.#processes));
      else if (what < 0.95) this.crowd.now += this.#random.int(1, 2 * TURN);
      else if (strikes && what < 0.97) await this.#strike();
      // A process that never comes back, and one that starts.
      else this.#processes[this.#random.int(0, 2)] = this.#serve();
    }
    this.isWild = false;
    for (let i = 0; i < 400; i++) {
      this.crowd.now += 1_000;
      if ((await this.deliver(this.#processes[i % 3]!)) && i > 3) {
        // The turn of others is over, and what was to be compared is.
        this.crowd.now += 61_000;
        if (await this.deliver(this.#processes[i % 3]!)) return;
      }
    }
    throw new Error("it has not come to an end");
  }

  /** Each id once, where it was handled first. */
  first(): ChangeDelivery[] {
    const seen = new Set<string>();
    return this.handled.filter((one): one is ChangeDelivery => {
      if (seen.has(one.id) || one.type === "gap") return false;
      seen.add(one.id);
      return true;
    });
  }
}

async function check(seed: string, strikes: boolean): Promise<void> {
  const history = new History(seed);
  const { crowd } = history;
  try {
    await history.run(strikes);
    const present = Object.keys(await crowd.users()).sort();
    const first = history.first();
    const isWhole = history.gaps === 0 && !history.isForgotten;
    // Of a user the last delivery says what is so; without losses they alternate.
    const last = new Map<string, string>();
    for (const { user, type, id } of first) {
      if (isWhole && last.get(user) === type) throw new Error(`INV-14: ${user} ${type} twice, at ${id}`);
      last.set(user, type);
    }
    if (isWhole) {
      const expected = [...history.removed, ...(await crowd.changes())].map(
        ({ user, type, cause }) => `${user} ${type} ${cause}`,
      );
      expect(first.map(({ user, type, cause }) => `${user} ${type} ${cause}`)).toEqual(expected);
    }
    const known = (await crowd.redis.smembers(subscriberKeysOf(crowd.keys, "billing").known)).sort();
    expect(known).toEqual(present);
    const { gaps } = history;
    if (!history.isForgotten) {
      const online = [...last].flatMap(([user, type]) => (type === "online" ? [user] : [])).sort();
      const sure = (users: readonly string[]) => users.filter((user) => !history.inDoubt.has(user));
      expect([gaps, sure(online)]).toEqual([gaps, sure(present)]);
    }
  } finally {
    await crowd.close();
  }
}

it(`INV-14: every change once at least, and in order, if none is lost (SUBSCRIBER_SEED=${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    await check(`${SEED}/${run}/whole`, false).catch((error: unknown) => {
      throw new Error(`SUBSCRIBER_SEED=${SEED}, history ${run}: ${String(error)}`, { cause: error });
    });
  }
});

it(`INV-14: what was told adds up to who is present, whatever is lost (SUBSCRIBER_SEED=${SEED})`, async () => {
  for (let run = 0; run < RUNS; run++) {
    await check(`${SEED}/${run}/struck`, true).catch((error: unknown) => {
      throw new Error(`SUBSCRIBER_SEED=${SEED}, history ${run}: ${String(error)}`, { cause: error });
    });
  }
});
