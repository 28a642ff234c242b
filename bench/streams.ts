/**
 * What many subscribers of /v1/changes cost the server that streams to them.
 *
 *   node bench/streams.ts [--subscribers 1000] [--changes 1000] [--seconds 20] [--users 0]
 *
 * The server, the subscribers and this process, which makes the changes, are three processes. Prints the server's memory before the
 * subscribers come and at the end, its CPU, and how long /health takes meanwhile. With --users, each subscriber follows that many users.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { encodeRecord } from "../src/core/record.ts";
import { projectorOver } from "../src/projector/projector.ts";
import { ioredisPort } from "../src/redis/ioredis.ts";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { percentile } from "./support.ts";

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "1000" },
    changes: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    users: { type: "string", default: "0" },
  },
});
const [subscribers, changes, seconds, followed] = [
  values.subscribers,
  values.changes,
  values.seconds,
  values.users,
].map(Number) as [number, number, number, number];
/** Users come and go in turn, so that as many are present at the end as at the beginning. */
const USERS = 20_000;
const PREFIX = "streams";
const TOKEN = "a-token-for-the-benchmark-of-streams";
const EVERY_MS = 50;

function start(role: string, environment: Record<string, string>): ChildProcess {
  return fork(new URL(`streams/${role}.ts`, import.meta.url), { env: { ...process.env, ...environment } });
}

async function tell<T>(child: ChildProcess, message: string): Promise<T> {
  child.send(message);
  const [answer] = (await once(child, "message")) as [T];
  return answer;
}

interface Used {
  readonly rss: number;
  readonly cpu: number;
}

await using server = await startRedis();
const redis = new Redis(server.url);
const { records } = keysOf(PREFIX, 0, 1);
const projector = projectorOver(ioredisPort(redis), { prefix: PREFIX });
const about = { host: "bench.example", pid: 1, version: "1.0.0", grace: 0 };
const ttl = 600_000;
await redis.call("XADD", records, "*", ...encodeRecord({ process: "bench", seq: 1, ttl, about, sockets: 0 }));
await projector.sweep();

const api = start("server", { REDIS: server.url, PREFIX, TOKEN });
const [url] = (await once(api, "message")) as [string];
const before = await tell<Used>(api, "used");
const readers = start("subscribers", {
  URL: url,
  TOKEN,
  COUNT: String(subscribers),
  FOLLOWED: String(followed),
  USERS: String(USERS),
});
await once(readers, "message");

const health: number[] = [];
const finished = new AbortController();
const watching = (async () => {
  while (!finished.signal.aborted) {
    const began = performance.now();
    await (await fetch(`${url}/health`)).text();
    health.push(performance.now() - began);
    await delay(20);
  }
})();

const began = performance.now();
const half = Math.round((changes * EVERY_MS) / 2000);
const present: string[] = [];
let made = 0;
let seq = 1;
const cpuBefore = (await tell<Used>(api, "used")).cpu;
while (performance.now() - began < seconds * 1000) {
  const connect: string[] = [];
  for (let i = 0; i < half; i++) connect.push(`user-${(seq * half + i) % USERS}`);
  const leave = present.length > USERS / 4 ? present.splice(0, half) : [];
  present.push(...connect);
  seq++;
  await redis.call("XADD", records, "*", ...encodeRecord({ process: "bench", seq, ttl, connect, leave, sockets: present.length })); // prettier-ignore
  await projector.sweep();
  made += connect.length + leave.length;
  const due = began + (made / changes) * 1000;
  if (due > performance.now()) await delay(due - performance.now());
}
const took = (performance.now() - began) / 1000;
await delay(3_000);
finished.abort();
await watching;
const after = await tell<Used>(api, "used");
const received = await tell<{ bytes: number; changes: number; ended: number }>(readers, "received");

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
console.log(
  `${subscribers} subscribers, ${(made / took).toFixed(0)} changes a second for ${took.toFixed(0)} s`,
);
console.log(`RSS of the server: ${megabytes(before.rss)} before, ${megabytes(after.rss)} at the end`);
console.log(`CPU of the server: ${(((after.cpu - cpuBefore) / 1e6 / (took + 3)) * 100).toFixed(0)} %`);
console.log(
  `/health: p50 ${percentile(health, 0.5).toFixed(0)} ms, p99 ${percentile(health, 0.99).toFixed(0)} ms, longest ${Math.max(...health).toFixed(0)} ms`,
);
console.log(
  `received: ${megabytes(received.bytes)}, ${(received.changes / subscribers).toFixed(0)} of ${made} changes each, ${received.ended} streams ended`,
);
api.kill();
readers.kill();
redis.disconnect();
