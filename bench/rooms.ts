/**
 * How many are in a room of a cluster: presence.in(room).counts() beside io.in(room).fetchSockets() on @socket.io/redis-adapter, and both
 * with one server stopped.
 *
 *   node bench/rooms.ts [--sockets 10000] [--nodes 3] [--rounds 9] [--ttl 10000]
 *
 * `nodes` servers, each a process of its own, have `sockets` connections of as many users in all, every one in the same room. The adapter and
 * Rollcall have a Redis each, so the bytes of an answer (INFO, both directions) are only its own; of counts() it is a share of 100 answers
 * in turn, with the heartbeats of that time. Sides are taken in turn, the other way round every second round; the servers are asked in turn.
 * Medians. Then the last server is stopped (SIGSTOP), and the first one asked by both until the stopped one's sockets are counted out.
 */
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { Child } from "../rig/child.ts";
import type { Answer, Question } from "./rooms/server.ts";
import { bytesThrough, median } from "./support.ts";

const { values } = parseArgs({
  options: {
    sockets: { type: "string", default: "10000" },
    nodes: { type: "string", default: "3" },
    rounds: { type: "string", default: "9" },
    ttl: { type: "string", default: "10000" },
  },
});
const [count, nodes, rounds, ttl] = [values.sockets, values.nodes, values.rounds, values.ttl].map(Number) as [
  number,
  number,
  number,
  number,
];
const AT_ONCE = 50;
/** Answers of counts() in a round. */
const TIMES = 100;
/** How often counts() is asked beside a stopped server. */
const EVERY_MS = 100;

interface Node {
  readonly child: Child;
  readonly url: string;
  readonly ask: (ask: Question["ask"], times: number) => Promise<Answer>;
}

await using adapter = await startRedis();
await using server = await startRedis();
const redises = { fetch: new Redis(adapter.url), counts: new Redis(server.url) };

async function start(index: number): Promise<Node> {
  const listening = Promise.withResolvers<string>();
  const waiting = new Map<number, (answer: Answer) => void>();
  const child = await Child.start({
    name: `server ${index}`,
    file: fileURLToPath(new URL("rooms/server.ts", import.meta.url)),
    env: { ADAPTER: adapter.url, PRESENCE: server.url, TTL: String(ttl) },
    onMessage(message) {
      const told = message as { url: string } | Answer;
      if ("url" in told) listening.resolve(told.url);
      else waiting.get(told.id)?.(told);
    },
  });
  void child.ended.then(() => listening.reject(new Error(`${child.name}: ${child.epitaph}`)));
  let id = 0;
  return {
    child,
    url: await listening.promise,
    ask: (ask, times) =>
      new Promise((resolve) => {
        waiting.set(++id, resolve);
        child.send(JSON.stringify({ id, ask, times } satisfies Question));
      }),
  };
}

/** A connection that speaks as much of Socket.IO as it takes to be a socket, since 10,000 clients of socket.io-client are too many. */
function open(url: string, user: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  return new Promise((resolve, reject) => {
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      if (text.startsWith("0")) socket.send(`40${JSON.stringify({ user })}`);
      else if (text.startsWith("40")) resolve(socket);
      else if (text === "2") socket.send("3");
    });
    socket.addEventListener("error", () => reject(new Error(`${user} cannot connect`)));
  });
}

const all = await Promise.all(Array.from({ length: nodes }, (_, i) => start(i)));
const sockets: WebSocket[] = [];
const began = performance.now();
for (let i = 0; i < count; i += AT_ONCE) {
  const some = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, k) => i + k);
  sockets.push(...(await Promise.all(some.map((k) => open(all[k % nodes]!.url, `user-${k}`)))));
}
while ((await all[0]!.ask("counts", 1)).sockets !== count) await delay(EVERY_MS);
console.log(
  `${server.engine}; ${nodes} servers, ${count} sockets in one room after ${((performance.now() - began) / 1_000).toFixed(0)} s; load ${loadavg()[0]!.toFixed(1)}`,
);

interface Figure {
  readonly ms: number;
  readonly bytes: number;
}

async function measure(ask: Question["ask"], node: Node): Promise<Figure> {
  const times = ask === "counts" ? TIMES : 1;
  const redis = redises[ask];
  const empty = await bytesThrough(redis);
  const before = await bytesThrough(redis);
  const answer = await node.ask(ask, times);
  const after = await bytesThrough(redis);
  if (answer.sockets !== count) throw new Error(`${ask}: ${JSON.stringify(answer)} instead of ${count}`);
  return { ms: answer.ms, bytes: (after - before - (before - empty)) / times };
}

const figures: Record<Question["ask"], Figure[]> = { counts: [], fetch: [] };
const SIDES = ["counts", "fetch"] as const;
// The first two warm up.
for (let i = -2; i < rounds; i++)
  for (const side of i % 2 === 0 ? SIDES : SIDES.toReversed()) {
    const figure = await measure(side, all[(i + 2) % nodes]!);
    if (i >= 0) figures[side].push(figure);
  }
const middle = (side: Question["ask"], of: keyof Figure) => median(figures[side].map((figure) => figure[of]));
const names = { counts: "presence.in(room).counts()", fetch: "io.in(room).fetchSockets()" };
for (const side of SIDES)
  console.log(
    `${names[side]}: ${middle(side, "ms").toFixed(2)} ms, ${(middle(side, "bytes") / 1_000).toFixed(1)} kB through Redis`,
  );
const ratio = (of: keyof Figure) =>
  median(figures.fetch.map((figure, i) => figure[of] / figures.counts[i]![of])).toFixed(0);
console.log(`fetchSockets / counts: ${ratio("ms")} times as long, ${ratio("bytes")} times the bytes`);

const [first, last] = [all[0]!, all.at(-1)!];
const left = count - sockets.filter((_, i) => i % nodes === nodes - 1).length;
const stopped = performance.now();
last.child.kill("SIGSTOP");
const fetching = Promise.all(Array.from({ length: 3 }, () => first.ask("fetch", 1)));
const asked: Answer[] = [];
const askUntil = async (wanted: number) => {
  const from = performance.now();
  for (;;) {
    const answer = await first.ask("counts", 1);
    asked.push(answer);
    if (answer.sockets === wanted) return performance.now() - from;
    if (performance.now() - from > 10 * ttl) throw new Error(`counts() never said ${wanted}: ${JSON.stringify(answer)}`); // prettier-ignore
    await delay(EVERY_MS);
  }
};
await askUntil(left);
const right = performance.now() - stopped;
const failed = await fetching;
const errors = failed.filter(({ error }) => error !== undefined);
console.log(
  `one server stopped: fetchSockets rejected ${errors.length} of ${failed.length}, after ${median(failed.map(({ ms }) => ms)).toFixed(0)} ms (${errors[0]?.error})`,
);
const times = asked.map(({ ms }) => ms);
console.log(
  `counts() rejected ${asked.filter(({ error }) => error !== undefined).length} of ${asked.length}; median ${median(times).toFixed(1)} ms, longest ${Math.max(...times).toFixed(1)} ms; without the stopped server's sockets after ${(right / 1_000).toFixed(1)} s (ttl ${ttl / 1_000} s)`,
);
last.child.kill("SIGCONT");
console.log(`running again: all ${count} after ${((await askUntil(count)) / 1_000).toFixed(1)} s; load ${loadavg()[0]!.toFixed(1)}`); // prettier-ignore

for (const socket of sockets) socket.close();
await Promise.all(all.map(({ child }) => child.stop(2_000)));
for (const redis of Object.values(redises)) redis.disconnect();
