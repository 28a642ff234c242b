/**
 * Redis CPU of append and fold, against two HINCRBY and Socket.IO's recipe, beside users who are present.
 *
 *   node bench/fold.ts [--users 10000] [--operations 40000] [--rounds 5] [--processes 10] [--sizes 1,10,100] [--second 0] [--signed] [--history] [--scopes 0]
 *
 * Before anything is measured, `users` users are connected on `processes` processes, in the projection and in the hashes of the
 * other sides alike. An operation is a socket that comes or goes: of users who were not there, so each is a transition, and for a share of
 * `second` a second tab of one who is. Every side does the same operations, in turn, in every round; arguments are made before the
 * clock starts. CPU is that of Redis's main thread (INFO). All else of a side is there meanwhile, so memory is as scattered for
 * one as for another.
 *
 *   floor      two bare HINCRBY an operation in a Lua loop, 1,000 operations a call; who has gone stays, with 0, which spares it work
 *   recipe 50  MULTI, HINCRBY, HINCRBY, EXEC an operation (its script where a socket goes); 50 clients, each awaits its answer
 *   recipe 1   the same on one connection that pipelines
 *   at once    a record, then one call of the projector, as an idle process sends them; pipelined
 *   append, backlog   all records appended, then folded call by call
 *   loop       the floor with as many operations a call as a record has
 *
 * Figures are medians of rounds; ratios are of one round, then the median.
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { historyArgument } from "../src/core/history.ts";
import { keysOf } from "../src/core/keys.ts";
import { project } from "../src/lua/generated.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { deriveRecordKeys } from "../src/projector/record-keys.ts";
import { signed } from "../src/recorder/sign.ts";
import { append, comingAndGoing, populate, presentUser, Recorders } from "./load.ts";
import { chunks, cpuOf, DOWN, folded, loadProjector, median, projectArguments, step } from "./support.ts";

const { values } = parseArgs({
  options: {
    users: { type: "string", default: "10000" },
    operations: { type: "string", default: "40000" },
    rounds: { type: "string", default: "5" },
    processes: { type: "string", default: "10" },
    sizes: { type: "string", default: "1,10,100" },
    second: { type: "string", default: "0" },
    signed: { type: "boolean", default: false },
    history: { type: "boolean", default: false },
    scopes: { type: "string", default: "0" },
  },
});
const users = Number(values.users);
const count = Number(values.operations);
const rounds = Number(values.rounds);
const processes = Number(values.processes);
const sizes = values.sizes.split(",").map(Number);
const second = Number(values.second);

/** The callers keep a history too, and one of so many scopes. */
const scopes = Array.from({ length: Number(values.scopes) }, (_, i) => `/chat,room${i}`);
const history = scopes.length > 0 ? { scopes } : values.history;
const KEEP = history === false ? "" : `604800000 604800000${historyArgument(history)}`;

/** Calls or transactions in one pipeline, and how many pipelines are under way. */
const PIPELINE = 100;
const AHEAD = 2;
const CLIENTS = 50;
const FLOOR = `
for i = 1, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end`;

await using server = await startRedis();
const redis = new Redis(server.url);
const keys = keysOf("fold", 0, 1);
const recorders = new Recorders(processes);
if (values.signed) {
  const { argument, signing } = await deriveRecordKeys(["k".repeat(64)], "fold");
  recorders.keyArguments = argument;
  recorders.sign = (fields) => signed(fields, keys.records, signing!);
}
await loadProjector(redis);
const floorSha = (await redis.script("LOAD", FLOOR)) as string;
const downSha = (await redis.script("LOAD", DOWN)) as string;
const operations = comingAndGoing({ count, present: users, processes, second });

await populate(redis, keys, recorders, users);
for (const side of ["floor", "loop", "recipe 50", "recipe 1"]) {
  for (const some of chunks(Array.from({ length: users }, (_, i) => presentUser(i)), 1_000))
    await redis.evalsha(floorSha, 2, `${side}:users`, `${side}:process`, ...some.flatMap((user) => [user, 1]));
} // prettier-ignore

/** Runs `send` for each item, AHEAD of them at a time. */
async function ahead<T>(items: readonly T[], send: (item: T) => Promise<unknown>): Promise<void> {
  const waiting: Promise<unknown>[] = [];
  for (const item of items) {
    waiting.push(send(item));
    if (waiting.length >= AHEAD) await waiting.shift();
  }
  await Promise.all(waiting);
}

interface Side {
  readonly name: string;
  /** Makes the arguments; returns what is measured. */
  readonly prepare: () => () => Promise<void>;
}

function floor(name: string, size: number): Side {
  const side = name.split(",")[0]!;
  const calls = chunks(operations, size).map((some) => some.flatMap((one) => [one.user, one.comes ? 1 : -1]));
  const pipelines = chunks(calls, Math.max(1, Math.min(PIPELINE, Math.floor(1_000 / size))));
  return {
    name,
    prepare: () => () =>
      ahead(pipelines, (some) => {
        const pipeline = redis.pipeline();
        for (const args of some) pipeline.evalsha(floorSha, 2, `${side}:users`, `${side}:process`, ...args);
        return pipeline.exec();
      }),
  };
}

function recipe(name: string, client: Redis, operation: (typeof operations)[number]) {
  const transaction = client.multi();
  for (const key of [`${name}:users`, `${name}:process`]) {
    if (operation.comes) transaction.hincrby(key, operation.user, 1);
    else transaction.evalsha(downSha, 1, key, operation.user);
  }
  return transaction.exec();
}

const clients = Array.from({ length: CLIENTS }, () => new Redis(server.url));
const awaiting: Side = {
  name: "recipe 50",
  prepare: () => async () => {
    let next = 0;
    await Promise.all(
      clients.map(async (client) => {
        for (let i = next++; i < count; i = next++) await recipe("recipe 50", client, operations[i]!);
      }),
    );
  },
};

const pipelining: Side = {
  name: "recipe 1",
  prepare: () => {
    const some = chunks(operations, PIPELINE);
    return () => ahead(some, (part) => Promise.all(part.map((one) => recipe("recipe 1", redis, one))));
  },
};

function atOnce(size: number): Side {
  return {
    name: `at once, ${size}`,
    prepare: () => {
      const args = projectArguments(keys, recorders.keyArguments, KEEP);
      const pipelines = chunks(recorders.records(operations, size), Math.max(1, Math.floor(PIPELINE / size)));
      return async () => {
        await ahead(pipelines, async (records) => {
          const pipeline = redis.pipeline();
          for (const fields of records) {
            pipeline.call("XADD", keys.records, "*", ...fields);
            pipeline.call("EVALSHA", project.sha1, ...args);
          }
          const replies = await pipeline.exec();
          folded(replies!.at(-1)![1]);
        });
        while ((await step(redis, keys, recorders.keyArguments)).more);
      };
    },
  };
}

/** Two sides, measured one after the other: the log that the first leaves is folded by the second. */
function backlog(size: number): Side[] {
  return [
    {
      name: `append, ${size}`,
      prepare: () => {
        const records = recorders.records(operations, size);
        return () => append(redis, keys, records);
      },
    },
    {
      name: `backlog, ${size}`,
      prepare: () => async () => {
        // Several calls under way, so that Redis does not wait for us.
        await Promise.all(
          Array.from({ length: AHEAD }, async () => {
            while ((await step(redis, keys, recorders.keyArguments)).more);
          }),
        );
      },
    },
  ];
}

const sides = [
  floor("floor", 1_000),
  awaiting,
  pipelining,
  ...sizes.flatMap((size) => [floor(`loop, ${size}`, size), atOnce(size), ...backlog(size)]),
];
/** µs an operation, and how busy Redis was, round by round. */
const cpu = new Map(sides.map(({ name }): [string, number[]] => [name, []]));
const busy = new Map(sides.map(({ name }): [string, number[]] => [name, []]));
for (let round = -1; round < rounds; round++) {
  for (const { name, prepare } of sides) {
    const run = prepare();
    const before = await cpuOf(redis);
    const began = performance.now();
    await run();
    const wall = 1_000 * (performance.now() - began);
    const used = (await cpuOf(redis)) - before;
    // The first round warms up.
    if (round < 0) continue;
    cpu.get(name)!.push(used / count);
    busy.get(name)!.push(used / wall);
  }
  const found = await redis.hlen(keys.users);
  if (found !== users) throw new Error(`${found} users are left, not ${users}`);
}
for (const client of [redis, ...clients]) client.disconnect();

/** The two parts of a backlog together. */
function sumOf(...names: readonly string[]): number[] {
  return Array.from({ length: rounds }, (_, i) => names.reduce((sum, name) => sum + cpu.get(name)![i]!, 0));
}

const ratio = (a: readonly number[], b: readonly number[]) =>
  median(a.map((one, i) => one / b[i]!)).toFixed(2);
console.log(
  `${server.engine}; ${users} present on ${processes} processes, ${count} operations a round, ${second} of them second tabs; medians of ${rounds}`,
);
console.log("µs of Redis CPU an operation (how busy Redis was):");
for (const { name } of sides) {
  console.log(
    `  ${name.padEnd(14)} ${median(cpu.get(name)!).toFixed(2).padStart(7)} (${median(busy.get(name)!).toFixed(2)})`,
  );
}
console.log("ratios of Redis CPU:");
for (const size of sizes) {
  const [once, fold] = [sumOf(`at once, ${size}`), sumOf(`backlog, ${size}`)];
  const both = sumOf(`append, ${size}`, `backlog, ${size}`);
  const [bare, one] = [sumOf("floor"), sumOf("recipe 1")];
  console.log(
    `  ${size} a record: two HINCRBY / backlog ${ratio(bare, fold)}, / append and backlog ${ratio(bare, both)}, / at once ${ratio(bare, once)};`,
    `as many a call / backlog ${ratio(sumOf(`loop, ${size}`), fold)};`,
    `at once / recipe on 1 connection ${ratio(once, one)}, on 50 ${ratio(once, sumOf("recipe 50"))};`,
    `append and backlog / recipe on 1 ${ratio(both, one)}`,
  );
}
