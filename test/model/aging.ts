/** Random histories in which entries fall due, as data: long waits, callers that keep differently, streams that are nearly too long. */
import fc from "fast-check";
import type { Keep } from "../../src/core/keep.ts";
import { type Event, event } from "./events.ts";
import type { Fill } from "./retained.ts";

export type AgingEvent =
  | Event
  | ({ kind: "fill" } & Omit<Fill, "size">)
  | { kind: "call by"; caller: number; reap: boolean; budget: number; check: boolean; drain: boolean };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** How far the clock goes back at most: a log that is further ahead is deleted, and `folded` with it. */
export const BACK_MS = 30_000;

const age = fc.oneof(
  fc.constantFrom(MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 2 * HOUR_MS),
  fc.integer({ min: MINUTE_MS, max: 2 * HOUR_MS }),
);
const sometimes = <T>(value: fc.Arbitrary<T>) => fc.oneof(value, value, fc.constant(undefined));
const keep: fc.Arbitrary<Keep> = fc.record({
  changes: sometimes(age),
  rejected: sometimes(age),
  max: sometimes(fc.oneof(fc.integer({ min: 1_000, max: 1_600 }), fc.constant(1_000), fc.constant(200_000))),
});
/** What the callers of a history keep: two of them at most differ. Undefined: they do not say. */
export const callers: fc.Arbitrary<(Keep | undefined)[]> = fc.array(
  fc.oneof({ weight: 6, arbitrary: keep }, { weight: 1, arbitrary: fc.constant(undefined) }),
  { minLength: 1, maxLength: 2 },
);

const wait = fc.record({
  kind: fc.constant("wait" as const),
  ms: fc.oneof(
    fc.integer({ min: 1, max: 1_500 }),
    fc.integer({ min: 1, max: 3 * MINUTE_MS }),
    fc.constantFrom(MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, 5 * MINUTE_MS, 6 * MINUTE_MS),
    fc.integer({ min: MINUTE_MS, max: 3 * HOUR_MS }),
    fc.constantFrom(-1, -5_000, -BACK_MS),
  ),
});

/** How large the entries of a history are that are there already: so large that a call removes fewer of them, or not. */
export const sizes = fc.constantFrom(1, 1, 1, 1_000);

const fill = fc.record({
  kind: fc.constant("fill" as const),
  stream: fc.constantFrom<Fill["stream"]>("changes", "changes", "moves", "moves", "rejected"),
  count: fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 300 }) },
    { weight: 7, arbitrary: fc.integer({ min: 900, max: 4_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 19_900, max: 25_000 }) },
  ),
  span: fc.constantFrom(0, MINUTE_MS, 5 * MINUTE_MS, HOUR_MS),
});

/** As many as a call can leave. */
const REJECTED_MOST = 1_095;

/** No more than there could be, and not so much that it takes long. */
export function filled({ stream, count, span }: Omit<Fill, "size">, size: number): Fill {
  return {
    stream,
    span,
    size,
    count: Math.min(count, stream === "rejected" ? REJECTED_MOST : size > 1 ? 4_000 : count),
  };
}

/** Leases outlast waits now and then, so that not everybody is gone after each. */
const lasting = event
  .filter(({ kind }) => kind !== "call" && kind !== "wait")
  .map((one): Event => (one.kind === "record" && one.ttl > 300 ? { ...one, ttl: 3_600_000 } : one));

export const aging: fc.Arbitrary<AgingEvent> = fc.oneof(
  { weight: 12, arbitrary: lasting },
  { weight: 3, arbitrary: fill },
  { weight: 8, arbitrary: wait },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("call by" as const),
      caller: fc.nat(1),
      reap: fc.constantFrom(true, true, true, false),
      budget: fc.constantFrom(1_000, 1_000, 300),
      check: fc.constantFrom(true, false, false),
      drain: fc.constantFrom(true, true, false),
    }),
  },
);

const CALM = {
  kind: "record", before: [], after: [], apart: false, goes: "as it", stray: null, ttl: 3_600_000, fate: "once", wild: false, ahead: 0,
  bye: false, replaces: [], later: false, connections: null,
} as const satisfies Partial<AgingEvent>; // prettier-ignore
const CALL = { kind: "call by", caller: 0, reap: true, budget: 1_000, check: false, drain: true } as const;

/** `a` comes, to a told room. */
const comes = (who: number): AgingEvent => ({
  ...CALM,
  after: [{ list: "join", scope: "/,a", user: "a" }],
  replaces: [],
  before: [],
  who,
  operations: [{ op: "connect", user: "a" }],
});
const goes = (who: number): AgingEvent => ({
  ...CALM,
  after: [],
  replaces: [],
  before: [],
  who,
  operations: [{ op: "leave", user: "a" }],
});

/** A user comes to a told room: so there is an entry of `moves`, and more of them can be filled in. */
export const FIRST: readonly AgingEvent[] = [comes(0), CALL];

/** As many changes as there are by default. */
export const MANY: readonly AgingEvent[] = [
  { kind: "fill", stream: "changes", count: 100_150, span: MINUTE_MS },
  { kind: "fill", stream: "moves", count: 100_150, span: MINUTE_MS },
];
/** Of two callers one keeps more than that, and the other as many, by default or as it says. */
export const manyKept: fc.Arbitrary<(Keep | undefined)[]> = fc
  .tuple(
    fc.constantFrom({ max: 100_060 }, { max: 200_000 }),
    fc.constantFrom(undefined, {}, { max: 100_000 }, { max: 100_060 }),
    fc.boolean(),
  )
  .map(([more, other, isFirst]) => (isFirst ? [more, other] : [other, more]));
/** Some more, and a change each by two calls. */
export const visits: fc.Arbitrary<AgingEvent[]> = fc
  .tuple(fc.constantFrom("changes" as const, "moves" as const), fc.integer({ min: 1, max: 250 }), fc.nat(1))
  .map(([stream, count, caller]) => [
    { kind: "fill", stream, count, span: 0 },
    goes(0),
    { ...CALL, caller },
    comes(0),
    { ...CALL, caller: 1 - caller, check: count % 2 === 0 },
  ]);
