/**
 * How long one call of the projector holds Redis, whatever is in the log: `node bench/hostile.ts`. For each case the log is
 * filled, drained call by call, and the longest call is printed (time in EVALSHA, from `INFO commandstats`), with how many
 * it took. INV-7 bounds the work of a call; these are the milliseconds. Beside it, what appending the log took of Redis's main
 * thread: an entry can only cost much to read if it cost much to append.
 */
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { project } from "../src/lua/generated.ts";
import { parseReply } from "../src/projector/call.ts";
import type { Reply } from "../src/redis/port.ts";
import { cpuOf } from "./support.ts";

const prefix = "hostile";
const keys = keysOf(prefix, 0, 1);
const server = await startRedis({ args: ["--maxmemory", "0"] });
const redis = new Redis(server.url);

/** One call, as the projector makes it. Returns whether there is more to do. */
async function step(): Promise<boolean> {
  const reply = await redis.evalsha(
    project.sha1,
    keys.list.length,
    ...keys.list,
    "1",
    "1000",
    "1",
    "",
    "",
    "group",
    "",
  );
  return parseReply(reply as Reply).more;
}

/** Time in the script so far, µs. */
async function spent(): Promise<number> {
  const info = await redis.info("commandstats");
  return Number(/cmdstat_evalsha:calls=\d+,usec=(\d+)/.exec(info)?.[1] ?? 0);
}

async function measure(name: string, fill: () => Promise<void>): Promise<void> {
  await redis.flushall();
  await redis.config("RESETSTAT");
  await redis.script("LOAD", project.text);
  while (await step());
  const idle = await cpuOf(redis);
  await fill();
  const appended = (await cpuOf(redis)) - idle;
  let longest = 0;
  let calls = 0;
  let sum = 0;
  for (let more = true; more; calls++) {
    const before = await spent();
    more = await step();
    const ms = ((await spent()) - before) / 1000;
    longest = Math.max(longest, ms);
    sum += ms;
  }
  console.log(
    `${name.padEnd(58)} longest ${longest.toFixed(1).padStart(8)} ms, ${String(calls).padStart(4)} calls, ${sum.toFixed(1).padStart(8)} ms in all; appending ${(appended / 1000).toFixed(1).padStart(8)} ms`,
  );
}

const many = Array.from({ length: 500_000 }, (_, i) => (i % 2 === 0 ? "join" : "x"));
const first = encodeRecord({ process: "p", seq: 1, ttl: 60_000, sockets: 0 });
// As one list: half a million arguments are more than the stack holds.
const add = (...fields: (string | string[])[]) => redis.call("XADD", [keys.records, "*", ...fields.flat()]);
/** A list of 32 kB: 126 users with ids of 256 bytes. */
const long = (seq: number, list: string) =>
  Array.from({ length: 126 }, (_, i) => `${list}-${seq}-${i}-`.padEnd(256, "x"));
const names = (count: number) => Array.from({ length: count }, (_, i) => `user-${i}`);

await measure("a heartbeat", async () => {
  await add(...first);
});
await measure("an entry of 500,000 fields", async () => {
  await add(many);
});
await measure("30 of them", async () => {
  for (let i = 0; i < 30; i++) await add(many);
});
await measure("30 of them, each after 20 heartbeats", async () => {
  await add(...first);
  for (let i = 0; i < 30; i++) {
    for (let n = 0; n < 20; n++)
      await add(...encodeRecord({ process: "p", seq: 2 + i * 20 + n, ttl: 60_000, sockets: 0 }));
    await add(many);
  }
});
await measure("a value of 100 MB", async () => {
  await add("process", "x".repeat(100_000_000));
});
await measure("200 records of 96 kB", async () => {
  for (let seq = 1; seq <= 200; seq++) {
    const lists = { connect: long(seq, "a"), disconnect: long(seq, "a"), leave: [], close: [] };
    await add(...encodeRecord({ process: "p", seq, ttl: 60_000, ...lists, sockets: 0 }), "data", "x".repeat(32_000));
  }
}); // prettier-ignore
await measure("1,000 users, each on 8 processes, from a ninth", async () => {
  for (let p = 0; p < 8; p++)
    await add(...encodeRecord({ process: `p${p}`, seq: 1, ttl: 60_000, connect: names(1000), sockets: 1000 }));
  while (await step());
  await add(...encodeRecord({ process: "q", seq: 1, ttl: 60_000, sockets: 0 }));
  await step();
  await add(...encodeRecord({ process: "q", seq: 2, ttl: 60_000, connect: names(1000), sockets: 1000 }));
}); // prettier-ignore
await measure("200 records that name 1,000 users of a full record each", async () => {
  for (let seq = 1; seq <= 200; seq++)
    await add(...encodeRecord({ process: "p", seq, ttl: 60_000, connect: names(1000), sockets: 1000 * seq }));
}); // prettier-ignore
redis.disconnect();
await server.stop();
