/**
 * Random histories as data: what processes append, valid or not, how the clock moves, and when the projector is called.
 * world.ts carries them out.
 */
import fc from "fast-check";
import type { Operation } from "../../rig/shard.ts";
import type { Move } from "./source.ts";

export type Event =
  | RecordEvent
  | { kind: "mangle"; who: number; at: number; how: Mangling; value: string }
  | { kind: "garbage"; fields: string[] }
  | { kind: "forge"; who: number; how: Forging; bye: boolean; replaces: boolean }
  | FreshEvent
  | { kind: "wait"; ms: number }
  | { kind: "regroup" }
  | { kind: "call"; reap: boolean; budget: number };

export interface FreshEvent {
  kind: "fresh";
  who: number;
  grace: number;
  restate: boolean;
  replaces: boolean;
  /** What it asks to be told of scopes; null: it tracks none. */
  tells: readonly string[] | null;
}

export interface RecordEvent {
  kind: "record";
  who: number;
  operations: Operation[];
  /** Memberships that come and go before the operations, and after them. */
  before: Move[];
  after: Move[];
  /** A scope is named again for each user. */
  apart: boolean;
  /** How memberships go with their socket: as it does, or as it should not. */
  goes: "as it" | "drop" | "part";
  /** A membership that goes and may not be there. */
  stray: Move | null;
  ttl: number;
  /** How it reaches the log: also twice, never, after the one before it was sent again, with a wrong check digit. */
  fate: "once" | "twice" | "lost" | "again" | "miscounted" | "miscounted in scopes";
  /** Take users' sockets away whether they have any or not. */
  wild: boolean;
  /** How far its id is ahead of the clock, ms. */
  ahead: number;
  bye: boolean;
  replaces: number[];
  /** Fields that a later version may add. */
  later: boolean;
  connections: number | null;
}

/** How somebody who has no key tries to name a process, in a world with keys: without a `mac`, or with that of something else. */
export type Forging = "unsigned" | "other key" | "other log" | "last mac" | "not last";

export type Mangling = "value" | "name" | "drop" | "double" | "append";

/** At most three processes at a time, so that they meet in users and in one another's way. */
export const PROCESSES = 3;

const who = fc.nat(PROCESSES - 1);
const user = fc.constantFrom("a", "b", "c", "d", "e", "", "", "__proto__", "1e5", "é", "😀", "state", "seq");
const operation = fc.record({
  op: fc.constantFrom(
    "connect" as const,
    "connect" as const,
    "connect" as const,
    "disconnect" as const,
    "leave" as const,
    "close" as const,
  ),
  user,
});
/** A namespace, rooms with a comma, without a name, and with other bytes than characters. */
export const SCOPES = ["/", "/,a", "/,b,c", "/chat,", "/é,😀"];
/** What most processes ask to be told, and what some do. */
export const TELLS = [["/,a", "/chat,"], ["/,a", "/chat,", "/,b,c"], null];
const scope = fc.constantFrom(...SCOPES);
const move = fc.record({
  list: fc.constantFrom("join" as const, "join" as const, "join" as const, "drop" as const, "part" as const, "shut" as const),
  scope,
  user,
}); // prettier-ignore
const rarely = fc.integer({ min: 0, max: 19 }).map((n) => n === 0);

const record: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant("record" as const),
  who,
  operations: fc.oneof(
    { weight: 12, arbitrary: fc.array(operation, { maxLength: 6 }) },
    { weight: 1, arbitrary: fc.array(operation, { minLength: 60, maxLength: 140 }) },
  ),
  before: fc.array(move, { maxLength: 5 }),
  after: fc.array(move, { maxLength: 5 }),
  apart: fc.boolean(),
  goes: fc.constantFrom("as it", "as it", "as it", "as it", "drop", "part"),
  stray: fc.oneof(
    { weight: 19, arbitrary: fc.constant(null) },
    {
      weight: 1,
      arbitrary: fc.record({
        list: fc.constantFrom("drop" as const, "part" as const, "shut" as const),
        scope,
        user,
      }),
    },
  ),
  ttl: fc.constantFrom(1, 300, 1000, 1000, 5000),
  fate: fc.constantFrom("once", "once", "once", "once", "once", "once", "once", "once", "once", "once", "twice", "twice", "lost", "again", "miscounted", "miscounted in scopes"), // prettier-ignore
  wild: rarely,
  ahead: fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 400, 20_000),
  bye: rarely,
  replaces: fc.oneof(
    { weight: 15, arbitrary: fc.constant<number[]>([]) },
    { weight: 1, arbitrary: fc.array(fc.nat(8), { minLength: 1, maxLength: 4 }) },
    { weight: 1, arbitrary: fc.array(fc.nat(20), { minLength: 15, maxLength: 18 }) },
  ),
  later: rarely,
  connections: fc.oneof(fc.constant(null), fc.nat(5)),
});

/** What a field may wrongly hold: nearly numbers, names of other fields, too much. */
const value = fc.constantFrom("", "-1", "-0", "0", "[]", "{}", "[1]", '["a"]', '["a","a"]', '["a"', '[""]', "[null]", '[["a"]]', '["\\ud800"]', '{"1":"a"}', '["é","😀"]', "1", "2", "7", "01", "1.5", "1e3", "0x10", " 7", "nan", "inf", "3600000", "3600001", "999999999999999", "1000000000000000", "*", "/", '[["/"]]', '[["/","a"]]', '[["*/,a","a"]]', '[["/",""]]', '[["a","a"]]', '[["/",1]]', '[["/","\\ud800"]]', `[["/${"x".repeat(512)}","a"]]`, "x".repeat(257), "é".repeat(129), "scope", "sockets", "connect", "leave", "bye", "replaces", "grace", "hello", "connections", "p1", "y".repeat(50)); // prettier-ignore

const NAMES = ["process", "seq", "ttl", "hello", "protocol", "grace", "connect", "disconnect", "leave", "close", "anonymous", "bye", "replaces", "sockets", "connections", "join", "drop", "part", "shut", "memberships", "tracks", "other"]; // prettier-ignore

export const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 24, arbitrary: record },
  { weight: 3, arbitrary: fc.record({
    kind: fc.constant("mangle" as const), who, at: fc.nat(12), value,
    how: fc.constantFrom("value" as const, "value" as const, "name" as const, "drop" as const, "double" as const, "append" as const),
  }) },
  { weight: 1, arbitrary: fc.record({
    kind: fc.constant("garbage" as const),
    fields: fc.array(fc.oneof(fc.constantFrom(...NAMES), value), { minLength: 2, maxLength: 20 }),
  }) },
  { weight: 3, arbitrary: fc.record({
    kind: fc.constant("forge" as const), who, bye: fc.boolean(), replaces: fc.boolean(),
    how: fc.constantFrom("unsigned" as const, "other key" as const, "other log" as const, "last mac" as const, "not last" as const),
  }) },
  { weight: 3, arbitrary: fc.record({
    kind: fc.constant("fresh" as const), who, grace: fc.constantFrom(0, 400, 2000), restate: fc.boolean(), replaces: fc.boolean(),
    tells: fc.constantFrom(...TELLS),
  }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.oneof(fc.integer({ min: 1, max: 1200 }), fc.constant(6000), fc.constantFrom(-1, -700, -5000)) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("regroup" as const) }) },
  { weight: 9, arbitrary: fc.record({
    kind: fc.constant("call" as const), reap: fc.constantFrom(true, true, true, false), budget: fc.constantFrom(1000, 1000, 300, 100),
  }) },
); // prettier-ignore

/** What many users of one process do at once; more than a hash holds that HSCAN answers whole. */
export interface CrowdEvent {
  who: number;
  from: number;
  count: number;
  op: Operation["op"];
  after: "nothing" | "bye" | "fresh" | "reap" | "grace";
}

export const crowd: fc.Arbitrary<CrowdEvent> = fc.record({
  who,
  from: fc.integer({ min: 0, max: 300 }),
  count: fc.integer({ min: 1, max: 400 }),
  op: fc.constantFrom(
    "connect" as const,
    "connect" as const,
    "disconnect" as const,
    "leave" as const,
    "close" as const,
  ),
  after: fc.constantFrom("nothing" as const, "nothing" as const, "bye" as const, "fresh" as const, "reap" as const, "grace" as const), // prettier-ignore
});
