/**
 * Lays out the screen of the demo as lines of styled cells, for a window of any size: below 76 columns without what can be left out, from
 * 136 on with the changes in a column of their own.
 */
import colors from "picocolors";
import type { Counted } from "./checks.ts";
import { seconds } from "../../rig/pace.ts";
import type { Told } from "./messages.ts";
import type { EdgeView, NodeView, ReaderView, Snapshot } from "./snapshot.ts";
import { cells, column, cut, printable, wrap } from "./text.ts";

export interface Segment {
  readonly text: string;
  readonly style?: ((text: string) => string) | undefined;
}
/** Contains printable text only. */
export type Line = readonly Segment[];

export interface Heading {
  readonly title: string;
  readonly caption: string;
  /** What the keys do; undefined where none are read. */
  readonly keys: string | undefined;
  /** Commands to query the edge. */
  readonly trial: readonly string[];
  /** ms */
  readonly elapsed: number;
}

const NAME = 9;
/** Below these widths, columns are left out. */
const NORMAL = 76;
const WIDE = 136;
/** Of the left part of a wide window. */
const LEFT = 94;
/** Lines do not get longer than this. */
const COLUMNS_MAX = 180;
/** Rows of the caption, constant, so that the rows below do not move. */
const CAPTION_ROWS = 2;
/** Rows of changes that are shown before any command to try. */
const CHANGES_MIN = 3;
/** Most rows of changes. */
export const CHANGES_MAX = 60;

const dim = colors.dim;
const bold = colors.bold;

export function tableOf(heading: Heading, shot: Snapshot, columns: number, rows: number): Line[] {
  const width = Math.min(columns, COLUMNS_MAX);
  const clock = seconds(heading.elapsed);
  const above: Line[] = [
    [
      { text: ` ${column(heading.title, width - 2 - clock.length)}`, style: bold },
      { text: clock, style: dim },
    ],
    ...captionLines(heading.caption, width),
    [],
  ];
  const keys: Line[] =
    heading.keys === undefined ? [] : [[], [{ text: ` ${heading.keys}`, style: colors.cyan }]];
  const trial: Line[] = [[], ...heading.trial.map((text): Line => [{ text: ` ${text}`, style: dim }])];
  const wide = width >= WIDE;
  const left = wide ? LEFT : width;
  const state = [...figureLines(shot, left), [], ...nodeLines(shot.nodes, left)];

  const spare = rows - above.length - keys.length - state.length - (wide ? 0 : 2);
  const isTried = spare - trial.length >= (wide ? 0 : CHANGES_MIN);
  const below = [...(isTried ? trial : []), ...keys];
  const room = wide
    ? rows - above.length - below.length - 1
    : Math.min(10, spare - (isTried ? trial.length : 0));
  const changes = changeLines(shot.changes, Math.max(0, room));
  const body = wide ? beside(state, changes, left) : [...state, [], ...changes];
  // What cannot be left out comes first when there is no room for all of it.
  return [...above, ...body, ...below].slice(0, Math.max(0, rows)).map((line) => fit(line, width));
}

/** Two blocks side by side. */
function beside(a: readonly Line[], b: readonly Line[], left: number): Line[] {
  return Array.from({ length: Math.max(a.length, b.length) }, (_, i) => {
    const line = fit(a[i] ?? [], left - 2);
    const used = line.reduce((sum, { text }) => sum + cells(text), 0);
    return [...line, { text: " ".repeat(left - used) }, ...(b[i] ?? [])];
  });
}

/** The heading and always the same number of rows, so that the rows below do not move. */
function changeLines(changes: readonly Told[], room: number): Line[] {
  const lines: Line[] = changes
    .slice(0, room)
    .map(({ at, type, user, cause }) => [
      { text: ` ${new Date(at).toTimeString().slice(0, 8)}  `, style: dim },
      { text: column(type, 9), style: type === "online" ? colors.green : colors.yellow },
      { text: `${column(printable(user), 20)} ${printable(cause)}` },
    ]);
  while (lines.length < room) lines.push([]);
  return [[{ text: " last changes", style: dim }], ...lines];
}

function captionLines(caption: string, width: number): Line[] {
  const rows = wrap(printable(caption), width - 3).slice(0, CAPTION_ROWS);
  while (rows.length < CAPTION_ROWS) rows.push("");
  return rows.map((text, i) => [{ text: `${i === 0 ? " ▸ " : "   "}${text}`, style: colors.cyan }]);
}

/** The line cut to a width, in cells. */
function fit(line: Line, width: number): Line {
  let left = width;
  return line.map(({ text, style }) => {
    const kept = cut(text, left);
    left -= cells(kept);
    return { text: kept, style };
  });
}

function figureLines({ clients, reader, edge, nodes }: Snapshot, width: number): Line[] {
  const size = width < NORMAL ? 8 : 12;
  const heads = ["users", "sockets", width < NORMAL ? "conns" : "connections"];
  const note = (...forms: readonly string[]): Segment => {
    const room = width - 1 - NAME - 3 * size - 3;
    // The longest form that fits.
    const text = forms.map(printable).find((form) => cells(form) <= room) ?? "";
    return { text: `   ${text}`, style: dim };
  };
  return [
    [{ text: ` ${column("", NAME)}${heads.map((name) => column(name, size, "right")).join("")}`, style: dim }], // prettier-ignore
    [...figures("clients", clients, clients, true, size), note("the truth, asked of the tabs", "the truth")],
    answer("reader", reader, clients, size, (view) => note(...readerNotes(view, clients, nodes))),
    answer("edge", edge, clients, size, (view) => note(...edgeNotes(view))),
  ];
}

/** Why the figures are not those of the clients, if they are not; else how old they are. Longest first. */
function readerNotes(view: ReaderView, clients: Counted, nodes: readonly NodeView[]): string[] {
  if (view.isStale)
    return [`STALE: ${view.lagRecords} records wait, ${seconds(view.lagMs)}`, `STALE ${seconds(view.lagMs)}`];
  if (view.sockets !== clients.sockets || view.users !== clients.users) {
    const ghost = nodes.find(({ state, counted }) => state === "killed" && counted !== null);
    if (ghost !== undefined)
      return [`with ${ghost.name}'s ${ghost.counted}, until its lease ends`, `with ${ghost.name}'s`];
    return ["changes are on their way", "on their way"];
  }
  const waits = `${view.lagRecords} ${view.lagRecords === 1 ? "record waits" : "records wait"}`;
  return view.lagRecords === 0
    ? ["read now, no record waits", "read now"]
    : [`read now, ${waits}, ${view.lagMs} ms`, waits];
}

function edgeNotes(view: EdgeView): string[] {
  // What the churn changes in this time is no difference that anyone could avoid.
  const age = view.age < 50 ? "read now" : `read ${seconds(view.age)} ago`;
  const live = `${view.processes} live nodes`;
  return [`HTTP, ${age}, ${live}, answered in ${view.ms} ms`, `HTTP, ${age}, ${live}`, age];
}

function answer<View extends Counted & { readonly held: boolean }>(
  name: string,
  view: View | string,
  truth: Counted,
  size: number,
  describe: (view: View) => Segment,
): Line {
  if (typeof view === "string")
    return [{ text: ` ${column(name, NAME)} ` }, { text: printable(view), style: colors.red }];
  return [...figures(name, view, truth, view.held, size), describe(view)];
}

/**
 * Green: as the clients say. Plain: as they said when it was read, or connections, which follow with a heartbeat. Yellow: neither.
 */
function figures(name: string, counts: Counted, truth: Counted, held: boolean, size: number): Segment[] {
  return [
    { text: ` ${column(name, NAME)}` },
    ...(["users", "sockets", "connections"] as const).map((key) => {
      const style =
        counts[key] === truth[key] ? colors.green : held || key === "connections" ? undefined : colors.yellow;
      return { text: column(String(counts[key]), size, "right"), style };
    }),
  ];
}

function nodeLines(nodes: readonly NodeView[], width: number): Line[] {
  const isNarrow = width < NORMAL;
  const process = isNarrow ? "" : column("process", 16);
  const heads = ` ${column("node", NAME)}${column("pid", 9)}${process}${column("state", 10)}${column("sockets", 8, "right")}${column("open", 7, "right")}${column("lease", 9, "right")}`;
  return [
    [{ text: heads, style: dim }],
    ...nodes.map(({ name, pid, id, state, counted, open, lease }): Line => {
      // The end of an id distinguishes incarnations.
      const short = isNarrow ? "" : column(printable(id.slice(id.lastIndexOf(".") + 1)), 16);
      const stateStyle = state === "live" ? colors.green : state === "killed" ? colors.red : colors.yellow;
      return [
        { text: ` ${column(name, NAME)}${column(String(pid), 9)}${short}` },
        { text: column(state, 10), style: stateStyle },
        { text: column(counted === null ? "-" : String(counted), 8, "right"), style: counted === open || counted === null ? undefined : colors.yellow }, // prettier-ignore
        { text: column(String(open), 7, "right") },
        { text: column(lease === null ? "-" : seconds(lease), 9, "right") },
      ];
    }),
  ];
}
