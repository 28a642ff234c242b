/** A process that says who is in which namespace and room, written by hand as docs/protocol.md has it, and projected. */
import type { Redis } from "ioredis";
import { keysOf } from "../../../src/core/keys.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { project } from "./support.ts";

export interface RoomsOptions {
  readonly prefix: string;
  readonly shards?: number;
  readonly process?: string;
  /** As in a first record: `/,*` and `*` before it for those whose changes are told. */
  readonly tracks: readonly string[];
}

interface State {
  seq: number;
  sockets: number;
  memberships: number;
}

export class Rooms {
  readonly #redis: Redis;
  readonly #options: Required<RoomsOptions>;
  readonly #states: readonly State[];
  readonly #connected = new Set<string>();

  private constructor(redis: Redis, options: RoomsOptions) {
    this.#redis = redis;
    this.#options = { shards: 1, process: "web-1", ...options };
    this.#states = Array.from({ length: this.#options.shards }, () => ({
      seq: 0,
      sockets: 0,
      memberships: 0,
    }));
  }

  /** A process that has registered. */
  static async open(redis: Redis, options: RoomsOptions): Promise<Rooms> {
    const rooms = new Rooms(redis, options);
    const about = ["hello", "host.example", "pid", "42", "version", "1.2.3", "protocol", "2"];
    for (let shard = 0; shard < rooms.#options.shards; shard++)
      await rooms.#say(shard, [...about, "tracks", JSON.stringify(options.tracks)], []);
    await rooms.#project();
    return rooms;
  }

  /** One socket of each of these users joins; it connects first if it is the user's first. `*` before the scope: its changes are told. */
  async join(scope: string, users: readonly string[]): Promise<void> {
    await this.#each(users, async (shard, own) => {
      const coming = own.filter((user) => !this.#connected.has(user));
      for (const user of coming) this.#connected.add(user);
      const state = this.#states[shard]!;
      state.sockets += coming.length;
      state.memberships += own.length;
      await this.#say(shard, coming.length > 0 ? ["connect", JSON.stringify(coming)] : [], [
        "join",
        JSON.stringify([[scope, ...own]]),
      ]);
    });
  }

  /** They leave the scope and stay connected. */
  async part(scope: string, users: readonly string[]): Promise<void> {
    await this.#each(users, async (shard, own) => {
      this.#states[shard]!.memberships -= own.length;
      await this.#say(shard, [], ["part", JSON.stringify([[scope, ...own]])]);
    });
  }

  /** Each scope with as many sockets of one user: in one record for each 300. */
  async fill(scopes: readonly string[], user: string): Promise<void> {
    for (let i = 0; i < scopes.length; i += 300) {
      const some = scopes.slice(i, i + 300);
      const shard = shardOf(user, this.#options.shards);
      const state = this.#states[shard]!;
      const first = this.#connected.has(user) ? [] : ["connect", JSON.stringify([user])];
      if (first.length > 0) state.sockets++;
      this.#connected.add(user);
      state.memberships += some.length;
      await this.#say(shard, first, ["join", JSON.stringify(some.map((scope) => [scope, user]))]);
    }
    await this.#project();
  }

  async #each(users: readonly string[], say: (shard: number, own: readonly string[]) => Promise<void>) {
    const { shards } = this.#options;
    for (let shard = 0; shard < shards; shard++) {
      const own = users.filter((user) => shardOf(user, shards) === shard);
      for (let i = 0; i < own.length; i += 400) await say(shard, own.slice(i, i + 400));
    }
    await this.#project();
  }

  async #say(shard: number, before: readonly string[], lists: readonly string[]): Promise<void> {
    const { prefix, shards, process } = this.#options;
    const state = this.#states[shard]!;
    const head = ["process", process, "seq", String(++state.seq), "ttl", "600000", ...before];
    const tail = ["sockets", String(state.sockets), ...lists, "memberships", String(state.memberships)];
    await this.#redis.call("XADD", keysOf(prefix, shard, shards).records, "*", ...head, ...tail);
  }

  #project(): Promise<void> {
    return project(this.#redis, this.#options);
  }
}
