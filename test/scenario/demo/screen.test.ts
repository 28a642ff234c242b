/** Goal: user ids cannot move the cursor, and the table fits into any window. */
import { expect, it } from "vitest";
import type { Told } from "../../../examples/demo/messages.ts";
import type { Snapshot } from "../../../examples/demo/snapshot.ts";
import { tableOf } from "../../../examples/demo/table.ts";
import { cells, column, cut, printable, wrap } from "../../../examples/demo/text.ts";

it.each([
  ["alice", "alice"],
  ["zoë 李雷 😀", "zoë 李雷 😀"],
  ["\u001b[2J\u0007\r\n", "\\u{1b}[2J\\u{7}\\u{d}\\u{a}"],
  ["\u009b31m", "\\u{9b}31m"],
  ["a\u202eb\u2066c\u200bd\ufeff", "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}"],
  ["\u3164\ue000", "\\u{3164}\\u{e000}"],
  ["e\u0301\u0301\u0301\u0301", "e\u0301\u0301\\u{301}\\u{301}"],
  ["\\u{1b}", "\\\\u{1b}"],
])("%j is printed as %s", (id, shown) => {
  expect(printable(id)).toBe(shown);
});

it("the width of a text is counted in cells, not in characters", () => {
  expect(cells("李雷")).toBe(4);
  expect(cells("e\u0301")).toBe(1);
  expect(cut("李雷来了", 5)).toBe("李雷…");
  expect(column("李", 4)).toBe("李  ");
  expect(column("7", 3, "right")).toBe("  7");
  expect(wrap("one two three", 7)).toEqual(["one two", "three"]);
});

const changes = ["\u001b[2J", "李".repeat(80), "bob"].map((user): Told => ({
  user,
  type: "online",
  cause: "connect",
  at: 0,
  id: "1-0",
}));
const snapshot: Snapshot = {
  clients: { users: 3, sockets: 5, connections: 5 },
  reader: {
    users: 3,
    sockets: 6,
    connections: 6,
    age: 3,
    held: false,
    lagRecords: 1,
    lagMs: 2,
    isStale: false,
  },
  edge: "GET /v1/counts failed: \u001b]0;title\u0007",
  nodes: [{ name: "node-a", pid: 1, id: "host-1.abc", state: "live", counted: 6, open: 5, lease: 2000 }],
  changes,
};

it.each([
  [80, 24],
  [60, 24],
  [140, 40],
  [200, 60],
  [40, 10],
  [1, 1],
])("the table fits into %d columns and %d rows, without a control character", (columns, rows) => {
  const heading = {
    title: "Demo",
    caption: "A caption of some words",
    keys: "k kills",
    trial: ["curl"],
    elapsed: 1000,
  };
  const lines = tableOf(heading, snapshot, columns, rows);
  expect(lines.length).toBeLessThanOrEqual(rows);
  for (const line of lines) {
    const text = line.map((segment) => segment.text).join("");
    expect(cells(text)).toBeLessThanOrEqual(columns);
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  }
});

const text = (columns: number, rows: number, shot = snapshot) =>
  tableOf(
    { title: "Demo", caption: "A caption", keys: "k kills", trial: ["curl"], elapsed: 1000 },
    shot,
    columns,
    rows,
  )
    .map((line) => line.map((segment) => segment.text).join(""))
    .join("\n");

it("60 columns have every figure, every state, the causes and the keys", () => {
  const shown = text(60, 24);
  for (const part of ["users", "sockets", "live", "2.0 s", "connect", "k kills", "the truth"])
    expect(shown).toContain(part);
  expect(shown).not.toContain("…\n");
});

it("a wide window has the changes beside the figures", () => {
  const shown = text(140, 24).split("\n");
  expect(shown.find((line) => line.includes("last changes"))).toContain("connections");
  expect(
    text(100, 24)
      .split("\n")
      .find((line) => line.includes("last changes")),
  ).not.toContain("connections");
});

it("figures that are not the clients' say why, and how old they are", () => {
  const reader = {
    users: 3,
    sockets: 5,
    connections: 5,
    age: 1,
    held: true,
    lagRecords: 0,
    lagMs: 0,
    isStale: false,
  };
  const edge = { users: 4, sockets: 6, connections: 6, age: 900, held: true, processes: 1, ms: 3 };
  expect(text(100, 24, { ...snapshot, reader, edge })).toContain("read now, no record waits");
  expect(text(100, 24, { ...snapshot, reader, edge })).toContain("read 0.9 s ago");
  const behind = { ...reader, sockets: 6 };
  expect(text(100, 24, { ...snapshot, reader: behind })).toContain("changes are on their way");
  expect(text(100, 24, { ...snapshot, reader: { ...behind, isStale: true } })).toContain("STALE");
  const nodes = [{ ...snapshot.nodes[0]!, state: "killed", counted: 6 }];
  expect(text(100, 24, { ...snapshot, reader: behind, nodes })).toContain(
    "with node-a's 6, until its lease ends",
  );
});
