/**
 * A shard on a real Redis and the reference model side by side. Both get the same log and the same calls; after every
 * call the projections, the changes and the replies must be equal.
 */
import { deepStrictEqual } from "node:assert/strict";
import { derivedKey, macOf, proofOf } from "../../model/mac.ts";
import { emptyProjection, type LogEntry, type Outcome, project, type Projection } from "../../model/fold.ts";
import { OPERATIONS_MAX } from "../../src/core/limits.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { type Projector, projectorOver } from "../../src/projector/projector.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import { Source } from "./source.ts";
import type { Operation, TestShard } from "../../rig/shard.ts";
import { expectedAdded, expectedSnapshot, readAdded, readSnapshot, resultOf } from "./compare.ts";
import {
  type CrowdEvent,
  type Event,
  type Forging,
  type Mangling,
  PROCESSES,
  type RecordEvent,
} from "./events.ts";

export class World {
  readonly shard: TestShard;
  readonly #read: ReadMode;
  /** Of the callers; the processes sign with the first two in turns. Undefined: nothing is signed. */
  readonly #recordKeys: readonly string[] | undefined;
  readonly #projectors = new Map<number, Projector>();
  readonly #after = { changes: "0-0", rejected: "0-0" };
  readonly #sources: Source[] = [];
  /** What the histories have met: reasons, causes, and the numbers of a result that were not 0. */
  readonly #met: Set<string>;
  #state: Projection = emptyProjection();
  /** In the log, not folded: on Redis and here. */
  #log: LogEntry[] = [];
  #unsent: LogEntry[] = [];
  #ms = 0;
  #ids = 0;
  #incarnations = 0;

  constructor(
    shard: TestShard,
    read: ReadMode,
    met: Set<string> = new Set(),
    recordKeys?: readonly string[],
  ) {
    this.#recordKeys = recordKeys;
    this.shard = shard;
    this.#read = read;
    this.#met = met;
    for (let i = 0; i < PROCESSES; i++)
      this.#sources.push(new Source(`p${this.#incarnations++}`, i % 2 === 0 ? 400 : 0));
  }

  get state(): Projection {
    return this.#state;
  }

  async do(event: Event): Promise<void> {
    switch (event.kind) {
      case "record":
        return this.#record(event);
      case "mangle":
        return this.#mangle(this.#sources[event.who]!, event.at, event.how, event.value);
      case "garbage":
        return this.#appendAsIs(event.fields.slice(0, event.fields.length & ~1));
      case "forge":
        return this.#forge(this.#sources[event.who]!, event);
      case "fresh":
        return this.#fresh(event.who, event.grace, event.restate, event.replaces);
      case "wait":
        this.shard.now += event.ms;
        return;
      case "regroup":
        await this.#send();
        await this.shard.redis.xgroup("DESTROY", this.shard.keys.records, "projector").catch(() => 0);
        return;
      case "call":
        await this.call(event.reap, event.budget);
        return;
      default:
        event satisfies never;
    }
  }

  /** One call of both; throws where they differ. Returns whether there is more to do. */
  async call(reap = true, budget = 1000): Promise<boolean> {
    await this.#send();
    const { shard } = this;
    const result = await this.#projector(budget).step(0, { reap });
    const outcome = project(this.#state, {
      now: shard.now,
      log: this.#log,
      proven: this.#proven,
      reap,
      budget,
    });
    this.#state = outcome.state;
    // A call that finds nothing to do need not note when it was.
    if (outcome.taken === 0) this.#state.ran = Number(await shard.redis.hget(shard.keys.totals, "ran"));
    this.#log = this.#log.slice(outcome.taken);
    const expected = expectedAdded(outcome);
    const [seen, added, left] = await Promise.all([
      readSnapshot(shard.redis, shard.keys),
      readAdded(shard.redis, shard.keys, this.#after),
      shard.redis.xlen(shard.keys.records),
    ]);
    deepStrictEqual(
      { ...seen, ...added, left, result: resultOf(result) },
      {
        ...expectedSnapshot(this.#state),
        changes: expected.changes,
        rejected: expected.rejected,
        left: this.#log.length,
        result: resultOf(outcome.result),
      },
    );
    this.#note(outcome);
    // What the quick path says is due may be an earlier deadline that was renewed since; never a later one. While there is
    // more to do, nobody goes by it.
    const { due } = outcome.result;
    const isRight =
      due === null ? result.due === null || result.due > shard.now : result.due !== null && result.due <= due;
    if (!result.more && !isRight) throw new Error(`due is ${result.due}, not ${due}, at ${shard.now}`);
    return result.more;
  }

  #note({ result, told, setAside, state }: Outcome): void {
    for (const [name, value] of Object.entries(result)) if (Number(value) > 0) this.#met.add(name);
    for (const entry of told) for (const cause of entry.keys()) this.#met.add(`told: ${cause}`);
    for (const { reason } of setAside) this.#met.add(`rejected: ${reason}`);
    for (const { reason } of state.about.values()) {
      if (reason !== undefined) this.#met.add(`fenced: ${reason.replace(/\d.*/, "")}`);
    }
  }

  async drain(budget = 1000): Promise<void> {
    while (await this.call(true, budget));
  }

  /** Many records of one source at once, perhaps with its end or a clock jump. */
  async crowd({ who, from, count, op, after }: CrowdEvent): Promise<void> {
    const source = this.#sources[who]!;
    const operations: Operation[] = [];
    for (let i = from; i < from + count; i++) {
      if (source.count(op, `user-${i}`, false)) operations.push({ op, user: `user-${i}` });
    }
    let recorded = source.sockets - operations.length * (op === "connect" ? 1 : -1);
    for (let first = 0; first === 0 || first < operations.length; first += OPERATIONS_MAX) {
      const some = operations.slice(first, first + OPERATIONS_MAX);
      recorded += some.length * (op === "connect" ? 1 : -1);
      this.#append(source.encode({ operations: some, sockets: recorded }));
    }
    if (after === "bye") this.#append(source.encode({ bye: true, sockets: source.sockets }));
    if (after === "bye" || after === "fresh") this.#fresh(who, source.grace, after === "fresh", true);
    if (after === "reap") this.shard.now += 5000;
    if (after === "grace") this.shard.now += 400;
  }

  /**
   * Drains both, each with its own number of calls: of a large process the script gives back a part a call, which part is
   * not specified. What was told in between has to be the same up to the order, and so has all that is left.
   */
  async drainApart(budget: number): Promise<void> {
    await this.#send();
    const { shard } = this;
    const given = { operations: 0, records: 0, fenced: 0, reaped: 0, givenBack: 0, changes: 0 };
    const wanted = { ...given };
    const names = Object.keys(given) as (keyof typeof given)[];
    for (let more = true; more;) {
      const result = await this.#projector(budget).step(0);
      for (const name of names) given[name] += result[name];
      more = result.more;
    }
    const lines: string[] = [];
    const short = (entry: Record<string, unknown>) =>
      Object.entries(entry).flatMap(([cause, users]) =>
        (users as string[]).map((user) => `${cause} ${user}`),
      );
    for (let more = true; more;) {
      const outcome = project(this.#state, {
        now: shard.now,
        log: this.#log,
        proven: this.#proven,
        reap: true,
        budget,
      });
      this.#state = outcome.state;
      this.#log = this.#log.slice(outcome.taken);
      for (const name of names) wanted[name] += outcome.result[name];
      lines.push(...expectedAdded(outcome).changes.flatMap(short));
      ({ more } = outcome.result);
    }
    const [seen, added] = await Promise.all([
      readSnapshot(shard.redis, shard.keys),
      readAdded(shard.redis, shard.keys, this.#after),
    ]);
    deepStrictEqual(
      { ...seen, given, changes: added.changes.flatMap(short).sort() },
      { ...expectedSnapshot(this.#state), given: wanted, changes: lines.sort() },
    );
  }

  #projector(budget: number): Projector {
    let projector = this.#projectors.get(budget);
    if (projector === undefined) {
      const { redis, prefix } = this.shard;
      projector = projectorOver(
        ioredisPort(redis),
        { prefix, budget, read: this.#read, recordKeys: this.#recordKeys },
        { now: () => this.shard.now },
      );
      this.#projectors.set(budget, projector);
    }
    return projector;
  }

  get #proven() {
    const { prefix, keys } = this.shard;
    return this.#recordKeys && proofOf(this.#recordKeys, prefix, keys.records);
  }

  /** With a `mac`, where keys are used. `key`: that of `#recordKeys`; the processes sign with the first two in turns. */
  #signed(fields: readonly string[], key = this.#recordKeys?.[this.#ids % 2]): string[] {
    const { prefix, keys } = this.shard;
    if (key === undefined) return [...fields];
    return [...fields, "mac", macOf(fields, keys.records, derivedKey(key, prefix))];
  }

  #append(fields: string[], ahead = 0): void {
    this.#appendAsIs(fields.length === 0 ? fields : this.#signed(fields), ahead);
  }

  #appendAsIs(fields: string[], ahead = 0): void {
    if (fields.length === 0) return;
    this.#ms = Math.max(this.#ms, this.shard.now + ahead);
    const entry = { id: `${this.#ms}-${++this.#ids}`, fields };
    this.#log.push(entry);
    this.#unsent.push(entry);
  }

  async #send(): Promise<void> {
    const pipeline = this.shard.redis.pipeline();
    for (const { id, fields } of this.#unsent.splice(0)) {
      pipeline.xadd(this.shard.keys.records, id, ...fields);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }

  #record(event: RecordEvent): void {
    const source = this.#sources[event.who]!;
    const operations = event.operations.filter(({ op, user }) => source.count(op, user, event.wild));
    const before = source.last;
    const fields = source.encode({
      ttl: event.ttl,
      operations,
      replaces: event.replaces.map((n) => `p${n % (this.#incarnations + 1)}`),
      ...(event.bye && { bye: true }),
      sockets: source.sockets + (event.fate === "miscounted" ? 1 : 0),
      ...(event.connections !== null && { connections: event.connections }),
    });
    if (event.later) fields.push("data", "{}", "later", '{"/,news":["a"]}');
    if (event.fate === "again" && before !== null) this.#append(before, event.ahead);
    if (event.fate !== "lost") this.#append(fields, event.ahead);
    if (event.fate === "twice") this.#append(fields, event.ahead);
  }

  /** The record the source would append next, with one thing wrong (or not) about it. */
  #mangle(source: Source, at: number, how: Mangling, value: string): void {
    const user = { op: "connect", user: "a" } as const;
    const fields = source.encode({ operations: [user, user], sockets: source.sockets + 2 });
    // Half the time the source goes on as if it had never been.
    source.seq--;
    const proof = this.#signed(fields);
    const isSigned = this.#recordKeys !== undefined && at % 2 === 0;
    if (isSigned) fields.push(...proof.slice(-2));
    const pair = 2 * (at % (fields.length / 2));
    if (how === "value") fields[pair + 1] = value;
    else if (how === "name") fields[pair] = value;
    else if (how === "drop") fields.splice(pair, 2);
    else if (how === "double") fields.splice(pair, 0, fields[pair]!, fields[pair + 1]!);
    else fields.push(value, fields[pair + 1]!);
    if (isSigned) this.#appendAsIs(fields);
    else this.#append(fields);
  }

  /** What the source would append next, by somebody who has no key. It changes nothing, so without keys it is left out. */
  #forge(source: Source, event: { how: Forging; bye: boolean; replaces: boolean }): void {
    if (this.#recordKeys === undefined) return;
    const { last } = source;
    const fields = source.encode({
      sockets: 0,
      ...(event.bye && { bye: true }),
      ...(event.replaces && { replaces: this.#sources.map(({ id }) => id) }),
    });
    source.seq--;
    source.last = last;
    const { prefix } = this.shard;
    const [key] = this.#recordKeys;
    switch (event.how) {
      case "unsigned":
        return this.#appendAsIs(fields);
      case "other key":
        return this.#appendAsIs(this.#signed(fields, "x".repeat(32)));
      case "other log":
        return this.#appendAsIs([...fields, "mac", macOf(fields, "{x}:records", derivedKey(key!, prefix))]);
      case "last mac":
        return this.#appendAsIs([...fields, ...this.#signed(last ?? []).slice(-2)]);
      case "not last":
        return this.#appendAsIs([...this.#signed(fields), "later", ""]);
      default:
        return event.how satisfies never;
    }
  }

  #fresh(who: number, grace: number, restate: boolean, replaces: boolean): void {
    const before = this.#sources[who]!;
    const source = new Source(`p${this.#incarnations++}`, grace);
    this.#sources[who] = source;
    if (!restate) return;
    const operations = [...before.open].flatMap(([user, open]) =>
      Array.from({ length: Math.min(Math.max(open, 0), 8) }, () => ({ op: "connect", user }) as const),
    );
    let first = 0;
    do {
      const some = operations.slice(first, first + OPERATIONS_MAX);
      first += OPERATIONS_MAX;
      for (const { op, user } of some) source.count(op, user, true);
      this.#append(
        source.encode({
          operations: some,
          sockets: source.sockets,
          ...(replaces && first >= operations.length && { replaces: [before.id] }),
        }),
      );
    } while (first < operations.length);
  }
}
