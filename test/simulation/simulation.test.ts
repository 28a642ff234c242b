/**
 * Goal: INV-1 to INV-6 and INV-9 hold in whole clusters, and in their namespaces and rooms (INV-16), whatever fails and in whatever order.
 * Method: a deterministic simulation. One seed is one history of recorders, projectors, users and faults in virtual time,
 * with the real journal and the real script on a real Redis; all of it is checked after every call of the projector,
 * and, once faults have ended, against the sockets that are open. Here a slice of a few seconds (seed.ts); more with
 * `npm run simulate`. A failure prints its history, made small, and the command that repeats it.
 */
import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { project } from "../../src/lua/generated.ts";
import { CHECK_FOLDED_MS, TURN_MS } from "../../src/core/limits.ts";
import { FAULTS } from "./faults.ts";
import { planOf } from "./plan.ts";
import { report } from "./report.ts";
import { simulate, startSimulator } from "./run.ts";
import { SEED } from "./seed.ts";
import { shrink } from "./shrink.ts";

const SLICE_MS = 5_000;
const ALL = new Set(FAULTS);

it("the invariants hold in a few seconds of random histories", { timeout: 60_000 }, async () => {
  await using simulator = await startSimulator();
  const { failed, histories, calls } = await simulate(simulator, {
    seed: SEED,
    histories: Infinity,
    faults: ALL,
    within: SLICE_MS,
  });
  process.stdout.write(`simulation: seed ${SEED}, ${histories} histories, ${calls} calls checked\n`);
  if (failed === undefined) return;
  throw new Error(report(failed, await shrink(failed, (plan) => simulator.run(plan))));
});

it("a seed repeats its history", async () => {
  const plan = planOf(7, new Set(FAULTS.filter((fault) => fault !== "storm")));
  const traces: string[] = [];
  for (let i = 0; i < 2; i++) {
    await using simulator = await startSimulator();
    const { trace, events, calls } = await simulator.run(plan);
    traces.push(JSON.stringify({ trace, events, calls }));
  }
  expect(traces[0]).toBe(traces[1]);
});

/** What one connection takes there and back, twice, and a moment. */
const TRIPS_MS = 100;

it("in a rush somebody folds for all, and nobody waits for longer than two turns and a check, whoever is killed", async () => {
  await using simulator = await startSimulator();
  let turns = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const plan = planOf(seed, new Set());
    const rush = { kind: "rush" as const, pick: 0, more: 0, ms: 900 };
    const strike = (kind: "crash" | "clock-back" | "clock-forward", at: number, pick: number) => ({
      kind,
      at,
      pick,
      more: 0.9,
      ms: 700,
    });
    const outcome = await simulator.run({
      ...plan,
      nodes: Array.from({ length: 6 }, () => true),
      loops: [],
      sweepEvery: 0,
      linger: 0,
      waitMax: 2 * TURN_MS + CHECK_FOLDED_MS + TRIPS_MS,
      events: [
        { ...rush, at: 100 },
        strike("crash", 600, seed / 12),
        strike(seed % 2 === 0 ? "clock-back" : "clock-forward", 750, 0),
        { ...rush, at: 1_000 },
        // As the rush ends, so that nobody comes after who would notice: half of those who are left, perhaps the holder too.
        strike("crash", 1_896, 0.1),
        strike("crash", 1_897, 0.5),
        strike("crash", 1_898, 0.9),
      ],
    });
    expect(outcome.violation && report(outcome)).toBe(undefined);
    turns += outcome.turns;
  }
  expect(turns).toBeGreaterThan(100);
});

it("nobody waits for longer when the clock goes back as the holder dies, and ids stand still, so that its turn seems to last", async () => {
  await using simulator = await startSimulator();
  let turns = 0;
  for (let seed = 1; seed <= 8; seed++) {
    const plan = planOf(seed, new Set());
    const event = { pick: 0, more: 0.9, ms: 5_000 };
    const outcome = await simulator.run({
      ...plan,
      ttl: 10_000,
      nodes: Array.from({ length: 6 }, () => true),
      loops: [],
      sweepEvery: 0,
      linger: 0,
      waitMax: 2 * TURN_MS + CHECK_FOLDED_MS + TRIPS_MS,
      events: [
        { ...event, kind: "rush", at: 100, ms: 3_500 },
        { ...event, kind: "clock-back", at: 700 + seed },
        ...[0.1, 0.4, 0.7, 0.9].map((pick) => ({ ...event, kind: "crash" as const, at: 700 + seed, pick })),
      ],
    });
    expect(outcome.violation && report(outcome)).toBe(undefined);
    turns += outcome.turns;
  }
  expect(turns).toBeGreaterThan(100);
});

it("leases that are evicted come back although nothing happens any more, and no deadline is left to call for", async () => {
  await using simulator = await startSimulator();
  const plan = planOf(1_791_911_081, new Set(FAULTS));
  const evicted = plan.events.filter(({ kind }) => kind === "evict");
  expect(evicted.length).toBeGreaterThan(0);
  const outcome = await simulator.run(plan);
  expect(outcome.violation && report(outcome)).toBe(undefined);
});

it("beside the next version ours stops folding, and who was set aside registers again", async () => {
  await using simulator = await startSimulator();
  for (let seed = 1; seed <= 6; seed++) {
    const plan = planOf(seed, new Set());
    const upgrade = { kind: "upgrade" as const, at: 1_000, pick: 0, more: 0.9, ms: 3_000 };
    const outcome = await simulator.run({
      ...plan,
      nodes: [true, false, true],
      linger: 0,
      events: [upgrade, ...plan.events.filter(({ kind }) => kind !== "stop")],
    });
    expect(outcome.violation && report(outcome)).toBe(undefined);
    expect(outcome.setAside).toBeGreaterThan(0);
    expect(outcome.refused).toBeGreaterThan(0);
  }
});

/** Pieces of the script, and what stands in their place. */
const BROKEN: [name: string, piece: string, instead: string][] = [
  ["folds a record again", "elseif record.seq <= p.seq then", "elseif false then"],
  [
    "fences nobody after a gap",
    "record.seq ~= p.seq + 1 and format('seq %.0f after %.0f', record.seq, p.seq) or",
    "",
  ],
  [
    "ends nobody who was replaced",
    "if other and other.state ~= 'ended' then finish(other, 'replace', at)",
    "if false then",
  ],
  ["reaps whom it must not", "elseif p.state ~= 'ended' and not MAY_REAP then", "elseif false then"],
  ["does not follow a clock that went back", "open()\nfollow_clock()\n", "open()\n"],
  [
    "leaves who ended in their scopes",
    "if is_over and t.lingering then sweep, is_over = list[1][1] .. ' 0 0 ', false end",
    "",
  ],
  ["lets who is gone linger in scopes", "c.is[id] == '0' and absent[id] and", "false and"],
  [
    "forgets how many memberships a process has",
    "q.by[text], q.by[''] = q.by[text] + by, q.by[''] + by",
    "q.by[text], q.by[''] = q.by[text] + by, q.by['']",
  ],
  [
    "does not see that a key is gone",
    "if not t[1] and (present + registered",
    "if true then elseif (present + registered",
  ],
];

it.each(BROKEN)(
  "the simulation finds a projector that %s",
  { timeout: 60_000 },
  async (_, piece, instead) => {
    // A piece that is gone would test nothing.
    expect(project.text).toContain(piece);
    const text = project.text.replaceAll(piece, () => instead);
    const sha1 = createHash("sha1").update(text).digest("hex");
    await using simulator = await startSimulator({ text, sha1 });
    const { failed } = await simulate(simulator, { seed: 1, histories: 400, faults: ALL });
    expect(failed?.violation?.message).toMatch(/^INV-\d/);
  },
);
