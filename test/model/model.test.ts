/**
 * Goal: project.lua does what docs/protocol.md says, whatever the log holds and however it is split into calls (INV-1, INV-2,
 * INV-4, INV-5, INV-6, INV-16).
 * Method: random histories on a real Redis and on the reference model (model/fold.ts); after every call everything
 * must be equal: the projection, the changes, the rejected entries, the reply. A failure prints how to repeat it.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { ReadMode } from "../../src/projector/options.ts";
import type { TestShard } from "../../rig/shard.ts";
import type { HistoryKept } from "../../src/core/history.ts";
import { crowd, event, SCOPES } from "./events.ts";
import { holds, LIMIT_MS, PATH, RUNS, SEED, startShard } from "./histories.ts";
import { World } from "./world.ts";

/** Longer than the longest lease and the longest grace together, ms. */
const LATER_MS = 7_300_000;

/** What a few hundred histories meet for certain. */
const MET = [
  "skipped",
  "held",
  "unheard",
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

const met = new Set<string>();
const READS: readonly ReadMode[] = ["group", "range"];

/** No keys, a key being replaced, and unsigned records accepted meanwhile. */
const KEYS = [undefined, ["k".repeat(32), "l".repeat(64)], ["k".repeat(32), "l".repeat(64), "unsigned"]];

async function fresh(
  shard: TestShard,
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
    const shard = await startShard();
    await holds(
      "model.test.ts",
      `by ${read}, the script`,
      fc.tuple(
        fc.array(event, { minLength: 1, maxLength: 70, size: "max" }),
        fc.constantFrom(...KEYS),
        fc.constantFrom(false, true, { scopes: SCOPES }),
      ),
      RUNS,
      async ([events, keys, history]) => {
        const world = await fresh(shard, read, keys, history);
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
    );
    // A guard against histories that meet nothing.
    const expected = PATH !== undefined ? [] : RUNS >= 2_000 ? [...MET, ...RARE] : RUNS >= 200 ? MET : [];
    expect(expected.filter((kind) => !met.has(kind))).toEqual([]);
  },
  LIMIT_MS,
);

it.each(READS)(
  `read by %s, they agree after every drain of long logs, cut into many calls (seed ${SEED})`,
  async (read) => {
    const shard = await startShard();
    await holds(
      "model.test.ts",
      `by ${read}, they agree`,
      fc.array(crowd, { minLength: 1, maxLength: 8, size: "max" }),
      Math.ceil(RUNS / 10),
      async (events) => {
        const world = await fresh(shard, read);
        for (const one of events) {
          world.crowd(one);
          await world.drainApart(200);
          await shard.check();
        }
        shard.now += LATER_MS;
        await world.drainApart(200);
      },
    );
  },
  LIMIT_MS,
);
