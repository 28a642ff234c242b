/**
 * A shard on a real Redis and the reference model side by side. Both get the same log and the same calls; after every
 * call the projections, the changes and the replies must be equal.
 */
import { deepStrictEqual } from "node:assert/strict";
import {
  emptyProjection,
  type LogEntry,
  type MovedEntry,
  type Outcome,
  project,
  type Projection,
} from "../../model/fold.ts";
import { plainHistory } from "../../model/history.ts";
import type { HistoryKept } from "../../src/core/history.ts";
import { type Keep, resolveKeep } from "../../src/core/keep.ts";
import { plainMoves } from "../../model/plain.ts";
import type { ReadMode } from "../../src/projector/options.ts";
import { type Projector, projectorOver } from "../../src/projector/projector.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import type { Command, WritePort } from "../../src/redis/port.ts";
import { readHistory } from "../../rig/history.ts";
import type { TestShard } from "../../rig/shard.ts";
import { expectedAdded, expectedSnapshot, readAdded, readSnapshot, resultOf } from "./compare.ts";
import type { CrowdEvent, Event } from "./events.ts";
import { Fleet } from "./fleet.ts";
import type { Fill, RetainedStreams } from "./retained.ts";

/** How a call is made besides. */
export interface How {
  /** Whether it asks for a level check. */
  readonly check?: boolean;
  /** Undefined: the argument is left empty. Only where retention is compared. */
  readonly keep?: Keep | undefined;
}

/** Of project.lua, behind EVALSHA, the hash, the number of keys and the keys. */
const KEEP_ARGUMENT = 3 + 11 + 8;

export class World {
  readonly shard: TestShard;
  readonly #read: ReadMode;
  readonly #fleet: Fleet;
  readonly #recordKeys: readonly string[] | undefined;
  readonly #history: boolean | HistoryKept;
  readonly #retained: RetainedStreams | undefined;
  readonly #projectors = new Map<string, Projector>();
  readonly #after = { changes: "0-0", moves: "0-0", rejected: "0-0" };
  /** What the histories have met: reasons, causes, and the numbers of a result that were not 0. */
  readonly #met: Set<string>;
  #state: Projection = emptyProjection();
  /** In the log, not folded: on Redis and here. */
  #log: LogEntry[] = [];

  constructor(
    shard: TestShard,
    read: ReadMode,
    met: Set<string> = new Set(),
    recordKeys?: readonly string[],
    history: boolean | HistoryKept = false,
    retained?: RetainedStreams,
  ) {
    this.#retained = retained;
    this.#recordKeys = recordKeys;
    this.#history = history;
    this.shard = shard;
    this.#read = read;
    this.#met = met;
    this.#fleet = new Fleet(shard, recordKeys);
  }

  get state(): Projection {
    return this.#state;
  }

  async do(event: Event): Promise<void> {
    if (event.kind === "call") await this.call(event.reap, event.budget);
    else if (event.kind === "regroup") {
      await this.#send();
      await this.shard.redis.xgroup("DESTROY", this.shard.keys.records, "projector").catch(() => 0);
    } else this.#fleet.do(event);
  }

  /** One call of both; throws where they differ. Returns whether there is more to do. */
  async call(reap = true, budget = 1000, { check = false, keep }: How = {}): Promise<boolean> {
    await this.#send();
    await this.#retained?.stamp();
    const { shard } = this;
    // The quick path may keep a deadline that was renewed since; the next history goes by what was said.
    const said = Number((await shard.redis.hget(shard.keys.totals, "due")) ?? -1);
    this.#state.due = said < 0 ? null : said;
    const { projector, isNew } = this.#projector(budget, keep);
    const result = await projector.step(0, { reap, check });
    const outcome = project(this.#state, {
      now: shard.now,
      log: this.#log,
      proven: this.#fleet.proven,
      reap,
      budget,
      history: this.#history,
    });
    this.#state = outcome.state;
    // A call that finds nothing to do need not note when it was.
    if (outcome.taken === 0) this.#state.ran = Number(await shard.redis.hget(shard.keys.totals, "ran"));
    this.#log = this.#log.slice(outcome.taken);
    const isDrained = !outcome.result.more;
    // What is to be forgotten may be more than one call removes.
    const more = outcome.result.more || (this.#retained !== undefined && result.more);
    const expected = expectedAdded(outcome);
    const [seen, added, left, history] = await Promise.all([
      readSnapshot(shard.redis, shard.keys),
      readAdded(shard.redis, shard.keys, this.#after),
      shard.redis.xlen(shard.keys.records),
      this.#history !== false ? readHistory(shard.redis, shard.keys) : null,
    ]);
    deepStrictEqual(
      { ...seen, ...added, left, history, result: resultOf(result) },
      {
        history: this.#history !== false ? plainHistory(this.#state.history) : null,
        ...expectedSnapshot(this.#state),
        changes: expected.changes,
        moves: expected.moves,
        rejected: expected.rejected,
        left: this.#log.length,
        result: { ...resultOf(outcome.result), more },
      },
    );
    const { changes, rejected, max } = resolveKeep(keep);
    const { due } = outcome.result;
    await this.#retained?.compare({
      now: shard.now,
      keep: { changes, rejected, most: max },
      // The first call of a projector compares everything too.
      check: check || isNew,
      isDrained,
      more: result.more,
      due: due === null ? result.due : undefined,
      tomb: this.#state.ended.size === 0 ? undefined : Math.min(...this.#state.ended.values()),
    });
    this.#note(outcome);
    // What the quick path says is due may be an earlier deadline that was renewed since; never a later one. While there is
    // more to do, nobody goes by it.
    const isRight =
      due === null ? result.due === null || result.due > shard.now : result.due !== null && result.due <= due;
    if (!result.more && !isRight) throw new Error(`due is ${result.due}, not ${due}, at ${shard.now}`);
    return result.more;
  }

  #note({ result, told, moved, setAside, state }: Outcome): void {
    for (const [name, value] of Object.entries(result)) if (Number(value) > 0) this.#met.add(name);
    for (const entry of told) for (const cause of entry.keys()) this.#met.add(`told: ${cause}`);
    for (const entry of moved)
      for (const causes of entry.values())
        for (const cause of causes.keys()) this.#met.add(`told in a scope: ${cause}`);
    if (state.history.minutes.size > 1) this.#met.add("minutes");
    for (const { minutes } of state.history.scopes.values())
      if (Array.from(minutes.values()).some(({ most }) => most.users > 0))
        this.#met.add("minutes of a scope");
    if (state.lingering.size > 0) this.#met.add("somebody lingers");
    for (const { reason } of setAside) this.#met.add(`rejected: ${reason}`);
    for (const { reason } of state.about.values()) {
      if (reason !== undefined) this.#met.add(`fenced: ${reason.replace(/\d.*/, "")}`);
    }
  }

  async drain(budget = 1000, how: How = {}): Promise<void> {
    while (await this.call(true, budget, how));
  }

  async fill(fill: Fill): Promise<void> {
    this.#after[fill.stream] = (await this.#retained?.fill(fill)) ?? this.#after[fill.stream];
  }

  crowd(event: CrowdEvent): void {
    this.#fleet.crowd(event);
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
      const result = await this.#projector(budget).projector.step(0);
      for (const name of names) given[name] += result[name];
      more = result.more;
    }
    const lines: string[] = [];
    const moved: MovedEntry[] = [];
    const short = (entry: Record<string, unknown>) =>
      Object.entries(entry).flatMap(([cause, users]) =>
        (users as string[]).map((user) => `${cause} ${user}`),
      );
    for (let more = true; more;) {
      const outcome = project(this.#state, {
        now: shard.now,
        log: this.#log,
        proven: this.#fleet.proven,
        reap: true,
        budget,
      });
      this.#state = outcome.state;
      this.#log = this.#log.slice(outcome.taken);
      for (const name of names) wanted[name] += outcome.result[name];
      lines.push(...expectedAdded(outcome).changes.flatMap(short));
      moved.push(...outcome.moved);
      ({ more } = outcome.result);
    }
    const [seen, added] = await Promise.all([
      readSnapshot(shard.redis, shard.keys),
      readAdded(shard.redis, shard.keys, this.#after),
    ]);
    deepStrictEqual(
      { ...seen, given, changes: added.changes.flatMap(short).sort(), moves: added.moves },
      { ...expectedSnapshot(this.#state), given: wanted, changes: lines.sort(), moves: plainMoves(moved) },
    );
  }

  #projector(budget: number, keep?: Keep): { projector: Projector; isNew: boolean } {
    const name = JSON.stringify([budget, keep]);
    const known = this.#projectors.get(name);
    if (known !== undefined) return { projector: known, isNew: false };
    const { redis, prefix } = this.shard;
    const port = ioredisPort(redis);
    const isEmpty = this.#retained !== undefined && keep === undefined;
    const projector = projectorOver(
      isEmpty ? withoutKeep(port) : port,
      { prefix, budget, keep, read: this.#read, recordKeys: this.#recordKeys, history: this.#history },
      { now: () => this.shard.now },
    );
    this.#projectors.set(name, projector);
    return { projector, isNew: true };
  }

  async #send(): Promise<void> {
    const pipeline = this.shard.redis.pipeline();
    const entries = this.#fleet.take();
    this.#log.push(...entries);
    for (const { id, fields } of entries) {
      pipeline.xadd(this.shard.keys.records, id, ...fields);
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }
}

/** A caller that does not say how long anything is kept. */
function withoutKeep(port: WritePort): WritePort {
  const calls: WritePort["call"] = (command) =>
    port.call(
      command[0].startsWith("EVAL") ? (command.with(KEEP_ARGUMENT, "") as unknown as Command) : command,
    );
  return { ...port, call: calls };
}
