/**
 * What a heartbeat's comparison costs: with 10,000 real sockets in 5 rooms each, all in order, how long its turns hold the loop, ms.
 *
 *   node --expose-gc bench/room-heartbeat.ts [SOCKETS] [ROOMS]
 *
 * Sockets are made without clients: their connections are stubs, everything from Socket.IO's client on is real. Prints one line of JSON.
 */
import { EventEmitter } from "node:events";
import { setImmediate as turn } from "node:timers/promises";
import { Server } from "socket.io";
import { attach } from "../src/recorder/socket-io.ts";

const [count = 10_000, rooms = 5] = process.argv.slice(2).map(Number);

const io = new Server();
const counts = { connect() {}, disconnect() {} };
let members = 0;
const options = {
  io,
  user: () => null,
  namespaces: ["/"],
  ...counts,
  join: () => void members++,
  part: () => void members--,
  onError: (error: Error) => {
    throw error;
  },
  logger: { info() {}, warn: (line: string) => process.stderr.write(`${line}\n`) },
  heartbeat: 3_600_000,
};

interface Connection extends EventEmitter {
  [name: string]: unknown;
}

function connection(): Connection {
  const conn = new EventEmitter() as Connection;
  Object.assign(conn, {
    id: String(Math.random()),
    protocol: 4,
    readyState: "open",
    request: { headers: {}, connection: {} },
  });
  return Object.assign(conn, { write() {}, send() {}, close() {} });
}

const packet = Buffer.from("0").toString();
const heap = () => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

for (let i = 0; i < count; i++) {
  const conn = connection();
  (io as unknown as { onconnection(conn: Connection): void }).onconnection(conn);
  conn.emit("data", packet);
}
while (io.sockets.sockets.size < count) await turn();
let room = 0;
for (const socket of io.sockets.sockets.values())
  void socket.join(Array.from({ length: rooms }, () => `room-${room++ % 5_000}`));

const TURNS = 150;
const ROUNDS = 25;

/** How long each turn of a comparison takes: what the slices do is done in immediates, between two of ours. */
async function measure(compare: () => void): Promise<number[]> {
  const turns: number[] = [];
  let started = performance.now();
  compare();
  for (let i = 0; i < TURNS; i++) {
    turns.push(performance.now() - started);
    started = performance.now();
    await turn();
  }
  return turns;
}

/** All rounds do the same in the same turns: the least of each is what it takes, without what else this machine does. */
async function run(with_: object): Promise<{ longest: number; total: number; bytes: number }> {
  const before = heap();
  const attachment = attach({ ...options, ...with_ });
  await turn();
  const bytes = (heap() - before) / count;
  const least = Array.from({ length: TURNS }, () => Infinity);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, took] of (await measure(() => attachment.compare())).entries())
      least[i] = Math.min(least[i]!, took);
  attachment.detach();
  const total = least.reduce((sum, took) => sum + took, 0);
  return { longest: Math.max(...least), total, bytes };
}

const without = await run({});
const withRooms = await run({ rooms: { rooms: true, changes: [] } });
process.stdout.write(
  `${JSON.stringify({ sockets: io.sockets.sockets.size, members, without, withRooms })}\n`,
);
process.exit(0);
