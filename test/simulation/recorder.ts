/**
 * The recorder in virtual time: the same journal and the same rules as src/recorder.ts, step by step, with the clock, the
 * connection and the random numbers of the simulation. Keep the two alike: what is fixed there has to be fixed here. Not
 * here are several shards, the abort of a close that takes too long (the host ends then), and what is only told to logs.
 */
import { PresenceError } from "../../src/core/errors.ts";
import { type Fall, Journal } from "../../src/core/journal.ts";
import type { RecordEntry } from "../../src/core/record.ts";
import { isBefore } from "../../src/core/stream-id.ts";
import type { ReadMode } from "../../src/options.ts";
import { type Projector, projectorOver, type StepResult } from "../../src/projector.ts";
import { redisError } from "../../src/redis/errors.ts";
import { type Reply, ReplyError } from "../../src/redis/port.ts";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import type { Random } from "./random.ts";
import type { Part } from "./request.ts";
import type { Server } from "./server.ts";

export interface RecorderOptions {
  readonly host: Host;
  readonly link: Link;
  readonly server: Server;
  readonly random: Random;
  readonly prefix: string;
  readonly ttl: number;
  readonly grace: number;
  readonly project: boolean;
  readonly read: ReadMode;
  readonly connections: () => number;
}

const HOLD_MS = 3_000;
const SPREAD_MS = 100;
const LATEST_MS = 2 ** 31 - 1;

export function backoff(attempt: number, random: Random): number {
  return Math.min(2_000, 50 * 2 ** Math.min(attempt, 10)) * (0.5 + random.next() / 2);
}

/** Anything else is a bug of ours, and ends the history. */
export function mustBeRedis(error: unknown): void {
  if (!(error instanceof PresenceError) || error.code !== "REDIS_UNAVAILABLE") throw error;
}

export class Recorder {
  readonly journal: Journal;
  readonly #options: RecorderOptions;
  readonly #projector: Projector | undefined;
  readonly #heartbeat: number;
  #incarnations = 1;
  #closing = false;
  #appendedAt = -Infinity;
  #checkedAt: number;
  #failedAt = -Infinity;
  #projectAt = -Infinity;
  #lastId = "0-0";
  #clock = Number.NaN;
  #connections: number | undefined;

  constructor(options: RecorderOptions) {
    const { host, link, ttl, grace, project, prefix, read } = options;
    this.#options = options;
    this.#heartbeat = Math.floor(ttl / 3);
    this.#checkedAt = host.world.now;
    this.journal = new Journal(`${host.name}.1`, {
      ttl,
      about: { host: host.name, pid: 1, version: "0", grace },
    });
    // The server puts its own clock in the place of this one.
    this.#projector = project
      ? projectorOver(link, { prefix, read, name: host.name, now: () => 0 })
      : undefined;
    link.onReconnect = () => {
      this.#appendedAt = -Infinity;
      this.#checkedAt = -Infinity;
      this.#projectAt = -Infinity;
      host.wake();
    };
  }

  get projects(): boolean {
    return this.#projector !== undefined;
  }

  connect(user: string): void {
    this.journal.connect(user);
    this.#options.host.wake();
  }

  disconnect(user: string, fall: Fall): void {
    this.journal.disconnect(user, fall);
    this.#options.host.wake();
  }

  /** The loop goes on until goodbye is said or the host ends. */
  close(): void {
    this.#closing = true;
    this.#options.host.wake();
  }

  get #now(): number {
    return this.#options.host.world.now;
  }

  get #reapFrom(): number {
    return Math.max(this.#failedAt, this.#options.link.reconnectedAt) + HOLD_MS;
  }

  async run(): Promise<void> {
    const { host, connections, random } = this.#options;
    let record: RecordEntry | undefined;
    let failures = 0;
    for (;;) {
      const idle = this.#now - this.#appendedAt;
      if (record === undefined && !this.journal.dirty && idle < this.#heartbeat && !this.#closing) {
        const untilDue = this.#projector === undefined ? LATEST_MS : this.#projectAt - this.#now;
        if (untilDue <= 0) await this.#project();
        else await host.sleep(Math.min(this.#heartbeat - idle, untilDue));
        continue;
      }
      record ??= this.journal.take({ connections: connections(), bye: this.#closing });
      try {
        await this.#append(record);
        failures = 0;
        if (record.bye === true) return;
        record = undefined;
      } catch (error) {
        mustBeRedis(error);
        failures++;
        this.#failedAt = this.#now;
        this.#checkedAt = -Infinity;
        this.#projectAt = -Infinity;
        await host.pause(backoff(failures, random));
      }
    }
  }

  async #append(record: RecordEntry): Promise<void> {
    const { link, server } = this.#options;
    const now = this.#now;
    const news =
      record.operations.length > 0 ||
      record.seq === 1 ||
      record.bye === true ||
      record.replaces !== undefined ||
      record.connections !== this.#connections;
    const projects = this.#projector !== undefined && (news || now >= this.#projectAt);
    const checks = record.seq > 1 && record.bye !== true && now - this.#checkedAt >= this.#heartbeat;
    const step = { reap: now >= this.#reapFrom };
    const request: Part[] = [record];
    if (projects) request.push(this.#projector.command(0, step));
    if (checks) {
      request.push(["HMGET", server.keys.process(record.process), "state", "seq"]);
      request.push(["HMGET", server.keys.totals, "folded", "shards"]);
    }
    const replies = await link.pipeline(request);
    const id = replies[0]!;
    if (id instanceof ReplyError) throw redisError(id);
    this.#lastId = id as string;
    this.#connections = record.connections;
    this.#appendedAt = this.#now;
    if (projects) await this.#settle(replies[1]!, step);
    if (checks) {
      this.#checkedAt = now;
      this.#look(record, replies.at(-2)!, replies.at(-1)!);
    }
  }

  async #settle(reply: Reply | ReplyError, step: { reap: boolean }): Promise<void> {
    try {
      this.#plan(await this.#finish(await this.#projector!.settle(0, reply, step), step));
    } catch (error) {
      mustBeRedis(error);
      this.#cannotProject();
    }
  }

  async #finish(result: StepResult, step: { reap: boolean }): Promise<StepResult> {
    let last = result;
    while (last.more) last = await this.#projector!.step(0, step);
    return last;
  }

  #cannotProject(): void {
    this.#failedAt = this.#now;
    this.#projectAt = this.#now + backoff(10, this.#options.random);
  }

  #plan(result: StepResult): void {
    this.#clock = result.now - this.#now;
    this.#await(result.due, result.held > 0 ? this.#reapFrom - this.#now : 0);
  }

  #await(due: number | null, least: number): void {
    const spread = this.#options.random.next() * SPREAD_MS;
    const wait = due === null ? LATEST_MS : Math.max(due - this.#clock - this.#now, least, 1) + spread;
    this.#projectAt = this.#now + wait;
  }

  async #project(): Promise<void> {
    const { link, server } = this.#options;
    const step = { reap: this.#now >= this.#reapFrom };
    try {
      if (!Number.isNaN(this.#clock) && this.#projectAt !== -Infinity) {
        const reply = await link.call(["HMGET", server.keys.totals, "due", "ran"]);
        const [due, ran] = (reply as (string | null)[]).map((value) => Number(value ?? -1)) as [
          number,
          number,
        ];
        this.#clock = Math.max(this.#clock, ran - this.#now);
        if (due - this.#clock > this.#now) {
          this.#await(due, 0);
          return;
        }
      }
      this.#plan(await this.#finish(await this.#projector!.step(0, step), step));
    } catch (error) {
      mustBeRedis(error);
      this.#cannotProject();
    }
  }

  #look(record: RecordEntry, registration: Reply | ReplyError, totals: Reply | ReplyError): void {
    if (registration instanceof ReplyError || totals instanceof ReplyError) return;
    const [state, seq] = registration as (string | null)[];
    const [folded] = totals as (string | null)[];
    const lost =
      folded !== null &&
      folded !== undefined &&
      !isBefore(folded, this.#lastId) &&
      Number(seq ?? 0) < record.seq;
    if (state !== "fenced" && state !== "ended" && !lost) {
      if (state === "live") this.journal.confirm();
      else this.#projectAt = -Infinity;
      return;
    }
    const { host } = this.#options;
    host.world.note(`${this.journal.process} is ${state ?? "gone"} and registers afresh`);
    this.#incarnations++;
    this.journal.restate(`${host.name}.${this.#incarnations}`);
  }
}
