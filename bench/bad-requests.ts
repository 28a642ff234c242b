/**
 * Whether requests that are refused leave anything behind: the memory of a server of the API (serve() over a real Redis) under
 * a million bad requests, no two alike.
 *
 *   node bench/bad-requests.ts [--requests 1000000] [--connections 32] [--young 32]
 *
 * They are bad cursors, limits, parameters, ids, paths, methods, tokens, and bodies of lookups, up to 4 kB long. RSS is read after
 * the first 10,000 and then ten times. V8 grows its young generation under load, from 3 to about 96 MB, whatever it keeps; `--young`
 * gives it its final size at once, MB a semi-space, so that what grows is what is kept. `--young 0` leaves it to V8. Target: within 20 % of where it was after the first 10,000. Exits with 1 if it is not,
 * or if any answer was not a 4xx.
 */
import { parseArgs } from "node:util";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { exchange, startSide, usageOf } from "./http/client.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "1000000" },
    connections: { type: "string", default: "32" },
    young: { type: "string", default: "32" },
  },
});
const [requests, connections] = [Number(values.requests), Number(values.connections)];
const FIRST = 10_000;

const TOKEN = "authorization: Bearer a-token-for-the-benchmark\r\n";
const get = (path: string, more = TOKEN) => `GET ${path} HTTP/1.1\r\nhost: x\r\n${more}\r\n`;
const post = (body: string) =>
  `POST /v1/users/lookup HTTP/1.1\r\nhost: x\r\n${TOKEN}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

/** Every kind of refusal. `n` makes each of them another one. */
const KINDS: readonly ((n: number) => string)[] = [
  (n) => get(`/v1/users?cursor=${n}`),
  (n) => get(`/v1/users?cursor=p0.0.${n}-${"9".repeat(3_000)}`),
  (n) => get(`/v1/users?limit=${n + 1_001}`),
  (n) => get(`/v1/counts?x${n}=1`),
  (n) => get(`/v1/users/${n}-${"x".repeat(400)}`),
  (n) => get(`/v1/users/%ff${n}`),
  (n) => get(`/v1/changes?after=${n}`),
  (n) => get(`/v1/changes?user=${n}&user=`),
  (n) => get(`/nothing/${n}`),
  (n) => get(`/v1/users/${n}`, ""),
  (n) => get(`/v1/users/${n}`, `authorization: Bearer ${n}${"t".repeat(1_000)}\r\n`),
  (n) => get(`/v1/counts`).replace("GET", "DELETE").replace("host: x", `host: x${n}`),
  (n) => post(`{"ids": ["${n}", ${"1,".repeat(500)}1]}`),
  (n) => post(`{"${n}": "${"y".repeat(4_000)}"}`),
];

await using redis = await startRedis();
await using server = await startSide(
  "rollcall",
  redis.url,
  {},
  values.young === "0"
    ? []
    : [`--min-semi-space-size=${values.young}`, `--max-semi-space-size=${values.young}`],
);
const statuses = new Map<number, number>();
let sent = 0;

/** Sends requests over all connections until `end` have been sent. */
async function until(end: number): Promise<void> {
  await exchange({
    port: server.port,
    connections,
    next() {
      if (sent >= end) return undefined;
      const n = sent++;
      return KINDS[n % KINDS.length]!(n);
    },
    answered: (status) => statuses.set(status, (statuses.get(status) ?? 0) + 1),
  });
}

const mb = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
await until(FIRST);
const first = (await usageOf(server)).rss;
console.log(`after ${FIRST}: ${mb(first)}`);
let most = 0;
for (let i = 1; i <= 10; i++) {
  await until(FIRST + Math.round(((requests - FIRST) * i) / 10));
  const { rss } = await usageOf(server);
  most = Math.max(most, rss);
  console.log(`after ${sent}: ${mb(rss)} (${(rss / first).toFixed(2)})`);
}
const told = [...statuses].map(([status, count]) => `${count} × ${status}`).join(", ");
console.log(`${told}; most ${(most / first).toFixed(2)} of the first (at most 1.20)`);
const isRefused = [...statuses.keys()].every((status) => status >= 400 && status < 500);
process.exitCode = isRefused && most <= 1.2 * first ? 0 : 1;
