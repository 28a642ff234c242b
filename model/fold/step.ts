/**
 * One call in the making: what it was asked, what it has done so far, and the one rule by which users come and go.
 */
import type { ChangeCause } from "../../src/core/change.ts";
import type { ProcessModel, Projection } from "./state.ts";

export interface LogEntry {
  /** `<ms>-<n>`, as Redis numbers entries. */
  readonly id: string;
  readonly fields: readonly string[];
}

export interface Call {
  /** The clock, ms. */
  readonly now: number;
  /** All that is in the log and not folded yet, oldest first. */
  readonly log: readonly LogEntry[];
  /** May leases that ran out be reaped? */
  readonly reap: boolean;
  /** Most units of work: an operation, a record and a user given back or let out are one each. */
  readonly budget: number;
}

export interface Told {
  readonly user: string;
  readonly type: "online" | "offline";
  readonly cause: ChangeCause;
}

/**
 * One entry of `changes`: what one phase of the call told, each user once, so the order of the users says nothing and is
 * not specified. The order of the entries is: what was folded, then each process given back, then whose grace is over.
 */
export interface ToldEntry {
  readonly changes: readonly Told[];
}

export interface SetAside {
  readonly id: string;
  readonly reason: string;
  /** What is kept of the entry. */
  readonly fields: readonly string[];
}

export interface Step {
  readonly state: Projection;
  readonly call: Call;
  readonly did: {
    records: number;
    operations: number;
    skipped: number;
    fenced: number;
    rejected: number;
    reaped: number;
    givenBack: number;
    held: number;
  };
  readonly told: ToldEntry[];
  readonly setAside: SetAside[];
  /** Entries taken off the log. */
  taken: number;
  /** Units of the budget used so far. */
  work: number;
  /** The earliest deadline still to come, ms. */
  due: number | null;
}

export function dueAt(step: Step, deadline: number): void {
  if (step.due === null || deadline < step.due) step.due = deadline;
}

export function fence(step: Step, process: ProcessModel, reason: string): void {
  process.state = "fenced";
  process.reason = reason;
  step.did.fenced++;
}

/** Ends a process, once; its users are given back by the reaper. An unknown one has nothing to end. */
export function endProcess(
  state: Projection,
  id: string,
  cause: NonNullable<ProcessModel["cause"]>,
  at: number,
): void {
  const process = state.processes.get(id);
  if (process === undefined || process.state === "ended") return;
  process.state = "ended";
  process.cause = cause;
  process.ended = at;
  process.connections = 0;
  state.leases.set(id, 0);
}

/** What takes a user's last socket away, and until when grace keeps the user present all the same, if at all. */
export interface Fall {
  readonly cause: ChangeCause;
  readonly keepUntil?: number | undefined;
}

/**
 * Brings `users` in line with the processes for the users given, and tells who came and who went. This is INV-1 itself:
 * a user's count is the sum over the processes. By net change (INV-4): who came and went meanwhile is not told.
 */
export function recount(step: Step, falls: ReadonlyMap<string, Fall>): void {
  const { users, leaving, processes } = step.state;
  const changes: Told[] = [];
  for (const [user, fall] of falls) {
    const was = users.get(user);
    let sockets = 0;
    for (const process of processes.values()) sockets += process.users.get(user) ?? 0;
    if (sockets === (was ?? 0)) continue;
    if (sockets > 0) {
      users.set(user, sockets);
      // A connect ends the grace; the user was present all the while, so there is nothing to tell.
      leaving.delete(user);
      if (was === undefined) changes.push({ user, type: "online", cause: "connect" });
    } else if (fall.keepUntil !== undefined) {
      users.set(user, 0);
      leaving.set(user, fall.keepUntil);
    } else {
      users.delete(user);
      changes.push({ user, type: "offline", cause: fall.cause });
    }
  }
  tell(step, changes);
}

export function tell(step: Step, changes: readonly Told[]): void {
  if (changes.length > 0) step.told.push({ changes });
}
