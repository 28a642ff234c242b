/**
 * Goal: what a journal says of sockets by id is bounded, within the limits of a record, and true after every record.
 * Method: pure, records by hand.
 */
import { expect, it } from "vitest";
import { Journal } from "../../../src/core/journal.ts";
import { LIST_BYTES_MAX, OPERATIONS_MAX, SOCKET_SCOPES_MAX } from "../../../src/core/limits.ts";
import { encodeRecord, type RecordEntry } from "../../../src/core/record.ts";

const ABOUT = { host: "web", pid: 1, version: "1", grace: 0, tracks: ["/", "#"] };
const journalOf = (ids = true) => new Journal("p", { ttl: 10_000, about: ABOUT, ids });

function drain(journal: Journal): RecordEntry[] {
  const records: RecordEntry[] = [];
  do records.push(journal.take());
  while (journal.dirty);
  return records;
}

it("says nothing where ids are not kept", () => {
  const journal = journalOf(false);
  expect(journal.opened("s1", "alice", ["/"])).toBe(false);
  expect(journal.gone("s1")).toBe(false);
  expect(encodeRecord(journal.take())).not.toContain("ids");
});

it("says the latest of each socket, once, and only of those that were said that they have gone", () => {
  const journal = journalOf();
  journal.opened("s1", "alice", ["/"]);
  journal.opened("s1", "alice", ["*/", "*/,news"]);
  journal.opened("s2", "", ["/"]);
  journal.gone("s2");
  expect(journal.take()).toMatchObject({ open: [["s1", "alice", "/", "/,news"]], ids: 1 });
  journal.gone("s1");
  journal.opened("s1", "bob", ["/"]);
  expect(journal.take()).toMatchObject({ open: [["s1", "bob", "/"]], ids: 1 });
  journal.gone("s1");
  expect(journal.take()).toMatchObject({ gone: ["s1"], ids: 0 });
  expect(journal.dirty).toBe(false);
  expect(journal.size).toBe(0);
});

it("a socket in many rooms is listed with its namespace and the first of them", () => {
  const journal = journalOf();
  const rooms = (length: number) => Array.from({ length: 500 }, (_, i) => `/,${"x".repeat(length)}${i}`);
  journal.opened("many", "", ["/", ...rooms(1)]);
  journal.opened("long", "", ["/", ...rooms(400)]);
  const { open = [] } = journal.take();
  expect(open[0]).toHaveLength(2 + SOCKET_SCOPES_MAX);
  expect(open[1]).toHaveLength(2 + 1 + 10);
});

it("full records follow each other; the earlier incarnation is replaced when all sockets are stated", () => {
  const journal = journalOf();
  for (let i = 0; i < 2_500; i++) {
    journal.connect(`user ${i}`);
    journal.join("/", `user ${i}`);
    journal.opened(`socket ${i}`, `user ${i}`, ["/", "/,\u0001".padEnd(200, "é")]);
  }
  drain(journal);
  journal.restate("q");
  const records = drain(journal);
  expect(records.at(-1)).toMatchObject({ ids: 2_500, memberships: 2_500, replaces: ["p"] });
  expect(records.filter(({ replaces }) => replaces !== undefined)).toHaveLength(1);
  expect(new Set(records.flatMap(({ open = [] }) => open.map(([id]) => id))).size).toBe(2_500);
  for (const { connect = [], join = [], open = [] } of records) {
    const named = join.reduce((sum, one) => sum + one.length + 1, 0);
    expect(connect.length + named + 2 * open.length).toBeLessThanOrEqual(OPERATIONS_MAX);
    expect(Buffer.byteLength(JSON.stringify(open))).toBeLessThanOrEqual(LIST_BYTES_MAX);
  }
});

it("at the end nothing of sockets has to be said", () => {
  const journal = journalOf();
  journal.opened("s1", "", ["/"]);
  journal.take();
  journal.opened("s1", "", ["/", "/,a"]);
  expect(journal.take({ bye: true })).toMatchObject({ ids: 1, bye: true });
});
