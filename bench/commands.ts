/**
 * What a per-command bill counts, those inside a script too: Redis's own commandstats, before and after.
 *
 *   node bench/commands.ts
 */
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { startRedis } from "../src/local/redis.ts";
import { projectorOver } from "../src/projector.ts";
import { readerOver } from "../src/reader.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";

await using server = await startRedis();
const redis = new Redis(server.url);
const port = ioredisPort(redis);
const keys = keysOf("bill", 0, 1);
const projector = projectorOver(port, { prefix: "bill" });
const reader = readerOver(port, { prefix: "bill" });

/** Commands counted so far; not INFO, which asks, nor what wraps a transaction. */
async function counted(): Promise<number> {
  const stats = await redis.info("commandstats");
  return [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)]
    .filter(([, name]) => !["info", "multi", "exec"].includes(name!))
    .reduce((sum, [, , calls]) => sum + Number(calls), 0);
}

async function bill(what: string, run: () => Promise<unknown>): Promise<void> {
  const before = await counted();
  await run();
  console.log(`${what.padEnd(60)} ${(await counted()) - before}`);
}

let seq = 0;
let sockets = 0;
async function append(users: readonly string[]): Promise<void> {
  const operations = users.map((user) => ({ op: "connect" as const, user }));
  sockets += users.length;
  await port.call([
    "XADD",
    keys.records,
    "*",
    ...encodeRecord({ process: "p", seq: ++seq, ttl: 60_000, operations, sockets }),
  ]);
}

await append(["first"]);
await projector.sweep();
await reader.counts();
await bill("a count read", () => reader.counts());
await bill("a sweep with nothing to do", () => projector.sweep());
await bill("one connect: append and inline fold", async () => {
  await append(["alice"]);
  await projector.step();
});
await bill("100 connects in one record: append and inline fold", async () => {
  await append(Array.from({ length: 100 }, (_, i) => `u${i}`));
  await projector.step();
});
await bill("a heartbeat that looks at its registration", async () => {
  await append([]);
  await port.pipeline([
    ["HMGET", keys.process("p"), "state", "seq"],
    ["HMGET", keys.totals, "folded", "shards"],
  ]);
});
redis.disconnect();
