/** Populations that are really present, and what others do meanwhile: the same for every side of a benchmark. */
import type { Redis } from "ioredis";
import { LIST_BYTES_MAX, OPERATIONS_MAX } from "../src/core/limits.ts";
import { encodeRecord, type RecordEntry } from "../src/core/record.ts";
import type { ShardKeys } from "../src/core/keys.ts";
import { Random } from "../rig/random.ts";
import { step } from "./support.ts";

const TTL_MS = 3_600_000;
const PIPELINE = 50;

export interface Operation {
  readonly user: string;
  readonly comes: boolean;
  readonly process: number;
}

/** Writes the records of some processes; their sequence and sockets go on from one list of operations to the next. */
export class Recorders {
  readonly ids: readonly string[];
  readonly #seq: number[];
  readonly #sockets: number[];
  readonly #ttl: number;
  /** Signs what record() makes. */
  sign: (fields: string[]) => string[] = (fields) => fields;
  /** The keys of the projector that folds it. */
  keyArguments: readonly string[] = [];

  constructor(count: number, ttl = TTL_MS, name = "p") {
    this.ids = Array.from({ length: count }, (_, i) => `${name}${i}`);
    this.#seq = this.ids.map(() => 0);
    this.#sockets = this.ids.map(() => 0);
    this.#ttl = ttl;
  }

  record(process: number, lists: Pick<RecordEntry, "connect" | "leave" | "close" | "bye">): string[] {
    const { connect = [], leave = [], close = [] } = lists;
    this.#sockets[process]! += connect.length - leave.length - close.length;
    const fields = encodeRecord({
      process: this.ids[process]!,
      seq: ++this.#seq[process]!,
      ttl: this.#ttl,
      ...lists,
      sockets: this.#sockets[process]!,
    });
    return this.sign(fields);
  }

  /** The records of these operations, `size` in each but the last of a process. */
  records(operations: readonly Operation[], size: number): string[][] {
    const batches = this.ids.map((): Operation[] => []);
    const records: string[][] = [];
    const take = (process: number) => {
      const batch = batches[process]!;
      const of = (comes: boolean) => batch.filter((one) => one.comes === comes).map((one) => one.user);
      records.push(this.record(process, { connect: of(true), leave: of(false) }));
      batches[process] = [];
    };
    for (const operation of operations) {
      batches[operation.process]!.push(operation);
      if (batches[operation.process]!.length === size) take(operation.process);
    }
    for (const [process, batch] of batches.entries()) if (batch.length > 0) take(process);
    return records;
  }
}

export async function append(redis: Redis, keys: ShardKeys, records: readonly string[][]): Promise<void> {
  for (let i = 0; i < records.length; i += PIPELINE) {
    const pipeline = redis.pipeline();
    for (const fields of records.slice(i, i + PIPELINE)) pipeline.call("XADD", keys.records, "*", ...fields);
    await pipeline.exec();
  }
}

export async function drain(redis: Redis, keys: ShardKeys, keyArguments?: readonly string[]): Promise<void> {
  while ((await step(redis, keys, keyArguments)).more);
}

/** Connects the users `name(0)` to `name(count - 1)`, user i on process i mod the number of them, and folds as it goes. */
export async function populate(
  redis: Redis,
  keys: ShardKeys,
  recorders: Recorders,
  count: number,
  name: (i: number) => string = presentUser,
): Promise<void> {
  const processes = recorders.ids.length;
  // Quotes and a comma beside each id.
  const size = Math.min(OPERATIONS_MAX, Math.floor(LIST_BYTES_MAX / (name(count - 1).length + 3)) - 1);
  for (let process = 0; process < processes; process++) {
    for (let i = process; i < count;) {
      const records: string[][] = [];
      while (i < count && records.length < PIPELINE) {
        const connect: string[] = [];
        for (; i < count && connect.length < size; i += processes) connect.push(name(i));
        records.push(recorders.record(process, { connect }));
      }
      await append(redis, keys, records);
      await drain(redis, keys, recorders.keyArguments);
    }
  }
  const found = await redis.hlen(keys.users);
  if (found !== count) throw new Error(`${found} users are present, not ${count}`);
}

export const presentUser = (i: number): string => `user-${i}`;

/**
 * Sockets that come and go, on random processes. At the end all have gone, so rounds begin alike. A share of `second` are a second
 * socket of one of the `present` users, which is no transition; the others are of users who were not there. About `open` are
 * open at a time: whoever goes has been there for a while.
 */
export function comingAndGoing(options: {
  readonly count: number;
  readonly present: number;
  readonly processes: number;
  readonly second: number;
  readonly open?: number;
}): Operation[] {
  const { count, present, processes, second } = options;
  const random = new Random("operations");
  const below = (n: number) => Math.floor(random.next() * n);
  const openMax = Math.min(options.open ?? 5_000, count >> 2);
  const open: Operation[] = [];
  const operations: Operation[] = [];
  for (let i = 0; operations.length + open.length < count; i++) {
    if (open.length > 0 && (open.length >= openMax || random.next() < 0.25)) {
      const [gone] = open.splice(below(open.length), 1);
      operations.push({ ...gone!, comes: false });
      continue;
    }
    const user = present > 0 && random.next() < second ? presentUser(below(present)) : `other-${i}`;
    const operation = { user, comes: true, process: below(processes) };
    open.push(operation);
    operations.push(operation);
  }
  for (const one of open) operations.push({ ...one, comes: false });
  return operations;
}
