/**
 * Real sockets: what it costs Redis and a Socket.IO server to count them, with createPresence, with Socket.IO's recipe in connection
 * handlers, and with neither.
 *
 *   node bench/sockets.ts [--nodes 3] [--sockets 900] [--rate 300] [--rounds 4]
 *
 * Of each kind `nodes` servers run, each a process of its own, over a Redis of their own; socket.io-client over WebSocket runs here. A
 * round of a kind opens `sockets` connections of as many users, `rate` a second in all at even intervals (0: as fast as 50 at a time
 * go), then closes them at the same rate. Kinds are taken in turn, the other way round every second time. A connect costs what was
 * used until all are open and half a second more, divided by the sockets. The heap is that of the second half of the sockets, after
 * a collection; it takes some thousands to be exact, and `--rate 0 --sockets 6000` for it. Medians of rounds.
 */
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { io, type Socket } from "socket.io-client";
import { type RedisServer, startRedis } from "../packages/local-redis/src/index.ts";
import { Child } from "../rig/child.ts";
import { callsOf, cpuOf, median } from "./support.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "3" },
    sockets: { type: "string", default: "900" },
    rate: { type: "string", default: "300" },
    rounds: { type: "string", default: "4" },
  },
});
const [nodes, count, rate, rounds] = [values.nodes, values.sockets, values.rate, values.rounds].map(
  Number,
) as [number, number, number, number];
const AT_ONCE = 50;
/** What a kind has still to do when the last socket is open or closed: its last records, and folding them. */
const REST_MS = 500;
const KINDS = ["ours", "recipe", "neither"] as const;
type Kind = (typeof KINDS)[number];

interface Usage {
  readonly cpu: number;
  readonly heap: number;
}

interface Node {
  readonly url: string;
  readonly usage: () => Promise<Usage>;
  readonly stop: () => Promise<void>;
}

async function start(kind: Kind, index: number, url: string): Promise<Node> {
  const listening = Promise.withResolvers<string>();
  let answer: ((usage: Usage) => void) | undefined;
  const child = await Child.start({
    name: `${kind} ${index}`,
    file: fileURLToPath(new URL("sockets/server.ts", import.meta.url)),
    env: { KIND: kind, REDIS: url, NAME: String(index) },
    onMessage(message) {
      const told = message as { url: string } | Usage;
      if ("url" in told) listening.resolve(told.url);
      else answer?.(told);
    },
  });
  void child.ended.then(() => listening.reject(new Error(`${child.name}: ${child.epitaph}`)));
  return {
    url: await listening.promise,
    usage: () =>
      new Promise((resolve) => {
        answer = resolve;
        child.kill("SIGUSR2");
      }),
    stop: () => child.stop(2_000),
  };
}

/** Runs `one` for each socket, at the rate. Resolves when all are done. */
async function paced<T>(items: readonly T[], one: (item: T) => Promise<void>): Promise<void> {
  const began = performance.now();
  const under = new Set<Promise<void>>();
  for (const [i, item] of items.entries()) {
    if (rate === 0 && under.size >= AT_ONCE) await Promise.race(under);
    const early = rate === 0 ? 0 : began + (i * 1_000) / rate - performance.now();
    if (early > 1) await delay(early);
    const running = one(item).finally(() => under.delete(running));
    under.add(running);
  }
  await Promise.all(under);
}

function open(url: string, user: string): Promise<Socket> {
  const socket = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, auth: { user } });
  return new Promise((resolve, reject) => {
    socket.on("connect", () => resolve(socket));
    socket.on("connect_error", reject);
  });
}

interface Figure {
  /** µs a connect and a disconnect. */
  readonly redis: readonly [connect: number, disconnect: number];
  readonly node: readonly [connect: number, disconnect: number];
  /** Commands a connect. */
  readonly commands: number;
  /** Bytes a socket. */
  readonly heap: number;
}

interface Cluster {
  readonly server: RedisServer;
  readonly redis: Redis;
  readonly nodes: readonly Node[];
}

const clusters = new Map<Kind, Cluster>();
for (const kind of KINDS) {
  const server = await startRedis();
  const started = await Promise.all(Array.from({ length: nodes }, (_, i) => start(kind, i, server.url)));
  clusters.set(kind, { server, redis: new Redis(server.url), nodes: started });
}

let users = 0;

async function look({ redis, nodes: all }: Cluster) {
  const usages: Usage[] = [];
  // One after the other: collecting takes a core.
  for (const node of all) usages.push(await node.usage());
  const sum = (of: (usage: Usage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  const calls = [...(await callsOf(redis))].filter(([name]) => !/^(info|multi|exec|client.*)$/.test(name));
  return {
    cpu: sum((usage) => usage.cpu),
    heap: sum((usage) => usage.heap),
    redis: await cpuOf(redis),
    commands: calls.reduce((total, [, n]) => total + n, 0),
  };
}

async function round(kind: Kind): Promise<Figure> {
  const cluster = clusters.get(kind)!;
  const sockets: Socket[] = [];
  const places = Array.from({ length: count }, (_, i) => cluster.nodes[i % nodes]!.url);
  const connect = async (url: string) => void sockets.push(await open(url, `user-${users++}`));
  const halves = [places.slice(0, count >> 1), places.slice(count >> 1)];
  const used = { redis: 0, node: 0, commands: 0 };
  let heap = 0;
  for (const half of halves) {
    // Twice: the collection itself uses CPU, which the second look leaves out.
    await look(cluster);
    const before = await look(cluster);
    await paced(half, connect);
    await delay(REST_MS);
    const opened = await look(cluster);
    used.redis += opened.redis - before.redis;
    used.node += opened.cpu - before.cpu;
    used.commands += opened.commands - before.commands;
    // Of the second half: what the first one takes once and for all is not a socket's.
    heap = (opened.heap - before.heap) / half.length;
  }
  const between = await look(cluster);
  await paced(sockets, async (socket) => void socket.disconnect());
  await delay(REST_MS);
  const closed = await look(cluster);
  return {
    redis: [used.redis / count, (closed.redis - between.redis) / count],
    node: [used.node / count, (closed.cpu - between.cpu) / count],
    commands: used.commands / count,
    heap,
  };
}

const figures = new Map(KINDS.map((kind): [Kind, Figure[]] => [kind, []]));
for (let i = -1; i < rounds; i++) {
  for (const kind of i % 2 === 0 ? KINDS : KINDS.toReversed()) {
    const figure = await round(kind);
    // The first round warms up.
    if (i >= 0) figures.get(kind)!.push(figure);
  }
}

/** The median over rounds of a figure less that of `neither` in the same round. */
function added(kind: Kind, of: (figure: Figure) => number): number {
  return median(figures.get(kind)!.map((figure, i) => of(figure) - of(figures.get("neither")![i]!)));
}

console.log(
  `${clusters.get("ours")!.server.engine}; ${nodes} nodes, ${count} sockets a round, ${rate === 0 ? `${AT_ONCE} at a time` : `${rate} a second`}; medians of ${rounds}, less those of a server that counts nothing`,
);
for (const kind of ["ours", "recipe"] as const) {
  const redisCpu = [0, 1].map((i) => added(kind, (figure) => figure.redis[i]!).toFixed(1));
  const nodeCpu = [0, 1].map((i) => added(kind, (figure) => figure.node[i]!).toFixed(0));
  console.log(
    `${kind.padEnd(7)} Redis CPU ${redisCpu[0]} µs a connect, ${redisCpu[1]} a disconnect; node CPU ${nodeCpu[0]} µs a connect, ${nodeCpu[1]} a disconnect;`,
    `heap ${added(kind, (figure) => figure.heap).toFixed(0)} bytes a socket; ${added(kind, (figure) => figure.commands).toFixed(1)} commands a connect`,
  );
}
const base = figures.get("neither")!;
console.log(
  `neither node CPU ${median(base.map((figure) => figure.node[0])).toFixed(0)} µs a connect, heap ${median(base.map((figure) => figure.heap)).toFixed(0)} bytes a socket`,
);
const redisRatio = median(
  figures.get("ours")!.map((figure, i) => figure.redis[0] / figures.get("recipe")![i]!.redis[0]),
);
console.log(`ours / recipe, a connect: Redis CPU ${redisRatio.toFixed(2)}, node CPU added ${(added("ours", (figure) => figure.node[0]) / added("recipe", (figure) => figure.node[0])).toFixed(2)}`); // prettier-ignore
for (const { server, redis, nodes: all } of clusters.values()) {
  await Promise.all(all.map((node) => node.stop()));
  redis.disconnect();
  await server.stop();
}
