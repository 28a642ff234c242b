/**
 * The cost of presence under per-command billing, compared with Socket.IO's recipe for counting users doing the same work.
 *
 *   npm run cost
 *   node bench/cost.ts [--nodes 1] [--real 30] [--history]
 *
 * `nodes` is of the first table. `real`: for so many seconds, ten Socket.IO servers with createPresence idle beside the real clock,
 * with and without listeners, against what the virtual clock says; 0 leaves it out.
 *
 * bench/cost/meter.ts says what is counted. Sessions run on a virtual clock over a real Redis; the table shows how many, and the
 * figures are scaled to a million. `history`: with numbers over time kept; the targets are those without. They include the heartbeats and folds of that time, on both sides. Prints whether each target
 * is met; the exit code is 1 if one is not.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { projectorOver } from "../src/projector/projector.ts";
import { readerOver } from "../src/reader/reader.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { meterOver } from "./cost/meter.ts";
import { minuteOf } from "./cost/minute.ts";
import { idleCost, sessionsCost } from "./cost/ours.ts";
import { idlePresences } from "./cost/presences.ts";
import { recipeCost, recipeIdleCost, recipeSweepCost } from "./cost/recipe.ts";
import { sessionsOf } from "./cost/sessions.ts";
import { bytesThrough } from "./support.ts";

const MILLION = 1_000_000;
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
/** Sessions measured at each rate per second: a few minutes of them, enough for full records. */
const MEASURED: readonly (readonly [rate: number, sessions: number])[] = [
  [1, 1_000],
  [10, 5_000],
  [100, 10_000],
  [1_000, 30_000],
  [Infinity, 50_000],
];
const LINGER_MS = 1_000;

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1" },
    real: { type: "string", default: "30" },
    history: { type: "boolean", default: false },
  },
});
const nodes = Number(values.nodes);
const { history } = values;

await using server = await startRedis();
const redis = new Redis(server.url);
const meter = meterOver(redis);
const port = ioredisPort(redis);
const whole = (n: number) => Math.round(n).toLocaleString("en");
const verdicts: (readonly [target: string, holds: boolean])[] = [];
const row = (...cells: readonly (string | number)[]) => console.log(`| ${cells.join(" | ")} |`);

console.log(`commands of 1,000,000 connect/disconnect pairs, ${nodes} node(s) that project inline\n`);
row("pairs a second", "pairs measured", "linger 0", `linger ${LINGER_MS}`, "the recipe");
row("---", "---", "---", "---", "---");
for (const [rate, count] of MEASURED) {
  const sessions = sessionsOf(count, rate);
  const scaled = async (cost: Promise<number>) => ((await cost) * MILLION) / count;
  const ours = (linger: number) =>
    scaled(sessionsCost({ redis, meter, nodes, linger, history, prefix: `p${rate}-${linger}` }, sessions));
  const [atOnce, lingering] = [await ours(0), await ours(LINGER_MS)];
  const recipe = await scaled(recipeCost(redis, meter, nodes, sessions));
  const name = rate === Infinity ? "a storm" : whole(rate);
  row(name, whole(count), whole(atOnce), whole(lingering), whole(recipe));
  if (rate === Infinity) {
    verdicts.push([
      `pairs in a storm: at most 1/20 of the recipe's (1/${whole(recipe / Math.max(atOnce, lingering))})`,
      Math.max(atOnce, lingering) * 20 <= recipe,
    ]);
  } else if (rate >= 10) {
    verdicts.push([
      `linger ${LINGER_MS}, ${name} pairs a second: not above the recipe's`,
      lingering <= recipe,
    ]);
  }
}

console.log();
row("many nodes", "linger", "commands", "bar", "bytes through Redis");
row("---", "---", "---", "---", "---");
/** `rate` pairs a second on each node, so many in all. The recipe's pair is 8 commands, its operation 4, wherever it is. */
for (const [of, rate, count, linger, unit, most] of [
  [10, 10, 10_000, 0, "pair", 16],
  [10, 10, 10_000, LINGER_MS, "pair", 2.5],
  [50, 20, 15_000, 0, "operation", 3],
] as const) {
  const all = of * rate;
  // Of operations, those who come and those who go follow each other: the rate is of both.
  const sessions = unit === "pair" ? sessionsOf(count, all) : sessionsOf(count, all, (1_000 * count) / all);
  const name = `many-${of}-${linger}`;
  const before = await bytesThrough(redis);
  const cost = await sessionsCost({ redis, meter, nodes: of, linger, history, prefix: name }, sessions);
  const units = unit === "pair" ? count : 2 * count;
  const each = cost / units;
  const bytes = whole(((await bytesThrough(redis)) - before) / units);
  const what = `${unit === "pair" ? "a pair" : "an operation"}, ${of} nodes, ${rate} a second on each`;
  row(what, linger, each.toFixed(1), most, bytes);
  verdicts.push([`${what}, linger ${linger}: at most ${most} (${each.toFixed(1)})`, each <= most]);
}
for (const [of, most] of [
  [10, 2_600],
  [1, 5_800],
] as const) {
  const cost = await idleCost({ redis, meter, nodes: of, linger: 0, history, prefix: `idle-${of}` }, HOUR_MS);
  const what = `an idle node an hour, of ${of}`;
  row(what, 0, whole(cost / of), most, "");
  verdicts.push([`${what}: at most ${whole(most)} (${whole(cost / of)})`, cost / of <= most]);
}
const real = Number(values.real);
if (real > 0) {
  const cases = [
    [10, false],
    [10, true],
    [1, false],
  ] as const;
  const costs = await Promise.all(cases.map(([of, heard]) => idlePresences(of, heard, real)));
  for (const [i, [of, heard]] of cases.entries()) {
    const what = `createPresence, idle an hour, of ${of}${heard ? ", listeners on each" : ""} (${real} s measured)`;
    row(what, 0, whole((costs[i]! * HOUR_MS) / (1_000 * real * of)), "", "");
  }
}

console.log();
row("what", "commands", "the recipe");
row("---", "---", "---");
const idle = await idleCost({ redis, meter, nodes, linger: 0, prefix: "idle" }, HOUR_MS);
row(`${nodes} idle node(s), an hour`, whole(idle), whole(await recipeIdleCost(redis, meter, nodes, HOUR_MS)));

const prefix = "bill";
const projector = projectorOver(port, { prefix });
const reader = readerOver(port, { prefix });
// A process with a lease of an hour, and no work until it ends.
const record = encodeRecord({ process: "p", seq: 1, ttl: HOUR_MS, sockets: 0 });
await redis.call("XADD", keysOf(prefix, 0, 1).records, "*", ...record);
await projector.sweep();
await reader.counts();
const read = await meter(() => reader.counts());
row("a count read", read, await meter(() => redis.hlen("recipe:users")));
verdicts.push([`a count read: at most 4 (${read})`, read <= 4]);
const sweep = await meter(() => projector.sweep());
row("a sweep with nothing to do", sweep, await recipeSweepCost(redis, meter));
row("a call of the projector with nothing to do", await meter(() => projector.step()), "");

for (const [what, of] of [
  ["some lease to come", prefix],
  ["nobody", "nobody"],
] as const) {
  await projectorOver(port, { prefix: of }).step();
  let sweeps = 0;
  // As in a function that has just started, without cached state.
  const fresh = projectorOver(port, { prefix: of });
  const minute = await meter(async () => (sweeps = await minuteOf(fresh)));
  const recipe = await recipeSweepCost(redis, meter, MINUTE_MS);
  row(`an idle scheduled minute, ${sweeps} sweeps, ${what}`, minute, recipe);
  verdicts.push([`an idle scheduled minute, ${what}: at most 8 (${minute})`, sweeps === 4 && minute <= 8]);
}

console.log();
for (const [target, holds] of verdicts) console.log(`${holds ? "holds" : "FAILS"}  ${target}`);
process.exitCode = verdicts.every(([, holds]) => holds) ? 0 : 1;
redis.disconnect();
