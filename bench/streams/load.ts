/**
 * The changes of bench/streams.ts: users come and go, in records of 50 ms, folded at once. Asked { changes, seconds }, it makes
 * them, then answers how many, of whom, and in how many seconds.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { keysOf } from "../../src/core/keys.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { projectorOver } from "../../src/projector/projector.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import { answering } from "./child.ts";

export interface Load {
  /** A second. */
  readonly changes: number;
  readonly seconds: number;
}

export interface Made {
  readonly made: number;
  /** By the number of the user. */
  readonly byUser: readonly number[];
  readonly took: number;
}

const EVERY_MS = 50;
const TTL = 600_000;
const { REDIS = "", PREFIX: prefix = "", USERS = "1" } = process.env;
const users = Number(USERS);
const redis = new Redis(REDIS);
const { records } = keysOf(prefix, 0, 1);
const projector = projectorOver(ioredisPort(redis), { prefix });
const about = { host: "bench.example", pid: 1, version: "1.0.0", grace: 0 };
await redis.call("XADD", records, "*", ...encodeRecord({ process: "bench", seq: 1, ttl: TTL, about, sockets: 0 })); // prettier-ignore
await projector.sweep();
answering((question) => make(question as Load));
process.send!("registered");

/** A user comes when nobody of this name is there: each connect and each leave is one change. */
async function make({ changes, seconds }: Load): Promise<Made> {
  const began = performance.now();
  const half = Math.round((changes * EVERY_MS) / 2000);
  const present: number[] = [];
  const byUser = Array.from({ length: users }, () => 0);
  let made = 0;
  for (let seq = 2; performance.now() - began < seconds * 1000; seq++) {
    const connect = Array.from({ length: half }, (_, i) => (seq * half + i) % users);
    const leave = present.length > users / 4 ? present.splice(0, half) : [];
    present.push(...connect);
    const names = (list: readonly number[]) => list.map((user) => `user-${user}`);
    const lists = { connect: names(connect), leave: names(leave) };
    const record = { process: "bench", seq, ttl: TTL, ...lists, sockets: present.length };
    await redis.call("XADD", records, "*", ...encodeRecord(record));
    await projector.sweep();
    made += connect.length + leave.length;
    for (const user of [...connect, ...leave]) byUser[user]!++;
    const due = began + (made / changes) * 1000;
    if (due > performance.now()) await delay(due - performance.now());
  }
  return { made, byUser, took: (performance.now() - began) / 1000 };
}
