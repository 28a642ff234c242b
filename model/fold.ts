/**
 * The reference model of the projector: what the projection must be after any sequence of calls. docs/protocol.md as code,
 * for tests and for who writes another projector. Pure: no clock, no I/O, and nothing of how src/lua/project.lua does it:
 * it applies one record at a time to whole maps and adds everything up afresh, where the script keeps net deltas.
 */
import { ID_BYTES_MAX, OPERATIONS_MAX } from "../src/core/limits.ts";
import { foldRecord } from "./fold/apply.ts";
import { cut, parseRecord } from "./fold/parse.ts";
import { endGrace, reap } from "./fold/reap.ts";
import { copyOf, type Projection } from "./fold/state.ts";
import {
  type Call,
  type Fall,
  type LogEntry,
  recount,
  type SetAside,
  type Step,
  type ToldEntry,
} from "./fold/step.ts";

export type { Call, LogEntry, Projection, SetAside, ToldEntry };
export { emptyProjection, sumsOf } from "./fold/state.ts";

/** What the call did; the names are those of StepResult in src/projector/projector.ts. */
export interface CallResult {
  readonly due: number | null;
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly operations: number;
  readonly skipped: number;
  readonly fenced: number;
  readonly rejected: number;
  readonly reaped: number;
  readonly givenBack: number;
  readonly changes: number;
  readonly held: number;
  readonly left: number;
  readonly waits: boolean;
}

export interface Outcome {
  readonly state: Projection;
  readonly result: CallResult;
  /** How many entries were taken off the log. */
  readonly taken: number;
  readonly told: readonly ToldEntry[];
  readonly setAside: readonly SetAside[];
}

/** How many values of a malformed entry are kept. */
const KEPT_VALUES = 64;

/** One call of the projector: fold, then reap, then end grace. `before` stays as it is. */
export function project(before: Projection, call: Call): Outcome {
  const step: Step = {
    state: copyOf(before),
    call,
    did: {
      records: 0,
      operations: 0,
      skipped: 0,
      fenced: 0,
      rejected: 0,
      reaped: 0,
      givenBack: 0,
      held: 0,
    },
    told: [],
    setAside: [],
    taken: 0,
    work: 0,
    due: null,
  };
  followClock(step);
  const drained = fold(step);
  const more = !drained || reap(step) || endGrace(step);
  const { state, did, told, setAside, taken, due } = step;
  for (const name of ["records", "rejected", "fenced", "reaped"] as const) state.ever[name] += did[name];
  const changes = told.reduce((sum, entry) => sum + entry.changes.length, 0);
  return {
    state,
    taken,
    told,
    setAside,
    result: {
      ...did,
      due,
      more,
      changes,
      foldedId: state.foldedId,
      left: drained ? 0 : call.log.length - taken,
      waits: false,
    },
  };
}

/**
 * When the clock has gone back since the last call, so do all leases, and by as much: nobody's lasts longer than it should.
 * Graces follow in endGrace, a bounded number a call.
 */
function followClock({ state, call }: Step): void {
  const back = state.ran - call.now;
  state.ran = call.now;
  if (back <= 0) return;
  state.clockWentBack = true;
  for (const [id, deadline] of state.leases) {
    // 0 means ended, so a lease never becomes that.
    if (deadline > 0) state.leases.set(id, Math.max(1, deadline - back));
  }
}

/** Folds what the budget allows, in log order. Returns whether the log is drained. */
function fold(step: Step): boolean {
  const { entries, drained } = read(step);
  const falls = new Map<string, Fall>();
  for (const { entry, record } of entries) {
    step.taken++;
    step.state.foldedId = entry.id;
    if ("reason" in record) {
      const fields = entry.fields.slice(0, KEPT_VALUES).map((value) => cut(value, ID_BYTES_MAX));
      step.setAside.push({ id: entry.id, reason: record.reason, fields });
      step.did.rejected++;
      continue;
    }
    // An id can be ahead of the clock: ids never go back, clocks do.
    const at = Math.min(Number(entry.id.split("-", 1)[0]), step.call.now);
    foldRecord(step, record, at, falls);
  }
  recount(step, falls);
  return drained;
}

interface ReadEntry {
  readonly entry: LogEntry;
  readonly record: ReturnType<typeof parseRecord>;
}

/**
 * Takes slices off the log until it is drained or half the budget is in hand. A slice is so small that even records full
 * to the brim stay within what is left of the budget (INV-7): what a record holds is not known before it is read.
 */
function read(step: Step): { entries: ReadEntry[]; drained: boolean } {
  const { log, budget } = step.call;
  const entries: ReadEntry[] = [];
  do {
    const slice = Math.max(1, Math.floor((budget - step.work) / (OPERATIONS_MAX + 1)));
    const some = log.slice(entries.length, entries.length + slice);
    for (const entry of some) {
      const record = parseRecord(entry.fields);
      entries.push({ entry, record });
      step.work += "reason" in record ? 1 : 1 + record.operations.length;
    }
    if (some.length < slice) return { entries, drained: true };
  } while (step.work < budget / 2);
  return { entries, drained: false };
}
