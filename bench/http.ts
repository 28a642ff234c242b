/**
 * What an answer costs the server that gives it, beside two floors that send the same bytes and headers: a bare node:http
 * server and a bare Hono app.
 *
 *   node bench/http.ts [--requests 10000] [--rounds 7] [--connections 32]
 *
 * Each side is a process. Plain sockets that are kept open send one request after another; the sides take turns, a round
 * each. The figure is the CPU time of the side's process a request, which other work on the machine disturbs little; requests a
 * second are given as well. Target: at most twice the bare node:http server.
 */
import { parseArgs } from "node:util";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { connect as connectRedis } from "../src/redis/connect.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { exchange, type Side, startSide, usageOf } from "./http/client.ts";
import { median } from "./support.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "10000" },
    rounds: { type: "string", default: "7" },
    connections: { type: "string", default: "32" },
  },
});
const [requests, rounds, connections] = [values.requests, values.rounds, values.connections].map(Number);
const TOKEN = "authorization: Bearer a-token-for-the-benchmark\r\n";
const SIDES: readonly Side[] = ["rollcall", "node", "hono"];

/** Sends `count` requests. */
async function load(port: number, request: string, count: number): Promise<void> {
  let left = count;
  await exchange({
    port,
    connections: connections!,
    next: () => (left-- > 0 ? request : undefined),
    answered(status) {
      if (status !== 200) throw new Error(`answered ${status}`);
    },
  });
}

await using redis = await startRedis();
const connection = connectRedis(redis.url, { timeout: 5_000, name: "bench" });
const recorder = new Recorder({
  connection,
  options: resolveRecorderOptions({ prefix: "bench" }),
  connections: () => 0,
  onError: (error) => console.error(error.message),
});
await recorder.ready();
for (let i = 0; i < 100; i++) recorder.connect(`user-${i}`);

await using ours = await startSide("rollcall", redis.url, {});
const get = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${more}\r\n`;
const CASES: readonly (readonly [name: string, path: string, more: string])[] = [
  ["GET /v1/counts", "/v1/counts", ""],
  ["GET /v1/users/:id, token", "/v1/users/user-1", TOKEN],
  ["GET /v1/users, 100 users, token", "/v1/users", TOKEN],
  ["GET /v1/changes, token", "/v1/changes", TOKEN],
];
console.log(`${redis.engine}, node ${process.versions.node}; µs of CPU a request (requests a second)`);
for (const [name, path, more] of CASES) {
  const headers: Record<string, string> = {};
  if (more !== "") headers["authorization"] = "Bearer a-token-for-the-benchmark";
  const response = await fetch(`http://127.0.0.1:${ours.port}${path}`, { headers });
  const body = await response.text();
  const kept = Object.fromEntries(
    [...response.headers].filter(
      ([field]) => !["content-length", "connection", "keep-alive", "date"].includes(field),
    ),
  );
  const answer = { status: response.status, headers: kept, body };
  const servers = {
    rollcall: ours,
    node: await startSide("node", redis.url, answer),
    hono: await startSide("hono", redis.url, answer),
  };
  const cpu: Record<Side, number[]> = { rollcall: [], node: [], hono: [] };
  const rate: Record<Side, number[]> = { rollcall: [], node: [], hono: [] };
  for (let round = -1; round < rounds!; round++) {
    for (const side of SIDES) {
      const before = (await usageOf(servers[side])).cpu;
      const began = performance.now();
      await load(servers[side].port, get(path, more), requests!);
      const took = performance.now() - began;
      if (round < 0) continue;
      cpu[side].push(((await usageOf(servers[side])).cpu - before) / requests!);
      rate[side].push((1_000 * requests!) / took);
    }
  }
  const [us, bare, hono] = SIDES.map((side) => median(cpu[side])) as [number, number, number];
  const told = SIDES.map(
    (side) => `${side} ${median(cpu[side]).toFixed(1)} (${Math.round(median(rate[side]))})`,
  );
  console.log(`${name}: ${told.join(", ")}; ${(us / bare).toFixed(2)} of node:http (at most 2), ${(us / hono).toFixed(2)} of hono`); // prettier-ignore
  for (const side of ["node", "hono"] as const) await servers[side][Symbol.asyncDispose]();
}
await recorder.close(1_000);
connection.close();
