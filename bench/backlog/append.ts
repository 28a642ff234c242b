/** A log that has not been projected for a while. */
import type { Redis } from "ioredis";
import type { ShardKeys } from "../../src/core/keys.ts";
import { encodeRecord, type Operation } from "../../src/core/record.ts";

const USERS = 100_000;
const PROCESSES = 4;
const IN_FLIGHT = 4;
const PIPELINE = 500;
const TTL_MS = 3_600_000;

/** Appends operations of random users, `size` per record. Returns the number of records and of users present. */
export async function appendBacklog(
  redis: Redis,
  keys: ShardKeys,
  operations: number,
  size: number,
): Promise<{ records: number; users: number }> {
  const processes = Array.from({ length: PROCESSES }, (_, i) => ({
    id: `web-${i}`,
    seq: 0,
    sockets: 0,
    present: new Set<number>(),
  }));
  let records = 0;
  let pipeline = redis.pipeline();
  const waiting: Promise<unknown>[] = [];
  for (let made = 0; made < operations; made += size) {
    const process = processes[records++ % PROCESSES]!;
    const list: Operation[] = [];
    for (let i = 0; i < size; i++) {
      // Each user is on one process only, so the users present are known without Redis.
      const user = Math.floor(Math.random() * (USERS / PROCESSES)) * PROCESSES + (records % PROCESSES);
      const leaves = process.present.delete(user);
      if (!leaves) process.present.add(user);
      list.push({ op: leaves ? "leave" : "connect", user: `user-${user}` });
      process.sockets += leaves ? -1 : 1;
    }
    const fields = encodeRecord({
      process: process.id,
      seq: ++process.seq,
      ttl: TTL_MS,
      operations: list,
      sockets: process.sockets,
    });
    pipeline.call("XADD", keys.records, "*", ...fields);
    if (pipeline.length < PIPELINE) continue;
    waiting.push(pipeline.exec());
    pipeline = redis.pipeline();
    if (waiting.length >= IN_FLIGHT) await waiting.shift();
  }
  waiting.push(pipeline.exec());
  await Promise.all(waiting);
  return { records, users: processes.reduce((sum, { present }) => sum + present.size, 0) };
}
