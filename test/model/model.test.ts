/**
 * Goal: project.lua does what docs/protocol.md says, whatever the log holds and however it is split into calls (INV-1, INV-2,
 * INV-4, INV-5, INV-6, INV-16).
 * Method: random histories on a real Redis and on the reference model (model/fold.ts); after every call everything
 * must be equal: the projection, the changes, the rejected entries, the reply. A failure prints how to repeat it.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { TestShard } from "../../rig/shard.ts";
import type { HistoryKept } from "../../src/core/history.ts";
import { crowd, event, SCOPES } from "./events.ts";
import { World } from "./world.ts";

const SEED = Number(process.env["MODEL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env["MODEL_RUNS"] ?? 200);
/** Whether to look for the smallest history that fails. */
const SHRINK = process.env["MODEL_SHRINK"] !== "0";
/** Longer than the longest lease and the longest grace together, ms. */
const LATER_MS = 7_300_000;

/** What a few hundred histories meet for certain. */
const MET = [
  "skipped",
  "held",
  "reaped",
  "givenBack",
  "more",
  "due",
  ...["connect", "disconnect", "leave", "grace", "bye", "reap", "replace"].map((cause) => `told: ${cause}`),
  ...["seq ", "check digit: ", "a count would go negative"].map((reason) => `fenced: ${reason}`),
  "somebody lingers",
  "minutes",
  "minutes of a scope",
  ...["connect", "grace", "bye", "reap"].map((cause) => `told in a scope: ${cause}`),
  "fenced: a membership would go negative",
  "rejected: a record starts with process, seq, ttl",
  "rejected: sockets is missing",
  "rejected: connect is not in its place",
  "rejected: mac",
];
/** What not every two hundred histories meet: the last told member who goes like that. The vectors have each. */
const RARE = ["disconnect", "leave", "replace"].map((cause) => `told in a scope: ${cause}`);

let server: RedisServer;
let shard: TestShard;

beforeAll(async () => {
  server = await startRedis();
  shard = new TestShard(server.url);
});
afterAll(async () => {
  await shard.close();
  await server.stop();
});

/** Runs the property; a failure says how to repeat it. */
async function holds<T>(property: fc.IAsyncProperty<T>, runs: number): Promise<void> {
  try {
    await fc.assert(property, { numRuns: runs, seed: SEED, endOnFailure: !SHRINK });
  } catch (error) {
    const again = `MODEL_SEED=${SEED} MODEL_RUNS=${RUNS} npx vitest run test/model`;
    throw new Error(`repeat it with: ${again}\n${(error as Error).message}`, { cause: error });
  }
}

const met = new Set<string>();
const READS: readonly ReadMode[] = ["group", "range"];

/** No keys, a key being replaced, and unsigned records accepted meanwhile. */
const KEYS = [undefined, ["k".repeat(32), "l".repeat(64)], ["k".repeat(32), "l".repeat(64), "unsigned"]];

async function fresh(
  read: ReadMode,
  recordKeys?: readonly string[],
  history?: boolean | HistoryKept,
): Promise<World> {
  await shard.redis.flushdb();
  // Some hours into a day that is not the first: no entry of a stream has the id 0-0.
  shard.now = 100_000_000;
  return new World(shard, read, met, recordKeys, history);
}

it.each(READS)(
  `INV-1, INV-2, INV-4, INV-16: read by %s, the script and the model agree after every call of ${RUNS} random histories (seed ${SEED})`,
  async (read) => {
    await holds(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 70, size: "max" }),
        fc.constantFrom(...KEYS),
        fc.constantFrom(false, true, { scopes: SCOPES }),
        async (events, keys, history) => {
          const world = await fresh(read, keys, history);
          for (const one of events) await world.do(one);
          await world.drain();
          await shard.check();
          // No lease is renewed: all users are removed, and only tombstones are left (INV-5).
          shard.now += LATER_MS;
          await world.drain(200);
          shard.now += LATER_MS;
          await world.drain();
          const { users, leases, leaving } = world.state;
          if (users.size + leases.size + leaving.size > 0) throw new Error("something was never given back");
          await shard.check();
        },
      ),
      RUNS,
    );
    // A guard against histories that meet nothing.
    const expected = RUNS >= 2_000 ? [...MET, ...RARE] : RUNS >= 200 ? MET : [];
    expect(expected.filter((kind) => !met.has(kind))).toEqual([]);
  },
  Math.max(20_000, RUNS * 400),
);

it.each(READS)(
  `read by %s, they agree after every drain of long logs, cut into many calls (seed ${SEED})`,
  async (read) => {
    await holds(
      fc.asyncProperty(fc.array(crowd, { minLength: 1, maxLength: 8, size: "max" }), async (events) => {
        const world = await fresh(read);
        for (const one of events) {
          world.crowd(one);
          await world.drainApart(200);
          await shard.check();
        }
        shard.now += LATER_MS;
        await world.drainApart(200);
      }),
      Math.ceil(RUNS / 10),
    );
  },
);
