/**
 * Goal: the reference model keeps the invariants by itself, in the whole and in scopes (INV-1, INV-4, INV-16), so that a script that
 * agrees with it keeps them too; and what checks them on Redis notices each kind of difference.
 * Method: the random histories of model.test.ts without Redis; after every call all sums are made again. Then single keys of a state
 * that agrees are changed by hand.
 */
import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emptyProjection, type LogEntry, project, type Projection } from "../../model/fold.ts";
import { plainScopes } from "../../model/plain.ts";
import { sumsOfScope } from "../../model/scopes.ts";
import { checkScopes, plainOf, type ScopesRead } from "../../rig/scopes.ts";
import { keysOf } from "../../src/core/keys.ts";
import { SCOPE_UNIT } from "../../src/core/limits.ts";
import { event } from "./events.ts";
import { Fleet } from "./fleet.ts";

const SEED = Number(process.env["MODEL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const RUNS = Number(process.env["MODEL_RUNS"] ?? 200);
/** Longer than the longest lease and the longest grace together, ms. */
const LATER_MS = 7_300_000;

type Moves = ScopesRead["moves"][number][];

/** A state as its keys hold it. */
function keysOfState(state: Projection, moves: Moves): ScopesRead {
  const text = (slots: ReadonlyMap<number, number>) =>
    slots.size === 0 ? "0" : [...slots].map(([slot, n]) => (n === 1 ? `${slot}` : `${slot}*${n}`)).join(",");
  const sum = (counts: ReadonlyMap<string, number>) => [...counts.values()].reduce((all, n) => all + n, 0);
  const lingering = Object.fromEntries(
    [...state.lingering].map(([member, { deadline }]) => [member, deadline]),
  );
  return {
    scores: Object.fromEntries(
      [...state.scopes].map(([scope, members]) => {
        const { users, sockets } = sumsOfScope(members);
        return [scope, users * SCOPE_UNIT + sockets];
      }),
    ),
    hashes: Object.fromEntries(
      [...state.scopes].map(([scope, members]) => [
        scope,
        Object.fromEntries([...members].map(([user, slots]) => [user, text(slots)])),
      ]),
    ),
    memberships: Object.fromEntries(
      [...state.memberships].map(([slot, counts]) => [
        String(slot),
        Object.fromEntries([["", sum(counts)], ...counts].map(([scope, n]) => [scope, String(n)])),
      ]),
    ),
    lingering,
    lingerers: Object.fromEntries(Object.keys(lingering).map((member) => [member, 0])),
    told: [...state.told],
    moves,
    total: String(state.lingering.size),
    moved: moves.at(-1)?.[0] ?? null,
    tracks: state.tracks,
  };
}

/** A history on the model alone. */
class Alone {
  readonly clock = { now: 1_000_000, prefix: "model", keys: keysOf("model", 0, 1) };
  readonly fleet = new Fleet(this.clock);
  state = emptyProjection();
  readonly moves: Moves = [];
  readonly online = new Set<string>();
  #log: LogEntry[] = [];

  call(reap: boolean, budget: number): boolean {
    this.#log.push(...this.fleet.take());
    const outcome = project(this.state, { now: this.clock.now, log: this.#log, reap, budget });
    this.state = outcome.state;
    this.#log = this.#log.slice(outcome.taken);
    for (const entry of outcome.told)
      for (const [cause, users] of entry)
        for (const user of users) {
          deepStrictEqual(this.online.has(user), cause !== "connect");
          if (cause === "connect") this.online.add(user);
          else this.online.delete(user);
        }
    for (const entry of outcome.moved)
      this.moves.push([
        `1-${this.moves.length}`,
        [...entry].flatMap(([scope, causes]) => [scope, JSON.stringify(Object.fromEntries(causes))]),
      ]);
    this.check();
    return outcome.result.more;
  }

  drain(): void {
    while (this.call(true, 1_000));
  }

  check(): void {
    const { users, leases, processes, leaving } = this.state;
    const counted = new Map<number, number>();
    for (const [user, slots] of users) {
      for (const [slot, n] of slots) counted.set(slot, (counted.get(slot) ?? 0) + n);
      deepStrictEqual(leaving.has(user), slots.size === 0);
    }
    for (const [id, { slot, sockets, anonymous }] of processes)
      deepStrictEqual([id, sockets - anonymous], [id, counted.get(slot) ?? 0]);
    deepStrictEqual([...this.online].sort(), [...users.keys()].sort());
    const slots = new Set([...leases.keys()].map((id) => String(processes.get(id)!.slot)));
    const read = keysOfState(this.state, this.moves);
    checkScopes(read, new Set(users.keys()), slots);
    deepStrictEqual(plainOf(read), plainScopes(this.state));
  }
}

it(`INV-1, INV-4, INV-16: the sums of the model agree after every call of ${RUNS} random histories (seed ${SEED})`, () => {
  const met = { lingering: 0, told: 0, untold: 0, moves: 0, shared: 0 };
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 70, size: "max" }), (events) => {
      const alone = new Alone();
      for (const one of events) {
        if (one.kind === "call") alone.call(one.reap, one.budget);
        else if (one.kind !== "regroup") alone.fleet.do(one);
        met.lingering += alone.state.lingering.size;
        met.told += alone.state.told.size;
        met.untold += alone.state.scopes.size - alone.state.told.size;
        for (const members of alone.state.scopes.values())
          for (const slots of members.values()) met.shared += slots.size > 1 ? 1 : 0;
      }
      alone.drain();
      met.moves += alone.moves.length;
      for (let i = 0; i < 2; i++) {
        alone.clock.now += LATER_MS;
        alone.drain();
      }
      const { scopes, lingering, memberships, told, users, leases } = alone.state;
      expect([scopes, lingering, memberships, told, users, leases].map(({ size }) => size)).toEqual([
        0, 0, 0, 0, 0, 0,
      ]);
    }),
    { numRuns: RUNS, seed: SEED },
  );
  // A guard against histories that meet nothing.
  if (RUNS >= 200) for (const n of Object.values(met)) expect(n).toBeGreaterThan(0);
});

describe("what checks scopes notices", () => {
  /** Ann twice and somebody anonymous in two scopes of slot 1, and ben in grace. */
  const good: ScopesRead = {
    scores: { "/": 2 * SCOPE_UNIT + 3, "/,a": SCOPE_UNIT + 1 },
    hashes: { "/": { ann: "1*2", ben: "0", "": "1" }, "/,a": { ann: "1" } },
    memberships: { 1: { "/": "3", "/,a": "1", "": "4" } },
    lingering: { "3:ben/": 5 },
    lingerers: { "3:ben/": 0 },
    told: ["/,a"],
    moves: [["1-1", ["/,a", '{"connect":["ann"]}']]],
    total: "1",
    moved: "1-1",
    tracks: [],
  };
  const check = (change: Partial<ScopesRead>, users = ["ann", "ben"], slots = ["1"]) =>
    checkScopes({ ...good, ...change }, new Set(users), new Set(slots));

  it("nothing where all agrees", () => {
    expect(() => check({})).not.toThrow();
  });

  it.each<[what: string, message: string, change: Partial<ScopesRead>]>([
    ["a score", "the score of /", { scores: { ...good.scores, "/": 2 * SCOPE_UNIT + 2 } }],
    ["a scope without members", "the scopes that have members", { scores: { ...good.scores, "/,b": 1 } }],
    [
      "members of no scope",
      "the scopes that have members",
      { hashes: { ...good.hashes, "/,b": { ann: "1" } } },
    ],
    ["a text that is none", "holds 1*0 for ann", { hashes: { ...good.hashes, "/,a": { ann: "1*0" } } }],
    [
      "an anonymous socket in grace",
      "holds 0 for",
      { hashes: { ...good.hashes, "/,a": { ann: "1", "": "0" } } },
    ],
    [
      "memberships of a process",
      "memberships of processes",
      { memberships: { 1: { "/": "2", "/,a": "1", "": "3" } } },
    ],
    ["their sum", "memberships of processes", { memberships: { 1: { "/": "3", "/,a": "1", "": "3" } } }],
    [
      "memberships that are 0",
      "memberships of processes",
      { memberships: { 1: { ...good.memberships[1], "/,b": "0" } } },
    ],
    ["who lingers without a deadline", "INV-1: lingering", { lingering: {}, lingerers: {} }],
    ["a deadline of nobody", "INV-1: lingering", { lingering: { ...good.lingering, "3:ann/": 5 } }],
    ["a lingerer that cannot be found", "INV-1: lingerers", { lingerers: {} }],
    ["a score of a lingerer", "lingerer 3:ben/", { lingerers: { "3:ben/": 5 } }],
    ["the total", "totals.lingering is 2", { total: "2" }],
    ["no total", "totals.lingering is 0", { total: null }],
    ["a told scope that is none", "/,b is told", { told: ["/,a", "/,b"] }],
    ["the last change", "totals.moved", { moved: "1-0" }],
    ["who came twice", "came to /,a twice", { moves: [...good.moves, ...good.moves] }],
    [
      "who went untold",
      "ben was not told to leave",
      { moves: [["1-1", ["/,a", '{"connect":["ann","ben"]}']]] },
    ],
    ["an anonymous change", "an anonymous socket", { moves: [["1-1", ["/,a", '{"connect":["ann",""]}']]] }],
    [
      "a scope twice in an entry",
      "is in an entry of moves twice",
      { moves: [["1-1", ["/,a", '{"connect":["ann"]}', "/,a", "{}"]]] },
    ],
  ])("%s", (_, message, change) => {
    expect(() => check(change)).toThrow(message);
  });

  it("who lingers without being there, and a slot of nobody", () => {
    expect(() => check({}, ["ann"])).toThrow("INV-16: ben lingers in / and is not in users");
    expect(() => check({}, ["ann", "ben"], [])).toThrow("scopes:1 belongs to no process");
  });
});
