/**
 * Goal: over HTTP a sweep is exact whatever happens to its requests: the client retries one whose reply was lost, another
 * sweep runs at the same time, the platform kills one between two requests (INV-1 to INV-4), in both read modes.
 * Method: processes append at random while such sweeps run through the bridge; then an undisturbed sweep, after which the counts
 * must equal the open sockets. A server in front of the bridge carries requests out and drops their replies.
 */
import { randomInt } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { upstashClient } from "../../../src/edge/upstash.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import type { ReadMode } from "../../../src/projector/options.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import type { WritePort } from "../../../src/redis/port.ts";
import { upstashWritePort } from "../../../src/redis/upstash.ts";
import { Random } from "../../../rig/random.ts";
import { type Counts, type Operation, TestShard } from "../../../rig/shard.ts";
import { startTappedBridge, type Tap, WRITE_TOKEN } from "./support.ts";

const seed = randomInt(2 ** 31);
const ROUNDS = 25;
const USERS = 40;
const ROUND_MS = 6_000;

let server: RedisServer;
let tap: Tap;
let shard: TestShard;
beforeAll(async () => {
  server = await startRedis();
  tap = await startTappedBridge(server.url);
});
afterAll(async () => {
  await tap[Symbol.asyncDispose]();
  await server.stop();
});
beforeEach(() => {
  shard = new TestShard(server.url);
});
afterEach(async () => {
  tap.loses = () => undefined;
  await shard.close();
});

/** The platform ends it with its n-th request, which is sent all the same, or is not: nothing after that happens. */
function killedAt(port: WritePort, n: number, sent: boolean, onKilled: () => void = () => {}): WritePort {
  let requests = 0;
  const dies = async <T>(request: () => Promise<T>): Promise<T> => {
    if (++requests < n) return request();
    if (requests === n && sent) await request().catch(() => {});
    onKilled();
    throw new PresenceError("REDIS_UNAVAILABLE", "killed here");
  };
  return {
    call: (command) => dies(() => port.call(command)),
    pipeline: (commands) => dies(() => port.pipeline(commands)),
  };
}

/** Processes that come, go, crash and say goodbye, and the sockets that are open because of them. */
class Crowd {
  readonly #random: Random;
  readonly #processes = new Map<string, { seq: number; sockets: string[]; until: number }>();
  #made = 0;
  records = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  async appends(): Promise<void> {
    const random = this.#random;
    if (this.#processes.size < 3) {
      this.#processes.set(`p${this.#made++}`, { seq: 0, sockets: [], until: Infinity });
    }
    for (const [process, own] of this.#processes) {
      if (own.until < Infinity) continue;
      for (let i = random.int(1, 4); i > 0; i--) {
        const operations = Array.from({ length: random.int(0, 12) }, () => this.#operation(own.sockets));
        const ttl = 4 * ROUND_MS;
        await shard.record({ process, seq: ++own.seq, ttl, operations, sockets: own.sockets.length });
        this.records++;
      }
      // It crashes: from here on its lease is not renewed.
      if (random.chance(0.15)) own.until = shard.now + 4 * ROUND_MS;
    }
  }

  #operation(sockets: string[]): Operation {
    const random = this.#random;
    if (sockets.length > 0 && random.chance(0.4)) {
      const [user] = sockets.splice(random.int(0, sockets.length - 1), 1);
      return { op: random.chance(0.5) ? "leave" : "disconnect", user: user! };
    }
    const user = `user-${random.int(0, USERS - 1)}`;
    sockets.push(user);
    return { op: "connect", user };
  }

  /** What `users` has to be, of the processes whose leases have not run out. */
  open(): Counts {
    const counts: Counts = {};
    for (const { sockets, until } of this.#processes.values()) {
      if (until <= shard.now) continue;
      for (const user of sockets) counts[user] = (counts[user] ?? 0) + 1;
    }
    return counts;
  }
}

describe.each(["group", "range"] as const)(`read by %s (seed ${seed})`, (read: ReadMode) => {
  let random: Random;
  let crowd: Crowd;
  beforeEach(({ task }) => {
    random = new Random(`${seed}/${read}/${task.name}`);
    crowd = new Crowd(random.fork("crowd"));
  });

  const port = () => upstashWritePort(upstashClient({ url: tap.url, token: WRITE_TOKEN }));
  /** As in an invocation of its own. A small budget: sweeps take many calls. */
  const sweeper = (own: WritePort = port()): Projector =>
    projectorOver(own, { prefix: shard.prefix, read, budget: 200 }, { now: () => shard.now });

  /** Rounds of `disturbed` sweeps while the crowd goes on; then peace. */
  async function goesThrough(disturbed: () => Promise<void>): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all([crowd.appends(), disturbed()]);
      shard.now += ROUND_MS;
      await shard.check();
    }
    tap.loses = () => undefined;
    shard.now += ROUND_MS;
    expect((await sweeper().sweep()).idle).toBe(true);
    expect(await shard.users()).toEqual(crowd.open());
    const { records, fenced, rejected } = await shard.totals();
    expect([records, fenced, rejected]).toEqual([String(crowd.records), "0", "0"]);
    await shard.check();
  }

  const unlessUnavailable = (error: unknown) => expect(error).toMatchObject({ code: "REDIS_UNAVAILABLE" });

  it("INV-2: a sweep is exact when replies are lost and the client retries", async () => {
    let lost = 0;
    tap.loses = () => {
      if (!random.chance(0.3)) return undefined;
      lost++;
      return random.chance(0.5) ? "early" : "late";
    };
    // When the second answer is lost as well, the sweep fails and the next one goes on.
    await goesThrough(async () => {
      await sweeper().sweep().catch(unlessUnavailable);
    });
    expect(lost).toBeGreaterThan(5);
  });

  it("INV-2: two sweeps at once are exact, of one invocation or of two", async () => {
    const lasting = sweeper();
    await goesThrough(async () => {
      const others = random.chance(0.5) ? [lasting, lasting] : [lasting, sweeper()];
      await Promise.all(others.map((one) => one.sweep({ budget: { requests: 40 } })));
    });
  });

  it("INV-2: a sweep that is killed between two requests, or during one, loses nothing", async () => {
    let killed = 0;
    await goesThrough(async () => {
      const own = killedAt(port(), random.int(1, 4), random.chance(0.5), () => killed++);
      await sweeper(own).sweep().catch(unlessUnavailable);
    });
    expect(killed).toBeGreaterThan(5);
  });

  it("INV-2: sweeps are exact when all of this happens at once", async () => {
    tap.loses = () => (random.chance(0.1) ? "early" : undefined);
    await goesThrough(async () => {
      const own = killedAt(port(), random.int(1, 8), random.chance(0.5));
      await Promise.all([
        sweeper(own).sweep().catch(unlessUnavailable),
        sweeper()
          .sweep({ budget: { requests: 40 } })
          .catch(unlessUnavailable),
      ]);
    });
  });
});
