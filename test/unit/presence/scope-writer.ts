/** A process that records memberships of scopes by hand, and folds at once. */
import type { Redis } from "ioredis";
import { keysOf } from "../../../src/core/keys.ts";
import { projectorOver } from "../../../src/projector/projector.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { until } from "../../../rig/until.ts";

let processes = 0;

export interface ScopeWriterOptions {
  readonly prefix?: string;
  readonly ttl?: number;
  /** `tracks` of the first record. */
  readonly tracks?: readonly string[];
  /** Whether its changes are told. */
  readonly tells?: boolean;
}

export class ScopeWriter {
  readonly #redis: Redis;
  readonly #prefix: string;
  readonly #ttl: number;
  readonly #tracks: readonly string[];
  readonly #tells: boolean;
  readonly #name = `writer-${processes++}`;
  #incarnation = 0;
  #seq = 0;
  /** Memberships, each of a socket of its own. */
  #all: [scope: string, user: string][] = [];

  constructor(
    redis: Redis,
    { prefix = "presence", ttl = 60_000, tracks = [], tells = true }: ScopeWriterOptions = {},
  ) {
    this.#redis = redis;
    this.#prefix = prefix;
    this.#ttl = ttl;
    this.#tracks = tracks;
    this.#tells = tells;
  }

  /** `+alice` comes, `~alice` leaves. One record. */
  async do(scope: string, ...short: string[]): Promise<void> {
    const of = (sign: string) => short.filter((one) => one.startsWith(sign)).map((one) => one.slice(1));
    const [came, went] = [of("+"), of("~")];
    this.forget(scope, ...went);
    this.#all.push(...came.map((user): [string, string] => [scope, user]));
    const text = this.#tells ? `*${scope}` : scope;
    await this.#append([
      ...(came.length > 0 ? ["connect", JSON.stringify(came)] : []),
      ...(went.length > 0 ? ["leave", JSON.stringify(went)] : []),
      "sockets", String(this.#all.length),
      ...(came.length > 0 ? ["join", JSON.stringify([[text, ...came]])] : []),
      ...(went.length > 0 ? ["part", JSON.stringify([[text, ...went]])] : []),
      "memberships", String(this.#all.length),
    ]); // prettier-ignore
  }

  /** They go without a record. */
  forget(scope: string, ...users: readonly string[]): void {
    for (const user of users) {
      const i = this.#all.findIndex(([own, one]) => own === scope && one === user);
      if (i !== -1) this.#all.splice(i, 1);
    }
  }

  /** Registers again with its full state. */
  async register(): Promise<void> {
    const before = `${this.#name}.${this.#incarnation++}`;
    this.#seq = 0;
    const users = this.#all.map(([, user]) => user);
    const lists = this.#all.map(([scope, user]) => [this.#tells ? `*${scope}` : scope, user]);
    await this.#append([
      ...(users.length > 0 ? ["connect", JSON.stringify(users)] : []),
      "sockets", String(this.#all.length),
      ...(users.length > 0 ? ["join", JSON.stringify(lists)] : []),
      "memberships", String(this.#all.length),
      "replaces", JSON.stringify([before]),
    ]); // prettier-ignore
  }

  /** Renews its lease until it is stopped. */
  keep(): () => void {
    const counts = () => ["sockets", String(this.#all.length), "memberships", String(this.#all.length)];
    const timer = setInterval(() => void this.#send(counts()), this.#ttl / 3);
    return () => clearInterval(timer);
  }

  async #append(fields: readonly string[]): Promise<void> {
    await this.#send(fields);
    await this.fold();
  }

  async #send(fields: readonly string[]): Promise<void> {
    const first = ["protocol", "2", "tracks", JSON.stringify(this.#tracks)];
    await this.#redis.call(
      "XADD", keysOf(this.#prefix, 0, 1).records, "*",
      "process", `${this.#name}.${this.#incarnation}`, "seq", String(++this.#seq), "ttl", String(this.#ttl),
      ...(this.#seq === 1 ? first : []), ...fields,
    ); // prettier-ignore
  }

  /** Without reaping: leases are not renewed. */
  async fold(): Promise<void> {
    const projector = projectorOver(ioredisPort(this.#redis), { prefix: this.#prefix });
    await until("all is folded", async () => !(await projector.step(0, { reap: false })).more);
  }
}
