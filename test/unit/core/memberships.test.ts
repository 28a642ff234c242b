/**
 * Goal: the records of a journal say who is in which scope, within the limits of docs/protocol.md ("Scopes"), and nobody is in a
 * scope who is not in the whole. A process that tracks none has the records it would have without scopes.
 * Method: plain cases, and large ones whose records are folded by a small projector. Random histories: memberships-random.test.ts.
 */
import { describe, expect, it } from "vitest";
import { GONE_MAX, Journal } from "../../../src/core/journal.ts";
import { LIST_BYTES_MAX, OPERATIONS_MAX, SCOPE_BYTES_MAX } from "../../../src/core/limits.ts";
import { encodeRecord, LISTS, type RecordEntry, SCOPE_LISTS } from "../../../src/core/record.ts";
import { checkBounds, ScopedProjection } from "./scoped.ts";

const about = { host: "h", pid: 1, version: "0", grace: 5_000, tracks: ["/", "/,*"] };
const journal = (own: object = {}) => new Journal("p1", { ttl: 1_000, about: { ...about, ...own } });

/** One whose first record is taken. */
function started(): Journal {
  const j = journal();
  j.take();
  return j;
}

/** The lists of a record, in the order of the protocol. */
const said = (record: RecordEntry) =>
  [...LISTS, ...SCOPE_LISTS].flatMap((name) => (record[name] === undefined ? [] : [[name, record[name]]]));

function drain(j: Journal, bye = false): RecordEntry[] {
  const records: RecordEntry[] = [];
  do records.push(j.take({ bye }));
  while ((bye ? records.at(-1)!.bye !== true : j.dirty) && records.length < 1_000);
  records.forEach(checkBounds);
  return records;
}

describe("without scopes", () => {
  it("a record has none of their fields, and no membership is taken", () => {
    const j = journal({ tracks: undefined });
    expect(j.join("/", "ann")).toBe(false);
    expect(j.part("/", "ann", "leave")).toBe(false);
    j.connect("ann");
    j.connect("");
    const first = j.take({ connections: 2 });
    expect(encodeRecord(first)).toEqual([
      "process", "p1", "seq", "1", "ttl", "1000", "hello", "h", "pid", "1", "version", "0", "protocol", "2", "grace", "5000",
      "connect", '["ann"]', "anonymous", "1", "sockets", "2", "connections", "2",
    ]); // prettier-ignore
    expect(encodeRecord(j.take({ bye: true }))).toEqual([
      "process", "p1", "seq", "2", "ttl", "1000", "close", '["ann"]', "anonymous", "0", "sockets", "0", "bye", "",
    ]); // prettier-ignore
  });

  it("but tracked, only the check digit is added", () => {
    const [with_, without] = [journal({ tracks: [] }), journal({ tracks: undefined })];
    for (const j of [with_, without]) for (let i = 0; i < 2_500; i++) j.connect(`u${i % 1_700}`);
    for (const j of [with_, without]) for (let i = 0; i < 1_200; i++) j.disconnect(`u${i}`, "leave");
    for (const j of [with_, without]) j.connect("");
    for (const expected of drain2(without)) {
      const { memberships, about: own, ...record } = with_.take();
      expect(memberships).toBe(0);
      expect({ ...record, ...(own && { about: { ...own, tracks: undefined } }) }).toEqual(expected);
    }
  });

  function drain2(j: Journal): RecordEntry[] {
    const records: RecordEntry[] = [];
    while (j.dirty) records.push(j.take());
    return records;
  }
});

describe("a record", () => {
  it("is encoded in the order of the protocol", () => {
    const j = journal({ grace: 0 });
    j.connect("ann");
    j.join("/", "ann");
    expect(encodeRecord(j.take({ connections: 1 }))).toEqual([
      "process", "p1", "seq", "1", "ttl", "1000", "hello", "h", "pid", "1", "version", "0", "protocol", "2",
      "tracks", '["/","/,*"]', "connect", '["ann"]', "sockets", "1", "connections", "1", "join", '[["/","ann"]]', "memberships", "1",
    ]); // prettier-ignore
    j.restate("p2");
    expect(encodeRecord(j.take({ bye: true })).slice(16)).toEqual([
      "connect", '["ann"]', "close", '["ann"]', "sockets", "0", "join", '[["/","ann"]]', "shut", '[["/","ann"]]', "memberships", "0",
      "bye", "", "replaces", '["p1"]',
    ]); // prettier-ignore
    expect(encodeRecord(j.take())).toEqual(["process", "p2", "seq", "2", "ttl", "1000", "sockets", "0", "memberships", "0"]);
  }); // prettier-ignore

  it("nets memberships by user and scope, and puts those of a scope together", () => {
    const j = journal();
    for (const user of ["ann", "ben", "ann", "cat"]) j.connect(user);
    j.join("/chat", "ann");
    j.join("/chat,news", "ben");
    j.join("/chat", "ben");
    j.join("/chat", "ann");
    j.join("/chat", "cat");
    j.part("/chat", "cat", "leave");
    expect(said(j.take())).toEqual([
      ["connect", ["ann", "ann", "ben", "cat"]],
      ["join", [["/chat", "ann", "ann", "ben", "cat"], ["/chat,news", "ben"]]],
      ["part", [["/chat", "cat"]]],
    ]);
    expect(j.dirty).toBe(false);
    j.part("/chat", "ann", "disconnect");
    j.part("/chat", "ben", "leave");
    j.part("/chat", "ann", "leave");
    j.part("/chat,news", "ben", "disconnect");
    expect(j.take()).toMatchObject({
      drop: [["/chat,news", "ben"]],
      part: [["/chat", "ann", "ann", "ben"]],
      memberships: 0,
    });
  }); // prettier-ignore

  it("lists a user whose last membership came and went in both lists, and nothing when one is left", () => {
    const j = started();
    j.connect("ann");
    j.connect("ann");
    j.take();
    j.join("/", "ann");
    j.part("/", "ann", "disconnect");
    expect(said(j.take())).toEqual([["join", [["/", "ann"]]], ["drop", [["/", "ann"]]]]);
    j.join("/", "ann");
    j.take();
    j.join("/", "ann");
    j.part("/", "ann", "leave");
    expect(j.dirty).toBe(false);
    j.part("/", "ann", "leave");
    j.join("/", "ann");
    expect(j.dirty).toBe(false);
  }); // prettier-ignore

  it("has anonymous sockets as the user without a name; those that came and went are not told", () => {
    const j = started();
    j.connect("");
    j.connect("");
    j.join("/", "");
    j.join("/", "");
    expect(j.take()).toMatchObject({ join: [["/", "", ""]], anonymous: 2, memberships: 2 });
    j.part("/", "", "disconnect");
    expect(j.take()).toMatchObject({ drop: [["/", ""]], memberships: 1 });
    j.join("/,x", "");
    j.part("/,x", "", "leave");
    expect(j.dirty).toBe(false);
    expect(j.part("/,x", "", "leave")).toBe(false);
  });

  it("calls a scope as the last join did: the same one with and without a mark", () => {
    const j = started();
    j.connect("ann");
    j.join("/,x", "ann");
    j.join("*/,x", "ann");
    expect(j.take().join).toEqual([["*/,x", "ann", "ann"]]);
    j.join("/,x", "ann");
    expect(j.take().join).toEqual([["/,x", "ann"]]);
    for (const scope of ["*/,x", "/,x", "/,x"]) expect(j.part(scope, "ann", "leave")).toBe(true);
    expect(j.part("/,x", "ann", "leave")).toBe(false);
    expect(j.take()).toMatchObject({ part: [["/,x", "ann", "ann", "ann"]], memberships: 0 });
  });

  it("is full by operations, of which naming a scope takes two", () => {
    const j = started();
    for (let i = 0; i < 400; i++) j.join(`/,${i}`, "");
    expect(j.full).toBe(true);
    expect(drain(j).map(({ join }) => join?.length)).toEqual([333, 67]);
    j.join("/,0", "");
    expect(j.full).toBe(false);
  });

  it.each([
    ["long names", "x".repeat(SCOPE_BYTES_MAX - 7)],
    ["escapes, six bytes for one", "\u0001".repeat(SCOPE_BYTES_MAX - 7)],
    ["quotes and backslashes", '"\\'.repeat((SCOPE_BYTES_MAX - 8) / 2)],
    ["astral characters", "😀".repeat((SCOPE_BYTES_MAX - 8) / 4)],
    ["one of __proto__", "__proto__"],
  ])("is cut by bytes as JSON writes them: %s", (_, room) => {
    const j = journal();
    const users = ["ann", '"\\\n', "😀".repeat(60), "\u0001".repeat(250), "__proto__"];
    for (const user of users) j.connect(user);
    const scopes = Array.from({ length: 300 }, (__, i) => `*/,${room}${String(i).padStart(4, "0")}`);
    for (const scope of scopes) for (const user of users) j.join(scope, user);
    const projection = new ScopedProjection(true);
    const joins = drain(j);
    for (const record of joins) projection.fold(record);
    for (const record of joins.slice(0, -1)) {
      const bytes = Buffer.byteLength(JSON.stringify(record.join)) + 6 * SCOPE_BYTES_MAX + 1_600;
      const operations = record.join!.reduce((sum, { length }) => sum + length + 1, 0);
      expect(bytes > LIST_BYTES_MAX || operations > OPERATIONS_MAX - 3).toBe(true);
    }
    for (const record of drain(j, true)) projection.fold(record);
    for (const scope of scopes) for (const user of users) expect(projection.memberships(scope.slice(1), user)).toBe(0);
  }); // prettier-ignore
});

describe("nobody is in a scope who is not in the whole", () => {
  it.each([
    ["operations", "u"],
    ["bytes of the list of users", "u".repeat(200)],
  ])(
    "users come before their memberships, and go after them, over several records that are full by %s",
    (_, id) => {
      const j = journal();
      const projection = new ScopedProjection(true);
      const all = Array.from({ length: 1_500 }, (__, i) => `${id}${i}`);
      for (const user of all) {
        j.connect(user);
        j.join("/", user);
        j.join(`/,${user.slice(-5)}`, user);
      }
      const coming = drain(j);
      for (const record of coming) projection.fold(record);
      const joins = coming.findIndex(({ join }) => join !== undefined);
      expect(joins).toBeGreaterThan(0);
      expect(coming.slice(joins + 1).every(({ connect }) => connect === undefined)).toBe(true);
      for (const user of all) {
        j.part("/", user, "leave");
        j.part(`/,${user.slice(-5)}`, user, "leave");
        j.disconnect(user, "leave");
      }
      const going = drain(j);
      for (const record of going) projection.fold(record);
      const departs = going.findIndex(({ leave }) => leave !== undefined);
      expect(going.slice(departs + 1).every(({ part }) => part === undefined)).toBe(true);
      expect(going.at(-1)).toMatchObject({ sockets: 0, memberships: 0 });
      expect(j.size).toBe(0);
    },
  );

  it("anonymous sockets go after their memberships too", () => {
    const j = started();
    for (let i = 0; i < 1_500; i++) {
      j.connect("");
      j.join(`/,${i}`, "");
    }
    const coming = drain(j);
    expect(coming[0]!.anonymous).toBe(1_500);
    for (let i = 0; i < 1_500; i++) {
      j.part(`/,${i}`, "", "disconnect");
      j.disconnect("", "disconnect");
    }
    const going = drain(j);
    expect(going.length).toBeGreaterThan(3);
    expect(going.map(({ anonymous }) => anonymous)).toEqual([...going.slice(1).map(() => undefined), 0]);
  });

  it("who came and went and is forgotten in the whole is not told in a scope", () => {
    const j = started();
    const comesAndGoes = (user: string, scope?: string) => {
      j.connect(user);
      if (scope !== undefined) j.join(scope, user);
      if (scope !== undefined) j.part(scope, user, "disconnect");
      j.disconnect(user, "disconnect");
    };
    comesAndGoes("first", "/,x");
    comesAndGoes("second", "/,x");
    for (let i = 0; i < GONE_MAX - 1; i++) comesAndGoes(`u${i}`);
    const records = drain(j);
    expect(records.flatMap(({ join = [] }) => join)).toEqual([["/,x", "second"]]);
    expect(records.flatMap(({ drop = [] }) => drop)).toEqual([["/,x", "second"]]);
    expect(j.size).toBe(0);
  });
});

describe("a new incarnation", () => {
  it("sends all memberships after the users, and replaces the old one with the last record of all", () => {
    const j = journal();
    for (let i = 0; i < 600; i++) {
      j.connect(`u${i}`);
      j.join("/", `u${i}`);
      j.join("*/,x", `u${i}`);
    }
    j.connect("");
    j.join("/", "");
    drain(j);
    j.connect("came");
    j.join("/", "came");
    j.part("/", "came", "leave");
    j.disconnect("came", "leave");
    j.part("/,x", "u3", "leave");
    j.restate("p2");
    expect(j.urgent).toBe(true);
    const projection = new ScopedProjection(true);
    const records = drain(j);
    for (const record of records) projection.fold(record);
    expect(records.map(({ replaces }) => replaces)).toEqual([...records.slice(1).map(() => undefined), ["p1"]]);
    expect(records.at(-1)).toMatchObject({ sockets: 601, memberships: 1_200 });
    expect(records.flatMap(({ part = [] }) => part)).toEqual([["/", "came"]]);
    expect(projection.memberships("/,x", "u3")).toBe(0);
  }); // prettier-ignore
});

describe("a goodbye", () => {
  it("states all memberships before the sockets, over as many records as it takes", () => {
    const j = journal();
    for (let i = 0; i < 700; i++) {
      j.connect(`u${i}`);
      j.join("/", `u${i}`);
      j.join("/", `u${i}`);
    }
    j.connect("");
    j.join("*/,x", "");
    const projection = new ScopedProjection(true);
    for (const record of drain(j)) projection.fold(record);
    const records = drain(j, true);
    for (const record of records) projection.fold(record);
    expect(records.length).toBe(3);
    expect(records.findIndex(({ close }) => close !== undefined)).toBe(1);
    expect(records.flatMap(({ shut = [] }) => shut)).toContainEqual(["*/,x", ""]);
    expect(records.at(-1)).toMatchObject({ bye: true, sockets: 0, anonymous: 0, memberships: 0 });
  });
});

it("a user in 1,000 rooms, and 10,000 rooms of others", () => {
  const j = journal();
  const projection = new ScopedProjection(true);
  j.connect("ann");
  for (let i = 0; i < 1_000; i++) j.join(`/,r${i}`, "ann");
  for (let i = 0; i < 10_000; i++) {
    j.connect(`u${i}`);
    j.join(`/,r${i}`, `u${i}`);
  }
  expect(j.memberships).toBe(11_000);
  for (const record of drain(j)) projection.fold(record);
  expect(projection.memberships("/,r999", "ann")).toBe(1);
  expect(projection.memberships("/,r9999", "u9999")).toBe(1);
  // A room that has one membership pending costs as much as if there were no other.
  j.part("/,r5", "ann", "leave");
  expect(said(j.take())).toEqual([["part", [["/,r5", "ann"]]]]);
});

it("refuses a part without a join before it, and changes nothing", () => {
  const j = started();
  j.connect("ann");
  j.take();
  expect(j.part("/", "ann", "leave")).toBe(false);
  j.join("/", "ann");
  expect(j.part("/,x", "ann", "leave")).toBe(false);
  expect(j.part("/", "ben", "leave")).toBe(false);
  expect(j.part("/", "ann", "leave")).toBe(true);
  expect(j.part("/", "ann", "leave")).toBe(false);
  expect(j.memberships).toBe(0);
});

it("INV-9: keeps at most the memberships open now, those of the last record and the latest gone, however long no record is taken", () => {
  const j = started();
  for (let i = 0; i < 100; i++) j.connect(`u${i}`);
  for (let i = 0; i < 100; i++) j.join("/", `u${i}`);
  drain(j);
  // 100 users, who are in one scope.
  expect(j.size).toBe(201);
  for (let round = 0; round < 500; round++) {
    for (let i = 0; i < 100; i++) j.join(`/,${round}`, `u${i}`);
    for (let i = 0; i < 100; i++) j.part(`/,${round}`, `u${i}`, "disconnect");
    j.join(`/,${round}`, "");
    j.part(`/,${round}`, "", "leave");
  }
  const rooms = GONE_MAX / 100;
  expect(j.size).toBe(201 + GONE_MAX + rooms);
  // The latest are told.
  const joins = drain(j).flatMap(({ join = [] }) => join);
  expect(new Set(joins.map(([scope]) => scope)).size).toBe(rooms);
  expect(joins.at(-1)![0]).toBe("/,499");
  expect(j.size).toBe(201);
}); // prettier-ignore
