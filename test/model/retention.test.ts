/**
 * Goal: what is too old or too many goes as docs/protocol.md says, with any callers, clocks and logs, and nothing else does (INV-11).
 * Method: random histories on a real Redis and on the model; after every call the entries of `changes`, `moves` and `rejected`
 * that are left are compared with what the model allows, and everything else as in model.test.ts.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Met } from "../../model/retention.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { aging, BACK_MS, callers, filled, FIRST, sizes } from "./aging.ts";
import { holds, LIMIT_MS, PATH, RUNS, SEED, startShard } from "./histories.ts";
import { RetainedStreams } from "./retained.ts";
import { World } from "./world.ts";

/** Ahead of the clock of Redis, so that no entry gets the time of that. */
const AHEAD_MS = 30 * 86_400_000;
const HISTORIES = Math.ceil(RUNS / 2);

const MET: readonly Met[] = ["a pass", "gone by age", "gone by number", "rejected gone by age", "rejected gone by XADD", "a blank entry", "more to forget", "what was read is kept", "due for forgetting", "kept by another caller"]; // prettier-ignore

it(
  `INV-11: what is left of changes and rejected entries is what the model allows, after every call of ${HISTORIES} random histories (seed ${SEED})`,
  async () => {
    const shard = await startShard();
    const met = new Set<Met>();
    await holds(
      "retention.test.ts",
      "INV-11",
      fc.tuple(
        fc.array(aging, { minLength: 1, maxLength: 60, size: "max" }),
        callers,
        sizes,
        fc.constantFrom<ReadMode>("group", "range"),
        fc.constantFrom(true, true, true, false),
      ),
      HISTORIES,
      async ([events, keeps, size, read, isScoped]) => {
        await shard.redis.flushdb();
        shard.now = Math.floor(Date.now() / 60_000) * 60_000 + AHEAD_MS;
        const world = new World(shard, read, new Set(), undefined, false, new RetainedStreams(shard, met));
        let latest = shard.now;
        for (const one of [...(isScoped ? FIRST : []), ...events]) {
          if (one.kind === "fill") await world.fill(filled(one, size));
          else if (one.kind === "call by") {
            const keep = keeps[one.caller % keeps.length];
            const how = { check: one.check, keep };
            if (one.drain) await world.drain(one.budget, how);
            else await world.call(one.reap, one.budget, how);
          } else if (one.kind === "wait") shard.now = Math.max(shard.now + one.ms, latest - BACK_MS);
          else await world.do(one);
          latest = Math.max(latest, shard.now);
        }
      },
    );
    // A guard against histories that meet nothing.
    expect(PATH === undefined && RUNS >= 200 ? MET.filter((kind) => !met.has(kind)) : []).toEqual([]);
  },
  LIMIT_MS,
);
