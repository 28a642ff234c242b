/**
 * What many subscribers of /v1/changes cost the server that streams to them, and whether each gets every change.
 *
 *   node bench/streams.ts [--subscribers 1000] [--changes 1000] [--seconds 20] [--users 0]
 *
 * The server, the subscribers, what makes the changes and what asks /health are a process each, so that none measures another's
 * delay. Prints the server's memory before the subscribers come and at the end, its CPU, how long /health takes meanwhile, and
 * what the subscribers received. With --users, each subscriber follows that many users.
 */
import { parseArgs } from "node:util";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { Part, type Received, type Used } from "./streams/child.ts";
import type { Load, Made } from "./streams/load.ts";
import { percentile } from "./support.ts";

const { values } = parseArgs({
  options: {
    subscribers: { type: "string", default: "1000" },
    changes: { type: "string", default: "1000" },
    seconds: { type: "string", default: "20" },
    users: { type: "string", default: "0" },
  },
});
const subscribers = Number(values.subscribers);
const load: Load = { changes: Number(values.changes), seconds: Number(values.seconds) };
/** Users come and go in turn, a quarter of them present, so that as many are present at the end as after a while. */
const USERS = "20000";
const PREFIX = "streams";
const TOKEN = "a-token-for-the-benchmark-of-streams";

await using redis = await startRedis();
using source = new Part("load", { REDIS: redis.url, PREFIX, USERS });
await source.next();
using api = new Part("server", { REDIS: redis.url, PREFIX, TOKEN });
const url = await api.next<string>();
using health = new Part("probe", { URL: url });
const before = await api.ask<Used>("used");
using readers = new Part("subscribers", {
  URL: url,
  TOKEN,
  COUNT: values.subscribers,
  FOLLOWED: values.users,
  USERS,
});
await readers.next();

await health.ask("forget what was before");
const open = await api.ask<Used>("used");
const began = performance.now();
const made = await source.ask<Made>(load);
const received = await readers.ask<Received>(made);
const seconds = (performance.now() - began) / 1000;
const waits = await health.ask<number[]>("how long");
const after = await api.ask<Used>("used");

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
console.log(
  `${subscribers} subscribers, ${(made.made / made.took).toFixed(0)} changes a second for ${made.took.toFixed(0)} s`,
);
console.log(
  `RSS of the server: ${megabytes(before.rss)} before, ${megabytes(open.rss)} with the streams open, ${megabytes(after.rss)} at the end`,
);
console.log(`CPU of the server: ${(((after.cpu - open.cpu) / 1e6 / seconds) * 100).toFixed(0)} % of a core`);
console.log(
  `/health: p50 ${ms(percentile(waits, 0.5))}, p99 ${ms(percentile(waits, 0.99))}, longest ${ms(Math.max(...waits))} (${waits.length} requests)`,
);
console.log(
  `${megabytes(received.bytes)} received: ${received.complete} subscribers have all of their changes, ${received.told} were told of a gap, ` +
    `${received.wrong} neither; ${received.reopened} streams opened again`,
);
