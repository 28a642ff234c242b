/**
 * Goal: what is too old or too many goes as docs/protocol.md says, with any callers, clocks and logs, and nothing else does (INV-11).
 * Method: random histories on a real Redis and on the model; after every call the entries of `changes`, `moves` and `rejected`
 * that are left are compared with what the model allows, and everything else as in model.test.ts.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Met } from "../../model/retention.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import type { Keep } from "../../src/core/keep.ts";
import type { TestShard } from "../../rig/shard.ts";
import {
  aging,
  type AgingEvent,
  BACK_MS,
  callers,
  filled,
  FIRST,
  MANY,
  manyKept,
  sizes,
  visits,
} from "./aging.ts";
import { holds, LIMIT_MS, PATH, RUNS, SEED, startShard } from "./histories.ts";
import { RetainedStreams } from "./retained.ts";
import { World } from "./world.ts";

/** Ahead of the clock of Redis, so that no entry gets the time of that. */
const AHEAD_MS = 30 * 86_400_000;
const HISTORIES = Math.ceil(RUNS * 0.4);

const MET: readonly Met[] = ["a pass", "gone by age", "gone by number", "rejected gone by age", "rejected gone by XADD", "a blank entry", "more to forget", "what was read is kept", "due for forgetting", "kept by another caller"]; // prettier-ignore

type History = readonly [
  events: readonly AgingEvent[],
  keeps: readonly (Keep | undefined)[],
  size: number,
  read: ReadMode,
];

/** Carries one out, and compares after every call. */
async function run(shard: TestShard, met: Set<Met>, [events, keeps, size, read]: History): Promise<void> {
  await shard.redis.flushdb();
  shard.now = Math.floor(Date.now() / 60_000) * 60_000 + AHEAD_MS;
  const world = new World(shard, read, new Set(), undefined, false, new RetainedStreams(shard, met));
  let latest = shard.now;
  for (const one of events) {
    if (one.kind === "fill") await world.fill(filled(one, size));
    else if (one.kind === "call by") {
      const how = { check: one.check, keep: keeps[one.caller % keeps.length] };
      if (one.drain) await world.drain(one.budget, how);
      else await world.call(one.reap, one.budget, how);
    } else if (one.kind === "wait") shard.now = Math.max(shard.now + one.ms, latest - BACK_MS);
    else await world.do(one);
    latest = Math.max(latest, shard.now);
  }
}

const reads = fc.constantFrom<ReadMode>("group", "range");

it(
  `INV-11: what is left of changes and rejected entries is what the model allows, after every call of ${HISTORIES} random histories (seed ${SEED})`,
  async () => {
    const shard = await startShard();
    const met = new Set<Met>();
    await holds(
      "retention.test.ts",
      "INV-11: what is left",
      fc.tuple(
        fc.array(aging, { minLength: 1, maxLength: 60, size: "max" }),
        callers,
        sizes,
        reads,
        fc.constantFrom(true, true, true, false),
      ),
      HISTORIES,
      ([events, keeps, size, read, isScoped]) =>
        run(shard, met, [isScoped ? [...FIRST, ...events] : events, keeps, size, read]),
    );
    // A guard against histories that meet nothing.
    expect(PATH === undefined && RUNS >= 200 ? MET.filter((kind) => !met.has(kind)) : []).toEqual([]);
  },
  LIMIT_MS,
);

it(
  `INV-11: so it is where each XADD keeps about 100,000 changes, or as many as its caller says (seed ${SEED})`,
  async () => {
    const shard = await startShard();
    const met = new Set<Met>();
    await holds(
      "retention.test.ts",
      "INV-11: so it is",
      fc.tuple(fc.array(visits, { minLength: 1, maxLength: 4 }), manyKept, reads),
      Math.ceil(RUNS / 50),
      ([events, keeps, read]) => run(shard, met, [[...FIRST, ...MANY, ...events.flat()], keeps, 1, read]),
    );
    expect(PATH === undefined && RUNS >= 200 ? [...met] : ["gone by XADD"]).toContain("gone by XADD");
  },
  LIMIT_MS,
);
