/** A recorder under a busy load of its own: users come and go, enough of them that a process folds for the others (pace). */
import type { Cluster } from "ioredis";
import type { PresenceError } from "../src/core/errors.ts";
import { SILENT } from "../src/core/options.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect, type Connection } from "../src/redis/connect.ts";
import { shardOf } from "../src/core/shard.ts";

export interface BusyOptions {
  readonly redis: string | Cluster;
  readonly prefix: string;
  readonly shards: number;
  readonly ttl: number;
  readonly heartbeat: number;
  readonly pace?: number;
}

/** From one round of operations to the next, ms: shorter than the pace, so that each beat has a record. */
const ROUND_MS = 5;
/** How many users of a shard stay at a time. */
const STAY = 20;

export class Busy {
  readonly errors: PresenceError[] = [];
  readonly #recorder: Recorder;
  readonly #connection: Connection;
  readonly #name: string;
  /** Who is here, by shard, the oldest first. */
  readonly #here: string[][];
  #timer: NodeJS.Timeout | undefined;
  #made = 0;

  /** `name` begins the name of each of its users. */
  constructor(name: string, { redis, prefix, shards, ttl, heartbeat, pace }: BusyOptions) {
    this.#name = name;
    this.#here = Array.from({ length: shards }, () => []);
    this.#connection = connect(redis, { timeout: 2_000, name });
    this.#recorder = new Recorder({
      connection: this.#connection,
      options: resolveRecorderOptions({ prefix, shards, ttl, heartbeat, pace, logger: SILENT }),
      connections: () => 0,
      onError: (error) => this.errors.push(error),
    });
  }

  ready(): Promise<void> {
    return this.#recorder.ready();
  }

  /** Who is here by now, sorted. */
  get users(): string[] {
    return this.#here.flat().toSorted();
  }

  /** From now on something happens in each shard every few ms. */
  load(): void {
    this.#timer ??= setInterval(() => this.#round(), ROUND_MS);
  }

  rest(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #round(): void {
    for (const [shard, here] of this.#here.entries()) {
      if (here.length >= STAY && this.#made % 2 === 0) this.#recorder.disconnect(here.shift()!, "leave");
      const user = this.#userOf(shard);
      here.push(user);
      this.#recorder.connect(user);
      if (here.length > STAY) this.#recorder.disconnect(here.shift()!, "leave");
    }
  }

  #userOf(shard: number): string {
    for (;;) {
      const user = `${this.#name}-${this.#made++}`;
      if (shardOf(user, this.#here.length) === shard) return user;
    }
  }

  async close(): Promise<void> {
    this.rest();
    await this.#recorder.close(2_000);
    this.#connection.close();
  }
}
