/** `rollcall status`. */
import type { Counts, Processes, Subscribers } from "../client/client.ts";
import { pause } from "../time/pause.ts";
import { asking } from "./ask.ts";
import { type Call, EXIT, Interrupted } from "./command.ts";
import { failureOf, told } from "./failure.ts";
import { type Field, Printer, safe } from "./print.ts";
import { openSource } from "./source.ts";
import { span } from "./time.ts";

interface Seen {
  readonly counts: Counts;
  readonly processes: Processes["processes"];
  readonly subscribers: Subscribers["subscribers"];
}

/** Clears the terminal from its top. */
const CLEAR = "\u001B[H\u001B[J";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const ask = asking(call);
  const source = await openSource(call);
  const look = async (): Promise<Seen> => {
    const [counts, { processes }, { subscribers }] = await ask(
      Promise.all([source.counts(), source.processes(), source.subscribers()]),
    );
    return { counts, processes, subscribers };
  };
  const show = (seen: Seen) => {
    if (given.on("json"))
      printer.json({ ...seen.counts, processes: seen.processes, subscribers: seen.subscribers });
    else if (printer.isTerminal) showTables(printer, seen, source.where);
    else showFields(printer, seen);
  };
  try {
    if (!given.on("watch")) {
      const seen = await look();
      show(seen);
      return seen.counts.asOf.stale ? EXIT.no : EXIT.ok;
    }
    for (;;) {
      try {
        const seen = await look();
        if (printer.isTerminal && !given.on("json")) io.stdout.write(CLEAR);
        show(seen);
      } catch (error) {
        const failure = failureOf(error);
        // What waiting does not mend ends it.
        if (failure.code !== EXIT.unreachable) throw error;
        printer.say(told("rollcall status", failure));
      }
      await pause(given.number("interval")!, io.signal);
      if (io.signal.aborted) throw new Interrupted();
    }
  } finally {
    source.close();
  }
}

const STATES = { live: "green", fenced: "yellow", ended: "red" } as const;

function showTables(printer: Printer, { counts, processes, subscribers }: Seen, where: string): void {
  const { users, sockets, connections, asOf } = counts;
  const { lag, stale, projectedAt } = asOf;
  const now = Date.parse(asOf.now);
  const age =
    projectedAt === null
      ? "never projected"
      : `projected ${span(Math.max(0, now - Date.parse(projectedAt)))} ago`;
  // An API may answer anything, also where a number should be.
  const numbers = safe(`users ${users}   sockets ${sockets}   connections ${connections}`);
  printer.line(`${printer.style("bold", numbers)}   ${safe(where)}`);
  const fresh = stale ? printer.style("red", "STALE: no projector runs") : printer.style("green", "fresh");
  printer.line(`${fresh}, ${age}, lag ${safe(String(lag.records))} records, ${span(lag.ms)}`);
  printer.line("");
  const left = (until: string | null): Field => {
    if (until === null) return null;
    const ms = Date.parse(until) - now;
    return ms < 0 ? { text: `-${span(-ms)}`, style: "red" } : span(ms);
  };
  printer.table(
    [
      { title: "PROCESS" },
      { title: "STATE" },
      { title: "SOCKETS", isNumber: true },
      { title: "OPEN", isNumber: true },
      { title: "LEASE", isNumber: true },
      { title: "HOST" },
      { title: "PID", isNumber: true },
      { title: "VERSION" },
    ],
    processes.map(({ id, state, sockets: open, connections: low, leaseUntil, host, pid, version }) => [
      id,
      { text: state, style: STATES[state] },
      open,
      low,
      left(leaseUntil),
      host,
      pid,
      version,
    ]),
  );
  if (subscribers.length === 0) return;
  printer.line("");
  printer.table(
    [
      { title: "SUBSCRIBER" },
      { title: "STATE" },
      { title: "BEHIND", isNumber: true },
      { title: "ATTEMPT", isNumber: true },
      { title: "DEAD", isNumber: true },
    ],
    subscribers.map(({ name, stale: alone, disabled, behind, attempt, deadLetters }) => [
      name,
      disabled !== null
        ? { text: "disabled", style: "red" }
        : alone
          ? { text: "unserved", style: "red" }
          : { text: "served", style: "green" },
      span(behind),
      attempt,
      deadLetters,
    ]),
  );
}

/** A line a fact: what it is about, then its fields. */
function showFields(printer: Printer, { counts, processes, subscribers }: Seen): void {
  const { users, sockets, connections, asOf } = counts;
  const facts = {
    users,
    sockets,
    connections,
    stale: asOf.stale,
    lagRecords: asOf.lag.records,
    lagMs: asOf.lag.ms,
    now: asOf.now,
    projectedAt: asOf.projectedAt,
  };
  for (const [name, value] of Object.entries(facts)) printer.fields([name, value]);
  for (const { id, state, sockets: open, connections: low, leaseUntil, host, pid, version } of processes)
    printer.fields(["process", id, state, open, low, leaseUntil, host, pid, version]);
  for (const { name, stale, disabled, behind, attempt, deadLetters } of subscribers)
    printer.fields(["subscriber", name, stale, disabled, behind, attempt, deadLetters]);
}
