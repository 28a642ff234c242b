/**
 * Goal: a scheduled function sweeps repeatedly within its minute, stays within the platform's limits for requests and time, and
 * reports what it left.
 * Method: the Worker's sweep over a real Redis; where only time matters, over a projector that records when it is called.
 */
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { PresenceError } from "../../../src/core/errors.ts";
import type { Deliver } from "../../../src/edge/deliveries.ts";
import { sweepMinute, type Sweeping } from "../../../src/edge/minute.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { type Projector, projectorOver } from "../../../src/projector/projector.ts";
import type { SweepBudget } from "../../../src/projector/options.ts";
import type { SweepSummary } from "../../../src/projector/sweep.ts";
import type { WritePort } from "../../../src/redis/port.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { append, newPrefix } from "../http/support.ts";

const MINUTE_MS = 60_000;

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
afterEach(() => {
  vi.useRealTimers();
});

/** What one invocation logs, and how it ends. */
async function invoke(sweeping: Sweeping) {
  const summaries: SweepSummary[] = [];
  const warnings: string[] = [];
  const errors: string[] = [];
  const logger = {
    info: (text: string) => void summaries.push(JSON.parse(text.replace("sweep: ", "")) as SweepSummary),
    warn: (text: string) => void warnings.push(text),
    error: (text: string) => void errors.push(text),
  };
  const failure = await sweepMinute(() => sweeping, logger).catch((error: unknown) => error);
  return { summaries, warnings, errors, failure };
}

interface Options {
  readonly prefix: string;
  readonly shards?: number;
  readonly interval?: number;
  readonly requests?: number;
}

const over = (port: WritePort, { interval = MINUTE_MS, requests = 45, ...options }: Options) =>
  invoke({ projector: projectorOver(port, options), interval, requests });

describe("over a real Redis", () => {
  it("a sweep does all pending work", async () => {
    const prefix = newPrefix();
    await append(redis, { prefix, users: ["alice", "bob"] });
    const { summaries, errors, failure } = await over(ioredisPort(redis), { prefix });
    expect(summaries).toMatchObject([{ calls: 1, records: 1, operations: 2, changes: 2, idle: true }]);
    expect([errors, failure]).toEqual([[], undefined]);
  });

  it("repeated sweeps fold what is appended in between, and a warning says when the requests are used up", async () => {
    const prefix = newPrefix();
    const port = ioredisPort(redis);
    let looks = 0;
    // Between two of its looks somebody appends.
    const busy: WritePort = {
      call: (command) => port.call(command),
      async pipeline(commands) {
        if (commands[0]![0] === "HMGET" && ++looks === 5)
          await append(redis, { prefix, shards: 2, users: ["alice", "bob"] });
        return port.pipeline(commands);
      },
    };
    const { summaries, warnings } = await over(busy, { prefix, shards: 2, interval: 1 });
    const requests = summaries.reduce((sum, summary) => sum + summary.requests, 0);
    expect(requests).toBeGreaterThanOrEqual(45);
    expect(requests).toBeLessThanOrEqual(50);
    expect(summaries.reduce((sum, { operations }) => sum + operations, 0)).toBe(2);
    expect(warnings).toEqual([expect.stringMatching(/^sweep: all 45 requests are used, so \d+ more sweeps/)]);
  });

  it("sweeps reach every shard in turn when there are more shards than requests", async () => {
    const prefix = newPrefix();
    const shards = 64;
    await append(redis, { prefix, shards, users: [] });
    const folded = async () => (await over(ioredisPort(redis), { prefix, shards })).summaries[0]!;
    const first = await folded();
    expect(first.requests).toBeLessThanOrEqual(47);
    expect(first).toMatchObject({ idle: false, left: { shards: shards - first.records } });
    let records = first.records;
    while (records < shards) records += (await folded()).records;
    expect(records).toBe(shards);
  });

  it("a sweep that fails rejects, and logs why in one line", async () => {
    const prefix = newPrefix();
    await redis.set(`{${prefix}}:records`, "of somebody else");
    const { errors, failure, summaries } = await over(ioredisPort(redis), { prefix });
    expect(failure).toMatchObject({ code: "REDIS_TYPE" });
    expect(errors).toEqual([expect.stringMatching(/^cannot sweep: REDIS_TYPE: /)]);
    expect(summaries).toEqual([]);
  });
});

describe("in time", () => {
  /** One invocation in which a sweep takes this long and this many requests: when they began, and with what budget. */
  async function times(interval: number, { took = 0, made = 1 } = {}) {
    vi.useFakeTimers({ toFake: ["setTimeout", "Date"] });
    const began = Date.now();
    const at: number[] = [];
    const budgets: SweepBudget[] = [];
    const projector = {
      shards: 1,
      async sweep({ budget }: { budget: SweepBudget }) {
        at.push(Date.now() - began);
        budgets.push(budget);
        await new Promise((resolve) => setTimeout(resolve, took));
        return { requests: made };
      },
    };
    const ended = invoke({ projector: projector as unknown as Projector, interval, requests: 45 });
    await vi.advanceTimersByTimeAsync(2 * MINUTE_MS);
    expect((await ended).failure).toBeUndefined();
    return { at, budgets };
  }

  it.each([
    [15_000, [0, 15_000, 30_000, 45_000]],
    [25_000, [0, 25_000, 50_000]],
    [59_999, [0, 59_999]],
    [60_000, [0]],
  ])(
    "every %i ms: at once, and the last leaves at most as much to the next minute",
    async (interval, expected) => {
      expect((await times(interval)).at).toEqual(expected);
    },
  );

  it("a slow sweep does not delay the next one; after a sweep longer than the interval the next follows at once", async () => {
    expect((await times(15_000, { took: 14_000 })).at).toEqual([0, 15_000, 30_000, 45_000]);
    expect((await times(15_000, { took: 20_000 })).at).toEqual([0, 20_000, 40_000]);
  });

  it("no request starts after the minute, and a backlog leaves later sweeps the requests they need", async () => {
    const { budgets } = await times(15_000, { made: 39 });
    expect(budgets).toEqual([
      { requests: 39, ms: 60_000 },
      { requests: 3, ms: 45_000 },
    ]);
    const quiet = await times(15_000);
    expect(quiet.budgets.map(({ requests }) => requests)).toEqual([39, 40, 41, 42]);
  });
});

describe("deliveries", () => {
  /** One invocation in which a delivery takes this long and this many requests, and fails if it is told to. */
  async function deliveries({ took = 0, made = 2, fails = false, requests = 45, ends = false } = {}) {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const began = Date.now();
    const swept: number[] = [];
    const at: number[] = [];
    const budgets: number[] = [];
    let aborted = -1;
    const projector = {
      shards: 1,
      async sweep() {
        swept.push(Date.now() - began);
        return { requests: 1 };
      },
    };
    const deliver: Deliver = async ({ requests: most, signal }) => {
      at.push(Date.now() - began);
      budgets.push(most);
      if (fails) throw new PresenceError("REDIS_UNAVAILABLE", "away");
      const cut = new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => {
          aborted = Date.now() - began;
          resolve();
        });
      });
      await (ends ? cut : new Promise((resolve) => setTimeout(resolve, took)));
      return { handled: 0, idle: true, due: null, disabled: false, requests: Math.min(made, most) };
    };
    const sweeping = { projector: projector as unknown as Projector, interval: 15_000, requests, deliver };
    const ended = invoke(sweeping);
    let end = -1;
    void ended.then(() => (end = Date.now() - began));
    await vi.advanceTimersByTimeAsync(3 * MINUTE_MS);
    return { ...(await ended), swept, at, budgets, aborted, end };
  }

  it("follow each sweep, and leave what later ones need", async () => {
    const { at, budgets, failure } = await deliveries();
    expect(failure).toBeUndefined();
    expect(at).toEqual([0, 15_000, 30_000, 45_000]);
    expect(budgets).toEqual([22, 25, 30, 35]);
    const backlog = await deliveries({ made: 22 });
    for (const most of backlog.budgets) expect(most).toBeGreaterThanOrEqual(4);
    expect(backlog.swept).toEqual([0, 15_000, 30_000, 45_000]);
  });

  it("that take long hold up no sweep, and are ended with the minute", async () => {
    const slow = await deliveries({ took: 20_000 });
    expect(slow.swept).toEqual([0, 15_000, 30_000, 45_000]);
    expect(slow.at).toEqual([0, 30_000]);
    const hanging = await deliveries({ ends: true });
    expect(hanging.swept).toEqual([0, 15_000, 30_000, 45_000]);
    expect(hanging).toMatchObject({ at: [0], aborted: 60_000, end: 60_000 });
  });

  it("that fail hold up no sweep either; the invocation rejects at its end, and says why", async () => {
    const { swept, errors, failure } = await deliveries({ fails: true });
    expect(swept).toEqual([0, 15_000, 30_000, 45_000]);
    // How many requests they made is not known, so all that they had count: the fourth has too few.
    expect(errors).toEqual(Array.from({ length: 3 }, () => "cannot deliver: REDIS_UNAVAILABLE: away"));
    expect(failure).toMatchObject({ code: "REDIS_UNAVAILABLE" });
  });

  it("do not begin with fewer requests than one takes", async () => {
    expect((await deliveries({ requests: 4 })).at).toEqual([]);
  });
});
