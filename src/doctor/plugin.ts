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
  /** How long work for a projector has waited, ms. */
  readonly lagMs: number;
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
  const { users, sockets, processes, lagMs, records, rejected } = figures;
  const { warningLag, criticalLag, minProcesses, maxRejected } = bounds;
  const problems: (readonly [exit: number, text: string])[] = [];
  if (processes < minProcesses)
    problems.push([CRITICAL, `${processes} of at least ${minProcesses} processes`]);
  if (lagMs > criticalLag) problems.push([CRITICAL, `work has waited for a projector for ${lasting(lagMs)}`]);
  else if (lagMs > warningLag) problems.push([WARNING, `work has waited for a projector for ${lasting(lagMs)}`]); // prettier-ignore
  if (maxRejected !== undefined && rejected > maxRejected)
    problems.push([WARNING, `${rejected} rejected entries`]);
  const exit = Math.max(OK, ...problems.map(([one]) => one));
  const said = [
    ...problems.toSorted(([a], [b]) => b - a).map(([, text]) => text),
    `${users} users`,
    `${processes} processes`,
    `lag ${lagMs} ms`,
  ];
  const measured = [
    `users=${users};;;0`,
    `sockets=${sockets};;;0`,
    // `n:`: fewer than n are outside.
    `processes=${processes};;${minProcesses}:;0`,
    `lag_ms=${lagMs};${warningLag};${criticalLag};0`,
    `records=${records};;;0`,
    `rejected=${rejected}c;${maxRejected ?? ""};;0`,
  ];
  return { exit, line: `ROLLCALL ${NAMES[exit]!} - ${said.join(", ")} | ${measured.join(" ")}` };
}

/** A `|` would begin the figures. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").replaceAll("|", "/");
}
