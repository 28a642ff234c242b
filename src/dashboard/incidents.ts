/** What the chart marks: a server that went away, and users who went offline because a lease ended. */
import type { Changes, Processes } from "../client/client.ts";

export type Process = Processes["processes"][number];
export type Change = Changes["changes"][number];

export interface Incident {
  /** "crash": a lease ended. "closed": a server said goodbye. */
  readonly kind: "crash" | "closed";
  /** The last sign of life, about; the same as `at` where that is not known. ms, on Redis's clock. */
  readonly from: number;
  /** When it showed. */
  readonly at: number;
  /** The servers it is about; none while only their users are known. */
  readonly processes: readonly string[];
  /** Users who went offline by it. */
  readonly users: number;
}

/** A server that is not there any more. */
export interface Lost extends Pick<Incident, "kind" | "from" | "at"> {
  readonly process: Process;
}

const KEPT = 50;
/** What happens within this time of a crash is its consequence, ms: users are removed a number a call. */
const TOGETHER_MS = 15_000;
/** A lease that had less left than this when its server was gone has run out, ms. */
const RUN_OUT_MS = 1_500;

/** A name for people: host and pid, or the id without its random end. */
export function nameOf({ id, host, pid }: Pick<Process, "id" | "host" | "pid">): string {
  if (host !== null && pid !== null) return `${host}:${pid}`;
  return id.replace(/\.[0-9a-f]{6,}$/, "");
}

const leaseOf = ({ leaseUntil }: Process) => (leaseUntil === null ? 0 : Date.parse(leaseUntil));

/**
 * The incidents after another look at the servers; `lease`: the longest lease that was seen, ms. A look that comes long after the one
 * before may find a lease run out that was given up: then it is a crash all the same, only told late.
 */
export function afterLook(
  incidents: readonly Incident[],
  before: readonly Process[],
  after: readonly Process[],
  now: number,
  lease: number,
): readonly Incident[] {
  return lostBetween(before, after, now, lease).reduce(
    (found, { process, ...lost }) => added(found, { ...lost, processes: [nameOf(process)], users: 0 }),
    incidents,
  );
}

/** The servers that were there and are not any more, as for afterLook(). */
export function lostBetween(
  before: readonly Process[],
  after: readonly Process[],
  now: number,
  lease: number,
): readonly Lost[] {
  const there = new Map(after.map((process) => [process.id, process]));
  const lost: Lost[] = [];
  for (const process of before) {
    if (process.state === "ended" || (there.get(process.id)?.state ?? "ended") !== "ended") continue;
    const until = leaseOf(process);
    const kind = now >= until - RUN_OUT_MS ? "crash" : "closed";
    const at = kind === "crash" ? Math.min(now, Math.max(until, now - TOGETHER_MS)) : now;
    lost.push({ process, kind, from: kind === "crash" ? Math.min(at, until - lease) : now, at });
  }
  return lost;
}

/** The crash that this server was part of. */
export function crashOf(incidents: readonly Incident[], { process, at }: Lost): Incident | undefined {
  const name = nameOf(process);
  return incidents.findLast(
    (one) => one.kind === "crash" && one.processes.includes(name) && Math.abs(one.at - at) < 2 * TOGETHER_MS,
  );
}

/** The incidents after these changes. */
export function afterChanges(
  incidents: readonly Incident[],
  changes: readonly Change[],
): readonly Incident[] {
  const at = new Map<number, number>();
  for (const { cause, at: time } of changes) {
    if (cause !== "reap") continue;
    const ms = Date.parse(time);
    at.set(ms, (at.get(ms) ?? 0) + 1);
  }
  let found = incidents;
  for (const [ms, users] of at)
    found = added(found, { kind: "crash", from: ms, at: ms, processes: [], users });
  return found;
}

/** One more, or part of one that is there. */
function added(incidents: readonly Incident[], one: Incident): readonly Incident[] {
  const i = incidents.findLastIndex(
    ({ kind, at, processes }) =>
      kind === one.kind &&
      Math.abs(at - one.at) < (kind === "crash" ? TOGETHER_MS : 2_000) &&
      !one.processes.some((name) => processes.includes(name)),
  );
  const known = incidents[i];
  if (known === undefined) return [...incidents, one].sort((a, b) => a.at - b.at).slice(-KEPT);
  const merged: Incident = {
    kind: one.kind,
    from: Math.min(known.from, one.from),
    at: Math.min(known.at, one.at),
    processes: [...known.processes, ...one.processes],
    users: known.users + one.users,
  };
  return incidents.map((incident, j) => (j === i ? merged : incident));
}
