/**
 * Compares append and fold with the data model of Socket.IO's recipe, in one run with alternating sides.
 *
 * The benchmark measures Redis, so this process must not be the bottleneck: the arguments of all sides are prepared before the
 * measurement, and floor, append and fold keep several calls in flight. (The recipe is measured as it is used: each client waits
 * for its transaction.) The last line shows how busy Redis was: CPU per operation times operations per second. If that is not
 * near 1, the ratio does not compare Redis's work.
 *
 *   node bench/fold.ts [--rounds 5] [--operations 200000] [--users 1000000]
 *
 * Prints for each side the Redis server's CPU per operation (user + system, from INFO) and operations per second of wall time, as
 * medians, and the project's target ratios.
 *   floor    two bare HINCRBY per operation in a Lua loop, 1,000 operations per call, already gathered
 *   loop     the same with one record's operations per call, as nodes would send them
 *   recipe   MULTI, HINCRBY, HINCRBY, EXEC for each operation, 50 clients at once (disconnects by script, as there)
 *   append   records of 10 operations, pipelined
 *   fold     project.lua until the log is drained
 *   both     append and fold at once on two connections; used for the ratios
 *   bare     the same with a script that does the least a fold must do and checks nothing (fold/bare.ts)
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { encodeRecord } from "../src/core/record.ts";
import { keysOf } from "../src/core/keys.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { project } from "../src/lua/generated.ts";
import { BUDGET } from "../src/core/limits.ts";
import { SCRIPT_READS } from "../src/projector/call.ts";
import { BARE } from "./fold/bare.ts";
import { median } from "./support.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    operations: { type: "string", default: "200000" },
    users: { type: "string", default: "1000000" },
    processes: { type: "string", default: "4" },
    size: { type: "string", default: "10" },
  },
});
const rounds = Number(values.rounds);
const operations = Number(values.operations);
const userCount = Number(values.users);
const processCount = Number(values.processes);
const size = Number(values.size);

await using server = await startRedis();
const redis = new Redis(server.url);
const projector = new Redis(server.url);

/** User + system CPU of the server process, in microseconds. */
async function cpu(): Promise<number> {
  const info = await redis.info("cpu");
  const read = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return (read("used_cpu_sys_main_thread") + read("used_cpu_user_main_thread")) * 1e6;
}

interface Figure {
  cpuPerOperation: number;
  operationsPerSecond: number;
}

async function measure(run: () => Promise<void>): Promise<Figure> {
  const cpuBefore = await cpu();
  const before = performance.now();
  await run();
  const seconds = (performance.now() - before) / 1000;
  return {
    cpuPerOperation: ((await cpu()) - cpuBefore) / operations,
    operationsPerSecond: operations / seconds,
  };
}

interface BenchOperation {
  readonly user: string;
  readonly step: 1 | -1;
  readonly process: number;
}

/**
 * One round: random users connect and disconnect, each on one process, with up to three sockets. Every side gets the same list,
 * prepared before the measurement.
 */
function makeOperations(): BenchOperation[] {
  let state = 42;
  const random = () => (state = (Math.imul(state, 1103515245) + 12345) >>> 0) / 2 ** 32;
  const sockets = new Uint8Array(userCount);
  return Array.from({ length: operations }, () => {
    const user = Math.floor(random() * userCount);
    const open = sockets[user]!;
    const step = open === 0 || (open < 3 && random() < 0.5) ? 1 : -1;
    sockets[user] = open + step;
    return { user: `user-${user}`, step, process: user % processCount };
  });
}

const list = makeOperations();

/** How many calls of floor or fold, or pipelines of append, are in flight at once. */
const AHEAD = 4;

/** Starts `send` for each of `items`, AHEAD of them at a time. */
async function ahead<T>(items: readonly T[], send: (item: T) => Promise<unknown>): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  for (const item of items) {
    waiting.push(send(item));
    if (waiting.length >= AHEAD) await waiting.shift();
  }
  await Promise.all(waiting);
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const all: T[][] = [];
  for (let i = 0; i < items.length; i += size) all.push(items.slice(i, i + size));
  return all;
}

const floorArguments = chunks(list, 1000).map((some) =>
  some.flatMap(({ user, step }) => [user, String(step)]),
);

const FLOOR = `
for i = 2, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end`;

async function floor(): Promise<void> {
  const sha = (await redis.script("LOAD", FLOOR)) as string;
  await ahead(floorArguments, (args) =>
    redis.evalsha(sha, 2, "floor:users", "floor:process:users", "", ...args),
  );
}

const loopArguments = chunks(list, size).map((some) =>
  some.flatMap(({ user, step }) => [user, String(step)]),
);

/** In pipelines, as records are appended. */
async function loop(): Promise<void> {
  const sha = (await redis.script("LOAD", FLOOR)) as string;
  await ahead(chunks(loopArguments, 100), (some) => {
    const pipeline = redis.pipeline();
    for (const args of some) pipeline.evalsha(sha, 2, "floor:users", "floor:process:users", "", ...args);
    return pipeline.exec();
  });
}

const HDECR = `
local count = redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
if count == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return count`;

async function recipe(): Promise<void> {
  const sha = (await redis.script("LOAD", HDECR)) as string;
  const clients = Array.from({ length: 50 }, () => new Redis(server.url));
  let next = 0;
  await Promise.all(
    clients.map(async (client) => {
      for (let i = next++; i < operations; i = next++) {
        const { user, step } = list[i]!;
        const transaction = client.multi();
        for (const key of ["recipe:users", "recipe:process:users"]) {
          if (step === 1) transaction.hincrby(key, user, 1);
          else transaction.evalsha(sha, 1, key, user);
        }
        await transaction.exec();
      }
    }),
  );
  await Promise.all(clients.map((client) => client.quit()));
}

const keys = keysOf("bench", 0, 1);

/** The fields of all records, in log order; a pipeline holds RECORDS of them. */
function makeRecords(): string[][] {
  const seq = Array.from({ length: processCount }, () => 0);
  const sockets = Array.from({ length: processCount }, () => 0);
  const batches = Array.from({ length: processCount }, (): BenchOperation[] => []);
  const records: string[][] = [];
  for (const operation of list) {
    const { process } = operation;
    const batch = batches[process]!;
    batch.push(operation);
    if (batch.length < size) continue;
    for (const { step } of batch) sockets[process]! += step;
    records.push(
      encodeRecord({
        process: `p${process}`,
        seq: ++seq[process]!,
        ttl: 60_000,
        operations: batch.map(({ user, step }) => ({ op: step === 1 ? "connect" : "leave", user })),
        sockets: sockets[process]!,
        connections: sockets[process]!,
      }),
    );
    batches[process] = [];
  }
  return records;
}

const RECORDS = 200;
const recordChunks = chunks(makeRecords(), RECORDS);

async function append(): Promise<void> {
  await ahead(recordChunks, (records) => {
    const pipeline = redis.pipeline();
    for (const fields of records) pipeline.call("XADD", keys.records, "*", ...fields);
    return pipeline.exec();
  });
}

const projectArguments = [...keys.list, keys.process(""), "1", String(BUDGET), "1", "", ...SCRIPT_READS];

/** One call. Returns whether there is more. */
type Step = (client: Redis) => Promise<boolean>;

async function step(client: Redis): Promise<boolean> {
  const reply = (await client.evalsha(project.sha1, keys.list.length, ...projectArguments)) as number[];
  if (reply[8] !== 0 || reply[7] !== 0) throw new Error(`fenced or rejected: ${String(reply)}`);
  return reply[2] === 1;
}

/** Folds with AHEAD calls in flight, as several nodes would, until the log is drained and `mayEnd`. */
async function foldOn(client: Redis, mayEnd: () => boolean, once: Step = step): Promise<void> {
  await redis.script("LOAD", project.text);
  await Promise.all(
    Array.from({ length: AHEAD }, async () => {
      while ((await once(client)) || !mayEnd());
    }),
  );
}

const fold = () => foldOn(redis, () => true);

/** Both at once on two connections, as in production: appends continue while the projector folds. */
async function both(once: Step = step): Promise<void> {
  let appended = false;
  const folding = foldOn(projector, () => appended, once);
  await append();
  appended = true;
  await folding;
  await foldOn(redis, () => true, once);
}

async function bare(): Promise<void> {
  const sha = (await redis.script("LOAD", BARE)) as string;
  await redis.xgroup("CREATE", keys.records, "bare", "0", "MKSTREAM");
  // As many operations per call as the projector folds.
  const records = String(Math.ceil(BUDGET / 2 / (size + 1)));
  const bareKeys = [keys.records, keys.users, keys.changes];
  await both(async (client) => (await client.evalsha(sha, 3, ...bareKeys, records, keys.process(""))) === 1);
}

/** How long each call of the projector blocked Redis, ms, from Redis's slow log. */
async function holds(): Promise<number[]> {
  await append();
  await redis.call("CONFIG", "SET", "slowlog-log-slower-than", "0");
  await redis.call("CONFIG", "SET", "slowlog-max-len", "100000");
  await redis.call("SLOWLOG", "RESET");
  await fold();
  await redis.call("CONFIG", "SET", "slowlog-log-slower-than", "-1");
  const slow = (await redis.call("SLOWLOG", "GET", "-1")) as [number, number, number, string[]][];
  return slow.filter((entry) => entry[3][0]?.toLowerCase() === "evalsha").map((entry) => entry[2] / 1000);
}

const order = ["floor", "loop", "recipe", "append", "fold", "both", "bare"] as const;
const sides = { floor, loop, recipe, append, fold, both: () => both(), bare };
type Side = (typeof order)[number];
const figures: Record<Side, Figure[]> = {
  floor: [],
  loop: [],
  recipe: [],
  append: [],
  fold: [],
  both: [],
  bare: [],
};

for (let round = -1; round < rounds; round++) {
  for (const side of order) {
    const figure = await measure(sides[side]);
    if (round >= 0) figures[side].push(figure);
    if (side !== "append") await redis.flushall();
  }
}
const calls = await holds();
redis.disconnect();
projector.disconnect();

const cpuOf = (side: Side) => median(figures[side].map((f) => f.cpuPerOperation));
const rateOf = (side: Side) => median(figures[side].map((f) => f.operationsPerSecond));
const ratio = (a: (f: Figure) => number, side: Side, other: Side) =>
  median(figures[side].map((figure, i) => a(figure) / a(figures[other][i]!)));
console.log(
  `${server.engine}; ${operations} operations, ${userCount} users, ${processCount} processes, ${size} operations per record, ${rounds} rounds, medians`,
);
for (const side of order) {
  console.log(
    `${side.padEnd(8)} ${cpuOf(side).toFixed(2).padStart(6)} µs Redis CPU per operation  ${Math.round(
      rateOf(side) / 1000,
    )
      .toString()
      .padStart(5)} k operations/s`,
  );
}
console.log(
  `both / recipe, Redis CPU per operation: ${ratio((f) => f.cpuPerOperation, "both", "recipe").toFixed(2)} (at most 0.45)`,
);
console.log(
  `both / floor, operations per second:     ${ratio((f) => f.operationsPerSecond, "both", "floor").toFixed(2)} (at least 0.75)`,
);
console.log(
  `both / loop, operations per second:      ${ratio((f) => f.operationsPerSecond, "both", "loop").toFixed(2)}`,
);
console.log(
  `bare / floor, operations per second:     ${ratio((f) => f.operationsPerSecond, "bare", "floor").toFixed(2)} (nothing is checked)`,
);
const busy = (side: Side) =>
  median(figures[side].map((f) => (f.cpuPerOperation * f.operationsPerSecond) / 1e6)).toFixed(2);
console.log(
  `one call of the projector blocks Redis: median ${median(calls).toFixed(1)} ms, max ${Math.max(...calls).toFixed(1)} ms over ${calls.length} calls (median under 10)`,
);
console.log(`how busy Redis was: floor ${busy("floor")}, loop ${busy("loop")}, both ${busy("both")}`);
