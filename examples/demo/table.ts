/** Lays out the screen of the demo as lines of styled cells, for a window of any size. */
import colors from "picocolors";
import type { Counted } from "./checks.ts";
import { seconds } from "../../rig/pace.ts";
import type { NodeView, Snapshot } from "./snapshot.ts";
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
  /** Commands to query the edge. */
  readonly trial: readonly string[];
  /** ms */
  readonly elapsed: number;
}

const NAME = 9;
const FIGURE = 12;
const USER = 28;
/** Rows of the caption, constant, so that the rows below do not move. */
const CAPTION_ROWS = 2;
/** The table does not get wider than this. */
const COLUMNS_MAX = 100;
/** Most rows of changes. */
export const CHANGES_MAX = 10;

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
    [{ text: ` ${column("", NAME)}${["users", "sockets", "connections"].map((name) => column(name, FIGURE, "right")).join("")}`, style: dim }], // prettier-ignore
    [...figures("clients", shot.clients, shot.clients), note("the truth, from the tabs")],
    answer(
      "reader",
      shot.reader,
      shot.clients,
      (view) =>
        `lag ${view.lagRecords} ${view.lagRecords === 1 ? "record" : "records"}, ${view.lagMs} ms, ${view.isStale ? "STALE" : "fresh"}`,
    ),
    answer(
      "edge",
      shot.edge,
      shot.clients,
      (view) => `over HTTP in ${view.ms} ms, ${view.processes} live nodes`,
    ),
    [],
    [{ text: ` ${column("node", NAME)}${column("pid", 9)}${column("process", 16)}${column("state", 10)}${column("sockets", 8, "right")}${column("open", 7, "right")}${column("lease", 9, "right")}`, style: dim }], // prettier-ignore
    ...shot.nodes.map(nodeLine),
    [],
  ];
  const below: Line[] = [[], ...heading.trial.map((text): Line => [{ text: ` ${text}`, style: dim }])];
  const room = Math.max(0, Math.min(CHANGES_MAX, rows - above.length - below.length - 1));
  const changes: Line[] = shot.changes
    .slice(0, room)
    .map(({ at, type, user, cause }) => [
      { text: ` ${new Date(at).toTimeString().slice(0, 8)}  `, style: dim },
      { text: column(type, 9), style: type === "online" ? colors.green : colors.yellow },
      { text: `${column(printable(user), USER)} ${printable(cause)}` },
    ]);
  // Always the same number of rows, so that the rows below do not move.
  while (changes.length < room) changes.push([]);
  return [...above, [{ text: ` last changes`, style: dim }], ...changes, ...below]
    .slice(0, rows)
    .map((line) => fit(line, width));
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

const note = (text: string): Segment => ({ text: `   ${printable(text)}`, style: dim });

function answer<View extends Counted>(
  name: string,
  view: View | string,
  truth: Counted,
  describe: (view: View) => string,
): Line {
  if (typeof view === "string")
    return [{ text: ` ${column(name, NAME)} ` }, { text: printable(view), style: colors.red }];
  return [...figures(name, view, truth), note(describe(view))];
}

/** Figures that equal the truth are green, others yellow. */
function figures(name: string, counts: Counted, truth: Counted): Segment[] {
  const keys = ["users", "sockets", "connections"] as const;
  return [
    { text: ` ${column(name, NAME)}` },
    ...keys.map((key) => ({
      text: column(String(counts[key]), FIGURE, "right"),
      style: counts[key] === truth[key] ? colors.green : colors.yellow,
    })),
  ];
}

function nodeLine({ name, pid, id, state, counted, open, lease }: NodeView): Line {
  // The end of an id distinguishes incarnations.
  const short = id.slice(id.lastIndexOf(".") + 1);
  const stateStyle = state === "live" ? colors.green : state === "killed" ? colors.red : colors.yellow;
  return [
    { text: ` ${column(name, NAME)}${column(String(pid), 9)}${column(printable(short), 16)}` },
    { text: column(state, 10), style: stateStyle },
    { text: column(counted === null ? "-" : String(counted), 8, "right"), style: counted === open || counted === null ? undefined : colors.yellow }, // prettier-ignore
    { text: column(String(open), 7, "right") },
    { text: column(lease === null ? "-" : seconds(lease), 9, "right") },
  ];
}
