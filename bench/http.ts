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
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface, type Interface } from "node:readline";
import { parseArgs } from "node:util";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { connect as connectRedis } from "../src/redis/connect.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
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
const SIDES = ["rollcall", "node", "hono"] as const;
type Side = (typeof SIDES)[number];

interface Server {
  readonly child: ChildProcess;
  readonly lines: Interface;
  readonly port: number;
}

async function start(side: Side, redis: string, answer: object): Promise<Server> {
  const child = spawn(process.execPath, [new URL("http/server.ts", import.meta.url).pathname, side, redis], {
    env: { ...process.env, ANSWER: JSON.stringify(answer) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return { child, lines, port: (JSON.parse(line) as { port: number }).port };
}

async function cpuOf({ child, lines }: Server): Promise<number> {
  child.stdin!.write("\n");
  const [line] = (await once(lines, "line")) as [string];
  return (JSON.parse(line) as { cpu: number }).cpu;
}

/** Sends `count` requests, one after another, over each of the connections. */
async function load(port: number, request: string, count: number, status: number): Promise<void> {
  const each = Math.ceil(count / connections!);
  await Promise.all(Array.from({ length: connections! }, () => one(port, request, each, status)));
}

function one(port: number, request: string, count: number, status: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    let left = count;
    let seen = "";
    socket.on("connect", () => socket.write(request));
    socket.on("error", reject);
    socket.on("data", (data) => {
      seen += data.toString("latin1");
      const end = seen.indexOf("\r\n\r\n");
      if (end === -1) return;
      const length = status === 304 ? 0 : Number(/content-length: *(\d+)/i.exec(seen)?.[1]);
      if (!(seen.length >= end + 4 + length)) return;
      if (!seen.startsWith(`HTTP/1.1 ${status} `)) return reject(new Error(seen.slice(0, 80)));
      seen = "";
      if (--left === 0) {
        socket.end();
        resolve();
      } else socket.write(request);
    });
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

const ours = await start("rollcall", redis.url, {});
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
    node: await start("node", redis.url, answer),
    hono: await start("hono", redis.url, answer),
  };
  const cpu: Record<Side, number[]> = { rollcall: [], node: [], hono: [] };
  const rate: Record<Side, number[]> = { rollcall: [], node: [], hono: [] };
  for (let round = -1; round < rounds!; round++) {
    for (const side of SIDES) {
      const before = await cpuOf(servers[side]);
      const began = performance.now();
      await load(servers[side].port, get(path, more), requests!, 200);
      const took = performance.now() - began;
      if (round < 0) continue;
      cpu[side].push(((await cpuOf(servers[side])) - before) / requests!);
      rate[side].push((1_000 * requests!) / took);
    }
  }
  const [us, bare, hono] = SIDES.map((side) => median(cpu[side])) as [number, number, number];
  const told = SIDES.map(
    (side) => `${side} ${median(cpu[side]).toFixed(1)} (${Math.round(median(rate[side]))})`,
  );
  console.log(`${name}: ${told.join(", ")}; ${(us / bare).toFixed(2)} of node:http (at most 2), ${(us / hono).toFixed(2)} of hono`); // prettier-ignore
  for (const side of ["node", "hono"] as const) servers[side].child.kill();
}
ours.child.kill();
await recorder.close(1_000);
connection.close();
