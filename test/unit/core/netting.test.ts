/**
 * Goal: nothing depends on how operations are grouped into records (INV-12): who is present, who is in grace and until when, and
 * the changes, except those that cancel each other within a record, are as if each operation had a record of its own.
 * Method: random histories of three processes, with and without grace, are recorded twice: netted by their journals, and with one
 * record per operation, appended at the same moments. The reference model folds both logs, and must agree with itself after each
 * moment. A failure prints its seed; repeat it with `FUZZ_SEED=<seed> npx vitest run test/unit/core/netting.test.ts`.
 */
import fc from "fast-check";
import { expect, it } from "vitest";
import { emptyProjection, type LogEntry, project, type Projection } from "../../../model/fold.ts";
import { type Departure, Journal } from "../../../src/core/journal.ts";
import { encodeRecord, type RecordEntry } from "../../../src/core/record.ts";

const SEED = Number(globalThis.process.env["FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(globalThis.process.env["FUZZ_RUNS"] ?? 1_000);
const BEGIN = 1_000_000;
/** Longer than a history. */
const TTL = 3_600_000;

const user = fc.constantFrom("a", "b", "c", "");
const process = fc.nat(2);
const event = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("connect" as const), process, user }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom("leave" as const, "disconnect" as const), process, user }) },
  // Graces end meanwhile, or not.
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("append" as const), process, ms: fc.nat(400) }) },
); // prettier-ignore
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/** In any order that two equal lists have in common. */
const sorted = <T>(list: readonly T[]) => list.toSorted((a, b) => (String(a) < String(b) ? -1 : 1));

/** A log and what the model makes of it, call by call. */
class World {
  #state: Projection = emptyProjection();
  #entries = 0;

  /** Appends the records and folds them in one call. Returns what a reader would see, and the changes. */
  append(now: number, records: readonly RecordEntry[]): unknown {
    const log: LogEntry[] = records.map((record) => ({
      id: `${now}-${++this.#entries}`,
      fields: encodeRecord(record),
    }));
    const { state, told, result } = project(this.#state, { now, log, reap: true, budget: 1_000_000 });
    this.#state = state;
    if (result.more || result.fenced + result.rejected + result.skipped > 0)
      throw new Error(`the records were not all folded: ${JSON.stringify(result)}`);
    return {
      users: sorted([...state.users].map(([id, slots]) => [id, sorted([...slots])])),
      leaving: sorted([...state.leaving]),
      sockets: [...state.processes].map(([id, { sockets, anonymous }]) => [id, sockets, anonymous]),
      told: told.map((entry) => sorted([...entry].map(([cause, users]) => [cause, sorted([...users])]))),
    };
  }
}

function check(events: readonly Event[], graces: readonly number[]): void {
  const fresh = () =>
    graces.map((grace, i) => new Journal(`p${i}`, { ttl: TTL, about: { host: "h", pid: 1, version: "0", grace } }));
  const [netting, single] = [fresh(), fresh()];
  const [netted, alone] = [new World(), new World()];
  /** Of each process, the records of its operations since its last append, one each. */
  const waiting = graces.map((): RecordEntry[] => []);
  let now = BEGIN;
  const first = netting.map((journal) => journal.take());
  expect(netted.append(now, first)).toEqual(alone.append(now, single.map((journal) => journal.take())));
  for (const e of events) {
    const [together, apart] = [netting[e.process]!, single[e.process]!];
    if (e.kind === "append") {
      now += e.ms;
      const own = waiting[e.process]!.splice(0);
      expect(netted.append(now, [together.take()])).toEqual(alone.append(now, own));
      continue;
    }
    const done = (journal: Journal) =>
      e.kind === "connect" ? (journal.connect(e.user), true) : journal.disconnect(e.user, e.kind satisfies Departure);
    expect(done(together)).toBe(done(apart));
    if (apart.dirty) waiting[e.process]!.push(apart.take());
  }
} // prettier-ignore

it("INV-12: one record for many operations says what one record for each would, with and without grace", () => {
  const graces = fc.array(fc.constantFrom(0, 0, 300, 700), { minLength: 3, maxLength: 3 });
  fc.assert(
    // Of any length up to that: most histories are otherwise too short to meet a grace of another process.
    fc.property(fc.array(event, { minLength: 2, maxLength: 60, size: "max" }), graces, check),
    { seed: SEED, numRuns: RUNS },
  );
}); // prettier-ignore

it("INV-12: a user who comes and drops within one record ends a grace begun elsewhere, also on a process without grace", () => {
  check(
    [
      { kind: "connect", process: 0, user: "a" },
      { kind: "append", process: 0, ms: 0 },
      { kind: "disconnect", process: 0, user: "a" },
      { kind: "append", process: 0, ms: 0 },
      { kind: "connect", process: 1, user: "a" },
      { kind: "disconnect", process: 1, user: "a" },
      { kind: "append", process: 1, ms: 10 },
    ],
    [5_000, 0, 0],
  );
});
