/**
 * Goal: the records of a journal say what happened, whatever the order and the pauses (INV-9 for its memory), within the
 * limits of docs/protocol.md.
 * Method: plain cases, then random histories whose records are replayed on a user's presence and grace as a projector has
 * them, and compared with the operations taken one by one.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Departure, GONE_MAX, Journal } from "../../../src/core/journal.ts";
import { ID_BYTES_MAX, LIST_BYTES_MAX, OPERATIONS_MAX } from "../../../src/core/limits.ts";
import { LISTS, type ListName, type RecordEntry } from "../../../src/core/record.ts";

const about = { host: "h", pid: 1, version: "0", grace: 0 };
const graceful = { ...about, grace: 5_000 };
const journal = (own = about) => new Journal("p1", { ttl: 1000, about: own });

const operationsOf = (record: RecordEntry) =>
  LISTS.reduce((sum, name) => sum + (record[name]?.length ?? 0), 0);
const short = (record: RecordEntry) =>
  LISTS.flatMap((name) => (record[name] ?? []).map((user) => `${name} ${user}`));

/** Throws unless the record keeps to the bounds of the protocol, as JSON.stringify writes it. */
function checkBounds(record: RecordEntry): void {
  expect(operationsOf(record)).toBeLessThanOrEqual(OPERATIONS_MAX);
  for (const name of LISTS) {
    if (record[name] === undefined) continue;
    expect(record[name].length).toBeGreaterThan(0);
    expect(Buffer.byteLength(JSON.stringify(record[name]))).toBeLessThanOrEqual(LIST_BYTES_MAX);
  }
}

/** Takes records until nothing is left to tell; each within its bounds. */
function drain(j: Journal): RecordEntry[] {
  const records: RecordEntry[] = [];
  while (j.dirty) records.push(j.take());
  records.forEach(checkBounds);
  return records;
}

/** The same until the goodbye. */
function drainBye(j: Journal): RecordEntry[] {
  const records: RecordEntry[] = [];
  do records.push(j.take({ bye: true }));
  while (records.at(-1)!.bye !== true && records.length < 1_000);
  records.forEach(checkBounds);
  return records;
}

/** What a projector makes of records: sockets and grace of each user, and the check digit of each process. */
class Projection {
  readonly #processes = new Map<string, { users: Map<string, number>; anonymous: number; seq: number }>();
  readonly #graced = new Set<string>();
  readonly #grace: boolean;

  constructor(grace: boolean) {
    this.#grace = grace;
  }

  fold(record: RecordEntry): void {
    const known = this.#processes.get(record.process) ?? {
      users: new Map<string, number>(),
      anonymous: 0,
      seq: 0,
    };
    this.#processes.set(record.process, known);
    if (record.seq !== ++known.seq) throw new Error(`seq ${record.seq}, not ${known.seq}`);
    for (const name of LISTS) for (const user of record[name] ?? []) this.step(known.users, name, user);
    known.anonymous = record.anonymous ?? known.anonymous;
    const sum = [...known.users.values()].reduce((a, b) => a + b, 0);
    if (record.sockets !== sum + known.anonymous) throw new Error("check digit");
    for (const id of record.replaces ?? []) this.#processes.delete(id);
  }

  step(users: Map<string, number>, name: ListName, user: string): void {
    const n = (users.get(user) ?? 0) + (name === "connect" ? 1 : -1);
    if (n < 0) throw new Error(`${user} went negative`);
    if (n === 0) users.delete(user);
    else users.set(user, n);
    if (name === "connect") this.#graced.delete(user);
    else if (n === 0) {
      if (this.#grace && name !== "leave") this.#graced.add(user);
      else this.#graced.delete(user);
    }
  }

  /** Another process, which has a grace, started it. */
  grace(user: string): void {
    this.#graced.add(user);
  }

  /** Sockets of a user over all processes. */
  sockets(user: string): number {
    let sum = 0;
    for (const { users } of this.#processes.values()) sum += users.get(user) ?? 0;
    return sum;
  }

  /** `2`, `grace` or `absent`. */
  presence(user: string): string {
    const sockets = this.sockets(user);
    return sockets > 0 ? String(sockets) : this.#graced.has(user) ? "grace" : "absent";
  }

  get anonymous(): number {
    let sum = 0;
    for (const { anonymous } of this.#processes.values()) sum += anonymous;
    return sum;
  }
}

describe("a record", () => {
  it("describes the process once, and has the next number", () => {
    const j = journal();
    expect(j.take()).toEqual({ process: "p1", seq: 1, ttl: 1000, about, sockets: 0 });
    expect(j.take({ connections: 3 })).toEqual({
      process: "p1",
      seq: 2,
      ttl: 1000,
      sockets: 0,
      connections: 3,
    });
    // As before: nothing to say.
    expect(j.take({ connections: 3 })).toEqual({ process: "p1", seq: 3, ttl: 1000, sockets: 0 });
  });

  it("holds the changes since the last one as net counts, departures with the kind of the last", () => {
    const j = journal();
    j.connect("alice");
    j.connect("bob");
    j.connect("alice");
    j.disconnect("bob", "disconnect");
    expect(short(j.take())).toEqual(["connect alice", "connect alice", "connect bob", "disconnect bob"]);
    expect(j.dirty).toBe(false);
    j.disconnect("alice", "disconnect");
    j.disconnect("alice", "leave");
    expect(short(j.take())).toEqual(["leave alice", "leave alice"]);
  });

  it("has the number of anonymous sockets when it has changed", () => {
    const j = journal();
    j.connect("");
    j.connect("");
    expect(j.dirty).toBe(true);
    expect(j.take()).toMatchObject({ anonymous: 2, sockets: 2 });
    expect(j.dirty).toBe(false);
    j.connect("alice");
    expect(j.take().anonymous).toBeUndefined();
    j.disconnect("", "leave");
    j.disconnect("", "leave");
    expect(j.take()).toMatchObject({ anonymous: 0, sockets: 1 });
  });

  it("holds at most 1,000 operations, even of one user", () => {
    const j = journal();
    for (let i = 0; i < 2_500; i++) j.connect("alice");
    expect(drain(j).map((record) => [operationsOf(record), record.sockets])).toEqual([
      [1_000, 1_000],
      [1_000, 2_000],
      [500, 2_500],
    ]);
  });

  it.each([
    ["ids of 256 bytes", "x".repeat(ID_BYTES_MAX - 4)],
    ["escapes, six bytes for one", "\u0001".repeat(ID_BYTES_MAX - 4)],
    ["quotes and backslashes, two for one", '"\\'.repeat((ID_BYTES_MAX - 4) / 2)],
    ["astral characters", "😀".repeat((ID_BYTES_MAX - 4) / 4)],
    ["letters of three bytes", "あ".repeat((ID_BYTES_MAX - 4) / 3)],
    ["one byte each", ""],
  ])("is cut by bytes as JSON writes them: %s", (_, id) => {
    const names = Array.from({ length: 2_000 }, (__, i) => id + String(i).padStart(4, "0"));
    const j = journal(graceful);
    for (const name of names) j.connect(name);
    const connects = drain(j);
    expect(connects.flatMap(({ connect = [] }) => connect)).toEqual(names);
    // Each but the last is full: another id would not fit.
    for (const record of connects.slice(0, -1)) {
      const bytes = Buffer.byteLength(JSON.stringify([...record.connect!, names[0]]));
      expect(bytes > LIST_BYTES_MAX || operationsOf(record) === OPERATIONS_MAX).toBe(true);
    }
    // Came and went: two operations in two lists.
    for (const name of names) j.disconnect(name, "leave");
    drain(j);
    for (const name of names) {
      j.connect(name);
      j.disconnect(name, "leave");
    }
    const gone = drain(j);
    for (const record of gone) expect(record.leave).toEqual(record.connect);
    expect(gone.flatMap(({ leave = [] }) => leave)).toEqual(names);
  });
});

describe("a user who came and went within one record", () => {
  it.each<[Departure, typeof about, string[]]>([
    ["leave", about, ["connect alice", "leave alice"]],
    ["leave", graceful, ["connect alice", "leave alice"]],
    ["disconnect", graceful, ["connect alice", "disconnect alice"]],
    ["disconnect", about, ["connect alice", "disconnect alice"]],
  ])("is listed, since it ends another process's grace: %s with %j", (departure, own, expected) => {
    const j = journal(own);
    j.take();
    j.connect("alice");
    j.disconnect("alice", departure);
    expect(j.dirty).toBe(true);
    expect(short(j.take())).toEqual(expected);
    expect(j.dirty).toBe(false);
  });

  it("is listed by the new incarnation when the old one had to be replaced meanwhile", () => {
    const j = journal();
    j.connect("stays");
    j.connect("leaves");
    j.take();
    j.connect("alice");
    j.disconnect("alice", "leave");
    j.disconnect("leaves", "leave");
    j.restate("p2");
    expect(short(j.take())).toEqual(["connect alice", "connect stays", "leave alice"]);
  });

  it("is not listed when a socket stays", () => {
    const j = journal(graceful);
    j.connect("alice");
    j.take();
    j.connect("alice");
    j.disconnect("alice", "leave");
    expect(j.dirty).toBe(false);
    expect(j.size).toBe(1);
  });

  it("C8: a goodbye after a dropped transport decides, and so does a drop after a goodbye", () => {
    const j = journal(graceful);
    j.connect("alice");
    j.take();
    j.disconnect("alice", "disconnect");
    j.connect("alice");
    j.disconnect("alice", "leave");
    expect(short(j.take())).toEqual(["leave alice"]);
    j.connect("alice");
    j.disconnect("alice", "leave");
    j.connect("alice");
    j.disconnect("alice", "disconnect");
    expect(short(j.take())).toEqual(["connect alice", "disconnect alice"]);
  });

  it(`is forgotten beyond the latest ${GONE_MAX}`, () => {
    const j = journal();
    j.take();
    for (let i = 0; i < GONE_MAX + 500; i++) {
      j.connect(`u${i}`);
      j.disconnect(`u${i}`, "leave");
    }
    expect(j.size).toBe(GONE_MAX);
    // Back again, so no longer the one that went longest ago.
    j.connect("u500");
    j.disconnect("u500", "leave");
    j.connect("late");
    j.disconnect("late", "leave");
    const left = drain(j).flatMap(({ leave = [] }) => leave);
    expect(left.length).toBe(GONE_MAX);
    expect(left).toContain("u500");
    expect(left).not.toContain("u501");
    expect(left).toContain("late");
  });
});

describe("a goodbye", () => {
  it("states the departure of every open socket first", () => {
    const j = journal();
    j.connect("alice");
    j.connect("alice");
    j.connect("");
    j.take();
    j.connect("bob");
    const [last, ...others] = drainBye(j).toReversed();
    expect(others).toEqual([]);
    expect(short(last!)).toEqual(["connect bob", "close alice", "close alice", "close bob"]);
    expect(last).toMatchObject({ bye: true, sockets: 0, anonymous: 0 });
  });

  it("of 25,000 sockets takes the fewest records possible, and is in the last", () => {
    const j = journal();
    for (let i = 0; i < 12_500; i++) {
      j.connect(`u${i}`);
      j.connect(`u${i}`);
    }
    const projection = new Projection(false);
    for (const record of drain(j)) projection.fold(record);
    const records = drainBye(j);
    expect(records.length).toBe(25);
    expect(records.map(({ bye }) => bye)).toEqual([...Array<undefined>(24).fill(undefined), true]);
    for (const record of records) projection.fold(record);
    expect(records.at(-1)!.sockets).toBe(0);
    expect(records.flatMap(({ close = [] }) => close).length).toBe(25_000);
  });

  it("continues under a new id when the process has to register again meanwhile", () => {
    const j = journal();
    for (let i = 0; i < 2_500; i++) j.connect(`u${i}`);
    const projection = new Projection(false);
    for (const record of drain(j)) projection.fold(record);
    projection.fold(j.take({ bye: true }));
    j.restate("p2");
    const records = drainBye(j);
    for (const record of records) projection.fold(record);
    expect(records.find(({ replaces }) => replaces !== undefined)).toMatchObject({ replaces: ["p1"] });
    expect(records.at(-1)).toMatchObject({ process: "p2", bye: true, sockets: 0 });
    for (let i = 0; i < 2_500; i++) expect(projection.sockets(`u${i}`)).toBe(0);
  });
});

describe("a new incarnation", () => {
  it("sends all open sockets, and replaces the old incarnation with the last record of them", () => {
    const j = journal();
    for (let i = 0; i < 1_500; i++) j.connect(`u${i}`);
    j.connect("");
    drain(j);
    j.disconnect("u3", "leave");
    j.restate("p2");
    const first = j.take();
    expect(first).toMatchObject({ process: "p2", seq: 1, about, sockets: 1_001, anonymous: 1 });
    expect(first.replaces).toBeUndefined();
    j.connect("late");
    const second = j.take();
    expect(second).toMatchObject({ seq: 2, replaces: ["p1"], sockets: 1_501 });
    expect(short(second)).toContain("connect late");
    expect(j.take().replaces).toBeUndefined();
  });

  it("replaces the old incarnation even without open sockets", () => {
    const j = journal();
    j.take();
    j.restate("p2");
    expect(j.dirty).toBe(true);
    const record = j.take();
    expect(record).toMatchObject({ replaces: ["p1"] });
    expect(operationsOf(record)).toBe(0);
    expect(j.dirty).toBe(false);
  });

  it("replaces every incarnation not known to have ended, at most 16", () => {
    const j = journal();
    for (let i = 2; i <= 30; i++) j.restate(`p${i}`);
    expect(j.take().replaces).toEqual(Array.from({ length: 16 }, (_, i) => `p${i + 14}`));
    j.confirm(1);
    j.restate("last");
    expect(j.take().replaces).toEqual(["p30"]);
  });

  it("has ended the others only when the record that says so is folded", () => {
    const j = journal();
    for (let i = 0; i < 1_500; i++) j.connect(`u${i}`);
    drain(j);
    j.restate("p2");
    drain(j);
    j.confirm(1);
    j.restate("p3");
    expect(drain(j).at(-1)!.replaces).toEqual(["p1", "p2"]);
    j.confirm(2);
    j.restate("p4");
    expect(drain(j).at(-1)!.replaces).toEqual(["p3"]);
  });
});

it("refuses a disconnect without a connect before it, and changes nothing", () => {
  const j = journal();
  j.take();
  expect(j.disconnect("alice", "leave")).toBe(false);
  expect(j.disconnect("", "leave")).toBe(false);
  j.connect("alice");
  expect(j.disconnect("alice", "leave")).toBe(true);
  expect(j.disconnect("alice", "leave")).toBe(false);
  expect(j.sockets).toBe(0);
});

it("INV-9: keeps at most the sockets open now, those open at the last record and the latest gone, however long no record is taken", () => {
  for (const departure of ["disconnect", "leave"] as const) {
    const j = journal();
    for (let i = 0; i < 100; i++) j.connect(`stays${i}`);
    j.take();
    for (let round = 0; round < 1000; round++) {
      for (let i = 0; i < 50; i++) j.connect(`r${round}-${i}`);
      for (let i = 0; i < 50; i++) j.disconnect(`r${round}-${i}`, departure);
    }
    for (let i = 0; i < 100; i++) j.disconnect(`stays${i}`, "disconnect");
    expect(j.size).toBe(100 + GONE_MAX);
    drain(j);
    expect(j.size).toBe(0);
  }
});

const USERS = ["a", "b", "c", "d"] as const;
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant("connect" as const), user: fc.constantFrom(...USERS, "") }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("leave" as const, "disconnect" as const),
      user: fc.constantFrom(...USERS, ""),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), user: fc.constant("") }) },
);

it.each([0, 5_000])(
  "random histories: whatever the cut into records, presence and grace end as if each operation were told alone (grace %i)",
  (grace) => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.subarray([...USERS]), (steps, inGrace) => {
        const j = journal({ ...about, grace });
        const [netted, single] = [new Projection(grace > 0), new Projection(grace > 0)];
        const open = new Map<string, number>();
        // Who is in grace at the start, from another process: a socket that comes and goes here ends that.
        for (const one of [netted, single]) for (const user of inGrace) one.grace(user);
        for (const { kind, user } of steps) {
          const n = open.get(user) ?? 0;
          if (kind === "take") netted.fold(j.take());
          else if (kind === "connect") {
            j.connect(user);
            if (user !== "") single.step(open, kind, user);
            else open.set("", n + 1);
          } else {
            expect(j.disconnect(user, kind)).toBe(n > 0);
            if (n === 0) continue;
            if (user !== "") single.step(open, kind, user);
            else open.set("", n - 1);
          }
        }
        while (j.dirty) netted.fold(j.take());
        for (const user of USERS) {
          const alone = open.has(user) ? String(open.get(user)) : single.presence(user);
          expect([user, netted.presence(user)]).toEqual([user, alone]);
        }
        expect(netted.anonymous).toBe(open.get("") ?? 0);
      }),
      { numRuns: 500 },
    );
  },
);

it("random histories with new incarnations: the records add up to the open sockets, and every check digit agrees", () => {
  const steps = fc.oneof(
    { weight: 14, arbitrary: step },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restate" as const), user: fc.constant("") }) },
  );
  fc.assert(
    fc.property(fc.array(steps, { maxLength: 400 }), fc.boolean(), (history, closes) => {
      const j = journal(graceful);
      const projection = new Projection(true);
      const open = new Map<string, number>();
      let restated = 1;
      for (const { kind, user } of history) {
        const n = open.get(user) ?? 0;
        if (kind === "connect") {
          open.set(user, n + 1);
          j.connect(user);
        } else if (kind === "take") projection.fold(j.take());
        else if (kind === "restate") j.restate(`p${++restated}`);
        else if (j.disconnect(user, kind)) open.set(user, n - 1);
      }
      if (closes) {
        for (const record of drainBye(j)) projection.fold(record);
        open.clear();
      } else for (const record of drain(j)) projection.fold(record);
      for (const user of USERS) expect(projection.sockets(user)).toBe(open.get(user) ?? 0);
      expect(projection.anonymous).toBe(open.get("") ?? 0);
    }),
    { numRuns: 300 },
  );
});
