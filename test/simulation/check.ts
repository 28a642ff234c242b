/**
 * What must hold after every call of the projector, whatever happened before. Pure: compares what Redis holds with the
 * oracle, which it takes along as far as the call went.
 */
import type { Reply } from "../../src/redis/port.ts";
import { hold, Violation } from "./faults.ts";
import type { Counts, State } from "./inspect.ts";
import type { Oracle } from "./oracle.ts";

/** What the call said of itself. */
export interface Called {
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  readonly mayReap: boolean;
}

/** Of the reply of project.lua, what is checked. */
export function calledOf(reply: readonly Reply[], mayReap: boolean): Called {
  return {
    more: reply[2] === 1,
    foldedId: String(reply[3]),
    records: Number(reply[4]),
    rejected: Number(reply[8]),
    fenced: Number(reply[7]),
    reaped: Number(reply[9]),
    mayReap,
  };
}

export function told({ records, fenced, reaped, more }: Called): string {
  return `projector${more ? " (not done yet)" : ""}: folds ${records}, fences ${fenced}, reaps ${reaped}`;
}

/** `same`: the state is the one that was checked last, to the letter. */
export function checkCall(
  called: Called,
  state: State,
  oracle: Oracle,
  elapsed: number,
  same: boolean,
): void {
  checkFolded(called, state, oracle);
  if (same && called.records === 0) return;
  checkReaped(called, state, oracle, elapsed);
  checkProcesses(state, oracle);
  checkSums(state);
  checkChanges(state, oracle);
}

/** INV-2: the call folded what the log held, up to the id it tells, and nothing else. */
function checkFolded(called: Called, state: State, oracle: Oracle): void {
  const { records, rejected, fenced } = called;
  hold("INV-2", "what the call folded", { records, rejected, fenced }, oracle.fold(called.foldedId));
  hold("INV-2", "the length of the log", state.lag, oracle.log.length);
}

/** INV-6: only a process whose lease ran out is reaped, and only by a call that may, with nothing of it in the log. */
function checkReaped(called: Called, state: State, oracle: Oracle, elapsed: number): void {
  let reaped = 0;
  for (const [id, { state: now, cause }] of state.processes) {
    const process = oracle.processes.get(id);
    if (now !== "ended" || process === undefined || process.state === "ended") continue;
    const age = elapsed - process.renewedAt;
    if (cause !== "reap") throw new Violation("INV-2", `${id} ended by ${cause}, which no record says`);
    if (!called.mayReap || oracle.log.length > 0 || age < process.ttl) {
      throw new Violation(
        "INV-6",
        `${id} was reaped ${age} ms after its last record, with a lease of ${process.ttl} ms, ` +
          `${oracle.log.length} entries in the log, by a call that ${called.mayReap ? "may" : "may not"} reap`,
      );
    }
    oracle.reaped(id);
    reaped++;
  }
  hold("INV-2", "the number of processes reaped", called.reaped, reaped);
}

/** INV-2: each record counts once. Of an ended process, part of the users may be given back. */
function checkProcesses(state: State, oracle: Oracle): void {
  for (const [id, found] of state.processes) {
    const process = oracle.processes.get(id);
    hold("INV-2", `the state of ${id}`, found.state, process?.state ?? null);
    if (process === undefined || process.state === "ended") continue;
    const { seq, sockets, anonymous, connections, users } = found;
    hold("INV-2", `the counts of ${id}`, [seq, sockets, anonymous, connections, sorted(users)], [
      process.seq, process.sockets, process.anonymous, process.connections, sorted(process.users),
    ]); // prettier-ignore
    if (!state.leases.has(id)) throw new Violation("INV-5", `${id} is ${process.state} and has no lease`);
  }
}

/** INV-1: `users` are the sums over the processes, nothing is negative, and the totals agree. */
function checkSums(state: State): void {
  const sums: Counts = new Map();
  const totals = { users: state.users.size, sockets: 0, connections: 0 };
  for (const [id, { users, sockets, connections, state: known }] of state.processes) {
    for (const [user, n] of users) {
      if (!(n > 0)) throw new Violation("INV-1", `${id} holds ${n} for ${user}`);
      sums.set(user, (sums.get(user) ?? 0) + n);
    }
    if (known === null) continue;
    totals.sockets += sockets;
    totals.connections += connections;
  }
  for (const [user, n] of state.users)
    if (n === 0 && state.leaving.has(user)) sums.set(user, sums.get(user) ?? 0);
  hold("INV-1", "users", sorted(state.users), sorted(sums));
  const { users, sockets, connections } = state.totals;
  hold("INV-1", "totals", { users, sockets, connections }, totals);
}

/** INV-4: a user's changes alternate, and the last of them agrees with `users`. */
function checkChanges(state: State, oracle: Oracle): void {
  const { present } = oracle;
  for (const { user, type, cause } of state.changes) {
    if (present.has(user) === (type === "online"))
      throw new Violation("INV-4", `${user} went ${type} (${cause}) and was so before`);
    if (type === "online") present.add(user);
    else present.delete(user);
  }
  oracle.changeId = state.changeId;
  hold("INV-4", "who is present by the changes", [...present].sort(), [...state.users.keys()].sort());
}

export function sorted(counts: ReadonlyMap<string, number>): [string, number][] {
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}
