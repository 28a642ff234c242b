/** The line and the exit code of a Nagios plugin, from figures. */
import { PresenceError } from "../core/errors.ts";
import { lasting } from "./verdict.ts";

export const OK = 0;
export const WARNING = 1;
export const CRITICAL = 2;
export const UNKNOWN = 3;
const NAMES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"] as const;

/** What is measured. */
export interface Figures {
  readonly users: number;
  readonly sockets: number;
  /** With a lease that has not run out. */
  readonly processes: number;
  /** How long work for a projector has waited, ms; of the logs that can be read. */
  readonly lagMs: number;
  /** Why a log cannot be read, where one cannot. */
  readonly unread?: string | undefined;
  /** In the log. */
  readonly records: number;
  /** Entries that were rejected, of all time. */
  readonly rejected: number;
}

export interface Bounds {
  readonly shards: number | undefined;
  readonly warningLag: number;
  readonly criticalLag: number;
  readonly minProcesses: number;
  /** Undefined: no limit. */
  readonly maxRejected: number | undefined;
}

export interface Outcome {
  readonly line: string;
  readonly exit: number;
}

/** Never rejects for a PresenceError: that is an outcome too. */
export async function judge(measure: () => Promise<Figures>, bounds: Bounds): Promise<Outcome> {
  try {
    return outcomeOf(await measure(), bounds);
  } catch (error) {
    if (!(error instanceof PresenceError)) throw error;
    // What Redis does not let us see is not known; a Redis that is away is critical.
    const exit = error.code === "REDIS_UNAVAILABLE" ? CRITICAL : UNKNOWN;
    return { exit, line: `ROLLCALL ${NAMES[exit]} - ${oneLine(error.message)}` };
  }
}

export function outcomeOf(figures: Figures, bounds: Bounds): Outcome {
  const { users, sockets, processes, lagMs, unread, records, rejected } = figures;
  const { warningLag, criticalLag, minProcesses, maxRejected } = bounds;
  const problems: (readonly [exit: number, text: string])[] = [];
  if (processes < minProcesses)
    problems.push([CRITICAL, `${processes} of at least ${minProcesses} processes`]);
  if (lagMs > criticalLag) problems.push([CRITICAL, `work has waited for a projector for ${lasting(lagMs)}`]);
  else if (lagMs > warningLag) problems.push([WARNING, `work has waited for a projector for ${lasting(lagMs)}`]); // prettier-ignore
  if (maxRejected !== undefined && rejected > maxRejected)
    problems.push([WARNING, `${rejected} rejected entries`]);
  if (unread !== undefined) problems.push([UNKNOWN, `the lag is not known ${unread}`]);
  // What is known to be critical stays so, whatever is not known.
  const rank = (one: number) => (one === CRITICAL ? UNKNOWN + 1 : one);
  const worst = problems.toSorted(([a], [b]) => rank(b) - rank(a));
  const exit = worst[0]?.[0] ?? OK;
  const said = [
    ...worst.map(([, text]) => text),
    `${users} users`,
    `${processes} processes`,
    ...(unread === undefined ? [`lag ${lagMs} ms`] : []),
  ];
  const measured = [
    `users=${users};;;0`,
    `sockets=${sockets};;;0`,
    // `n:`: fewer than n are outside.
    `processes=${processes};;${minProcesses}:;0`,
    // `U`: could not be determined.
    `lag_ms=${unread === undefined ? lagMs : "U"};${warningLag};${criticalLag};0`,
    `records=${records};;;0`,
    `rejected=${rejected}c;${maxRejected ?? ""};;0`,
  ];
  return { exit, line: `ROLLCALL ${NAMES[exit]!} - ${said.join(", ")} | ${measured.join(" ")}` };
}

/** A `|` would begin the figures. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "/");
}
