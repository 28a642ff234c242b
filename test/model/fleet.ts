/** The processes of a history and the log that they write, as data: for a real Redis and the model, or for the model alone. */
import type { LogEntry } from "../../model/fold.ts";
import { derivedKey, macOf, proofOf } from "../../model/mac.ts";
import type { Operation } from "../../rig/shard.ts";
import type { ShardKeys } from "../../src/core/keys.ts";
import { OPERATIONS_MAX } from "../../src/core/limits.ts";
import {
  type CrowdEvent,
  type Event,
  type Forging,
  type FreshEvent,
  type Mangling,
  PROCESSES,
  type RecordEvent,
  TELLS,
} from "./events.ts";
import { type Move, Source } from "./source.ts";

/** Sockets of a user that a process restates, at most: histories that go wrong may have counted any number. */
const SOCKETS_RESTATED = 8;
/** Users of all lists of a record, so that few scopes can be named besides. */
const TOGETHER_MAX = 900;
/** Memberships of a record whose scopes are named for each, so that it is no larger than it may be. */
const APART_MAX = 100;
/** Where every second user of a crowd is. */
const CROWDED = ["/", "/,a"];

/** A shard's clock, and the keys that signatures depend on: TestShard is one. */
export interface Clock {
  now: number;
  readonly prefix: string;
  readonly keys: ShardKeys;
}

export class Fleet {
  readonly clock: Clock;
  /** Of the callers; the processes sign with the first two in turns. Undefined: nothing is signed. */
  readonly #recordKeys: readonly string[] | undefined;
  readonly #sources: Source[] = [];
  #log: LogEntry[] = [];
  #ms = 0;
  #ids = 0;
  #incarnations = 0;

  constructor(clock: Clock, recordKeys?: readonly string[]) {
    this.clock = clock;
    this.#recordKeys = recordKeys;
    for (let i = 0; i < PROCESSES; i++)
      this.#sources.push(new Source(`p${this.#incarnations++}`, i % 2 === 0 ? 400 : 0, TELLS[i]!));
  }

  /** What has been appended since the last time. */
  take(): LogEntry[] {
    return this.#log.splice(0);
  }

  do(event: Exclude<Event, { kind: "call" | "regroup" }>): void {
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
        return this.#fresh(event);
      case "wait":
        this.clock.now += event.ms;
        return;
      default:
        event satisfies never;
    }
  }

  get proven() {
    const { prefix, keys } = this.clock;
    return this.#recordKeys && proofOf(this.#recordKeys, prefix, keys.records);
  }

  /** With a `mac`, where keys are used. `key`: that of `#recordKeys`; the processes sign with the first two in turns. */
  #signed(fields: readonly string[], key = this.#recordKeys?.[this.#ids % 2]): string[] {
    const { prefix, keys } = this.clock;
    if (key === undefined) return [...fields];
    return [...fields, "mac", macOf(fields, keys.records, derivedKey(key, prefix))];
  }

  #append(fields: string[], ahead = 0): void {
    this.#appendAsIs(fields.length === 0 ? fields : this.#signed(fields), ahead);
  }

  #appendAsIs(fields: string[], ahead = 0): void {
    if (fields.length === 0) return;
    this.#ms = Math.max(this.#ms, this.clock.now + ahead);
    const entry = { id: `${this.#ms}-${++this.#ids}`, fields };
    this.#log.push(entry);
  }

  /** Many records of one source at once, perhaps with its end or a clock jump. */
  crowd({ who, from, count, op, after }: CrowdEvent): void {
    const source = this.#sources[who]!;
    const operations: Operation[] = [];
    const moves: Move[] = [];
    for (let i = from; i < from + count; i++) {
      const one = `user-${i}`;
      if (!source.count(op, one, false)) continue;
      operations.push({ op, user: one });
      if (op !== "connect") moves.push(...source.goneWith(op, one));
      const joins = CROWDED.map((scope) => ({ list: "join" as const, scope, user: one }));
      if (op === "connect" && i % 2 === 0) moves.push(...joins.filter((move) => source.move(move)));
    }
    this.#append(source.encode({ operations, moves, sockets: source.sockets }));
    if (after === "bye") this.#append(source.encode({ bye: true, sockets: source.sockets }));
    if (after === "bye" || after === "fresh")
      this.#fresh({
        who,
        grace: source.grace,
        tells: source.tells,
        restate: after === "fresh",
        replaces: true,
      });
    if (after === "reap") this.clock.now += 5000;
    if (after === "grace") this.clock.now += 400;
  }

  #record(event: RecordEvent): void {
    const source = this.#sources[event.who]!;
    const moves = event.before.filter((move) => source.move(move));
    const operations = event.operations.filter(({ op, user }) => {
      if (!source.count(op, user, event.wild)) return false;
      const list = event.goes === "as it" ? undefined : event.goes;
      if (op !== "connect") moves.push(...source.goneWith(op, user, list));
      return true;
    });
    moves.push(...event.after.filter((move) => source.move(move)));
    // Of a membership that is there, the process does not know that it has gone.
    if (event.stray !== null) moves.push(event.stray);
    const before = source.last;
    const strays = event.stray === null ? 0 : 1;
    const fields = source.encode({
      ttl: event.ttl,
      operations,
      moves,
      apart: event.apart && moves.length < APART_MAX,
      memberships: source.memberships - strays + (event.fate === "miscounted in scopes" ? 1 : 0),
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
    const fields = source.encode({
      operations: [user, user],
      sockets: source.sockets + 2,
      moves: [{ list: "join", scope: "/,a", user: "a" }],
      memberships: source.memberships + 1,
    });
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
    const { prefix } = this.clock;
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

  #fresh({ who, grace, tells, restate, replaces }: Omit<FreshEvent, "kind">): void {
    const before = this.#sources[who]!;
    const source = new Source(`p${this.#incarnations++}`, grace, tells);
    this.#sources[who] = source;
    if (!restate) return;
    const operations: Operation[] = [];
    for (const [user, open] of before.open)
      for (let i = 0; i < Math.min(open, SOCKETS_RESTATED); i++) operations.push({ op: "connect", user });
    for (const { op, user } of operations) source.count(op, user, true);
    const moves: Move[] = [];
    for (const [scope, users] of before.rooms)
      for (const [user, n] of users)
        for (let i = 0; i < n; i++) {
          const move = { list: "join", scope, user } as const;
          if (source.move(move)) moves.push(move);
        }
    const parts: { operations: Operation[]; moves: Move[] }[] = [];
    if (operations.length + moves.length <= TOGETHER_MAX) parts.push({ operations, moves });
    else {
      for (let i = 0; i < operations.length; i += OPERATIONS_MAX)
        parts.push({ operations: operations.slice(i, i + OPERATIONS_MAX), moves: [] });
      for (let i = 0; i < moves.length; i += TOGETHER_MAX)
        parts.push({ operations: [], moves: moves.slice(i, i + TOGETHER_MAX) });
    }
    let [sockets, memberships] = [0, 0];
    parts.forEach((part, i) => {
      sockets += part.operations.length;
      memberships += part.moves.length;
      const isLast = i === parts.length - 1;
      this.#append(
        source.encode({
          ...part,
          sockets,
          memberships,
          ...(replaces && isLast && { replaces: [before.id] }),
        }),
      );
    });
  }
}
