/**
 * Goal: the records of a journal are what happened, in any order and after any pause (INV-9 for its memory).
 * Method: simple cases, then random histories whose records are replayed and compared with the sockets that are open.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Journal } from "../../../src/core/journal.ts";
import type { RecordEntry } from "../../../src/core/record.ts";

const about = { host: "h", pid: 1, version: "0", grace: 0 };
const journal = () => new Journal("p1", { ttl: 1000, about });
const short = ({ operations }: RecordEntry) => operations.map(({ op, user }) => `${op} ${user}`);

describe("a record", () => {
  it("describes the process once, and has the next number", () => {
    const j = journal();
    expect(j.take()).toEqual({ process: "p1", seq: 1, ttl: 1000, about, operations: [], sockets: 0 });
    expect(j.take({ connections: 3 })).toEqual({
      process: "p1",
      seq: 2,
      ttl: 1000,
      operations: [],
      sockets: 0,
      connections: 3,
    });
  });

  it("holds the net operations since the last record", () => {
    const j = journal();
    j.connect("alice");
    j.connect("bob");
    j.connect("alice");
    j.disconnect("bob", "leave");
    expect(short(j.take())).toEqual(["connect alice", "connect alice"]);
    expect(j.dirty).toBe(false);
    j.disconnect("alice", "disconnect");
    j.disconnect("alice", "leave");
    j.connect("");
    const record = j.take();
    expect(short(record)).toEqual(["leave alice", "leave alice", "connect "]);
    expect(record.sockets).toBe(1);
  });

  it("holds at most 100 operations, even for one user", () => {
    const j = journal();
    for (let i = 0; i < 250; i++) j.connect("alice");
    const sizes = [j.take(), j.take(), j.take()].map((record) => [record.operations.length, record.sockets]);
    expect(sizes).toEqual([
      [100, 100],
      [100, 200],
      [50, 250],
    ]);
    expect(j.dirty).toBe(false);
  });

  it("says bye only when no operation is left", () => {
    const j = journal();
    for (let i = 0; i < 150; i++) j.connect(`u${i}`);
    expect(j.take({ bye: true }).bye).toBeUndefined();
    expect(j.take({ bye: true })).toMatchObject({ bye: true, sockets: 150 });
  });
});

describe("a fresh incarnation", () => {
  it("sends all open sockets, and replaces the old incarnation with the last record of them", () => {
    const j = journal();
    for (let i = 0; i < 150; i++) j.connect(`u${i}`);
    j.take();
    j.disconnect("u3", "leave");
    j.restate("p2");
    const first = j.take();
    expect(first).toMatchObject({ process: "p2", seq: 1, about, sockets: 100 });
    expect(first.replaces).toBeUndefined();
    j.connect("late");
    const second = j.take();
    expect(second).toMatchObject({ seq: 2, replaces: ["p1"], sockets: 150 });
    expect(short(second)).toContain("connect late");
    expect(j.take().replaces).toBeUndefined();
  });

  it("replaces the old incarnation even without open sockets", () => {
    const j = journal();
    j.take();
    j.restate("p2");
    expect(j.dirty).toBe(true);
    expect(j.take()).toMatchObject({ replaces: ["p1"], operations: [] });
    expect(j.dirty).toBe(false);
  });

  it("replaces every incarnation not known to have ended, at most 16", () => {
    const j = journal();
    for (let i = 2; i <= 30; i++) j.restate(`p${i}`);
    expect(j.take().replaces).toEqual(Array.from({ length: 16 }, (_, i) => `p${i + 14}`));
    j.confirm();
    j.restate("last");
    expect(j.take().replaces).toEqual(["p30"]);
  });
});

it("a disconnect without a connect before it is refused", () => {
  expect(() => journal().disconnect("alice", "leave")).toThrow(/without connect/);
});

it("INV-9: memory is bounded by the sockets open now and at the last record, however long no record is taken", () => {
  const j = journal();
  for (let i = 0; i < 100; i++) j.connect(`stays${i}`);
  j.take();
  for (let round = 0; round < 1000; round++) {
    for (let i = 0; i < 50; i++) j.connect(`r${round}-${i}`);
    for (let i = 0; i < 50; i++) j.disconnect(`r${round}-${i}`, "disconnect");
  }
  for (let i = 0; i < 100; i++) j.disconnect(`stays${i}`, "disconnect");
  expect(j.size).toBe(100);
  j.take();
  expect(j.size).toBe(0);
});

it("replaying the records of random histories gives the open sockets, and every check digit agrees", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("connect" as const),
        user: fc.constantFrom("a", "b", "c", "d", ""),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom("leave" as const, "disconnect" as const),
        user: fc.constantFrom("a", "b", "c", "d", ""),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), user: fc.constant("") }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restate" as const), user: fc.constant("") }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const j = journal();
      const open = new Map<string, number>();
      const known = new Map<string, Map<string, number>>();
      let restated = 1;
      const replay = (record: RecordEntry) => {
        const counts = known.get(record.process) ?? new Map<string, number>();
        known.set(record.process, counts);
        for (const { op, user } of record.operations) {
          const n = (counts.get(user) ?? 0) + (op === "connect" ? 1 : -1);
          if (n < 0) throw new Error(`${user} went negative`);
          counts.set(user, n);
        }
        if ([...counts.values()].reduce((a, b) => a + b, 0) !== record.sockets)
          throw new Error("check digit");
        for (const id of record.replaces ?? []) known.delete(id);
      };
      for (const { kind, user } of steps) {
        const n = open.get(user) ?? 0;
        if (kind === "connect") {
          open.set(user, n + 1);
          j.connect(user);
        } else if (kind === "take") replay(j.take());
        else if (kind === "restate") j.restate(`p${++restated}`);
        else if (n > 0) {
          open.set(user, n - 1);
          j.disconnect(user, kind);
        }
      }
      while (j.dirty) replay(j.take());
      const total = new Map<string, number>();
      for (const counts of known.values())
        for (const [user, n] of counts) total.set(user, (total.get(user) ?? 0) + n);
      for (const user of ["a", "b", "c", "d", ""]) expect(total.get(user) ?? 0).toBe(open.get(user) ?? 0);
    }),
    { numRuns: 300 },
  );
});
