/**
 * What must hold after every call of the projector, whatever happened before. Pure: compares what Redis holds with the
 * oracle, which it takes along as far as the call went.
 */
import { parseReply } from "../../src/projector/call.ts";
import type { Reply } from "../../src/redis/port.ts";
import { hold, Violation } from "./faults.ts";
import type { State } from "./inspect.ts";
import type { Oracle } from "./oracle.ts";
import { checkScopesOf, takeScopes } from "./check-scopes.ts";

/** What the call said of itself. */
export interface Called {
  readonly more: boolean;
  readonly foldedId: string;
  readonly records: number;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  readonly rebuilt: boolean;
  /** Whose turn it is; "": nobody's. */
  readonly holder: string;
  readonly mayReap: boolean;
}

/** Of the reply of project.lua, what is checked. */
export function calledOf(reply: Reply, mayReap: boolean): Called {
  return { ...parseReply(reply), mayReap };
}

export function told({ records, fenced, reaped, more, rebuilt }: Called): string {
  const forgot = rebuilt ? " forgets everything," : "";
  return `projector${more ? " (not done yet)" : ""}:${forgot} folds ${records}, fences ${fenced}, reaps ${reaped}`;
}

/** When a call was made: in the time that leases take, and on the clock of Redis. */
export interface Times {
  readonly elapsed: number;
  readonly clock: number;
}

/** `same`: the state is the one that was checked last, to the letter. */
export function checkCall(called: Called, state: State, oracle: Oracle, times: Times, same: boolean): void {
  if (called.rebuilt && !oracle.doubt)
    throw new Violation("INV-1", "everything was forgotten, and no key was lost");
  // Before anything is folded, or when a scope of that does not add up: then nothing is left of it either.
  const isAfter = state.processes.size === 0;
  if (called.rebuilt && !isAfter) oracle.rebuilt();
  checkFolded(called, state, oracle, times.clock);
  if (called.rebuilt && isAfter) {
    checkReapedBefore(called, oracle, times.elapsed);
    oracle.rebuilt();
  }
  if (oracle.doubt) {
    // Nothing can be checked but its changes, which continue.
    for (const { user, type } of state.changes) {
      if (type === "online") oracle.present.add(user);
      else oracle.present.delete(user);
    }
    oracle.changeId = state.changeId;
    takeScopes(state, oracle);
    return;
  }
  if (same && called.records === 0) return;
  if (!(called.rebuilt && isAfter)) checkReaped(called, state, oracle, times.elapsed);
  forgetAsTold(state, oracle, times.clock);
  checkProcesses(state, oracle);
  checkSums(state);
  checkChanges(state, oracle);
  checkScopesOf(state, oracle);
}

/** INV-2: the call folded what the log held, up to the id it tells, and nothing else. */
function checkFolded(called: Called, state: State, oracle: Oracle, clock: number): void {
  const { records, rejected } = called;
  const { fenced, ...done } = oracle.fold(called.foldedId, clock);
  hold("INV-2", "what the call folded", { records, rejected }, done);
  if (!oracle.doubt) hold("INV-2", "how many it fenced", called.fenced, fenced);
  hold("INV-2", "the length of the log", state.lag, oracle.log.length);
}

/** A process that ended long enough ago is forgotten when a call comes by that. */
function forgetAsTold(state: State, oracle: Oracle, clock: number): void {
  for (const [id, until] of oracle.ended) {
    if (until > clock || state.processes.has(id)) continue;
    oracle.ended.delete(id);
    oracle.processes.delete(id);
  }
  oracle.ended = new Map(state.ended);
}

/** INV-6, of a call that forgot everything after it had reaped: of whom is no longer to be seen, but not how many. */
function checkReapedBefore({ reaped, mayReap }: Called, oracle: Oracle, elapsed: number): void {
  const lapsed = [...oracle.processes.values()].filter(
    ({ state, renewedAt, ttl }) => state !== "ended" && elapsed - renewedAt >= ttl,
  ).length;
  if (reaped > (mayReap ? lapsed : 0))
    throw new Violation("INV-6", `${reaped} processes were reaped, and ${lapsed} had no lease any more`);
}

/** INV-6: only a process whose lease expired is reaped, and only by a call that may reap, with none of its records in the log. */
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

/** INV-2: each record counts once. Some users of an ended process may already be removed. */
function checkProcesses(state: State, oracle: Oracle): void {
  hold("INV-2", "who is known", [...state.processes.keys()].sort(), [...oracle.processes.keys()].sort());
  for (const [id, found] of state.processes) {
    const process = oracle.processes.get(id)!;
    hold("INV-2", `the state of ${id}`, found.state, process.state);
    if (process.state === "ended") continue;
    const { seq, sockets, anonymous, connections, users } = found;
    hold("INV-2", `the counts of ${id}`, [seq, sockets, anonymous, connections, sorted(users)], [
      process.seq, process.sockets, process.anonymous, process.connections, sorted(process.users),
    ]); // prettier-ignore
    if (!(state.leases.get(id)! > 0))
      throw new Violation("INV-5", `${id} is ${process.state} and has no lease`);
  }
}

/** INV-1: `users` are the sums over the processes, and the totals agree. */
function checkSums(state: State): void {
  const totals = { users: state.users.size, sockets: 0, connections: 0, graced: state.leaving.size };
  hold("INV-1", "slots of nobody", state.strangers, []);
  for (const [id, { users, sockets, anonymous, connections, slot }] of state.processes) {
    totals.sockets += sockets;
    totals.connections += connections;
    if (slot === 0) continue;
    let sum = 0;
    for (const [user, n] of users) {
      if (!(n > 0)) throw new Violation("INV-1", `${id} holds ${n} for ${user}`);
      sum += n;
    }
    hold("INV-1", `the sockets of ${id} by users`, sum, sockets - anonymous);
  }
  const graced = [...state.users].flatMap(([user, n]) => (n === 0 ? [user] : []));
  hold("INV-1", "who is in grace", graced.sort(), [...state.leaving.keys()].sort());
  const { users, sockets, connections, graced: inGrace } = state.totals;
  // Before anything was counted there are none.
  const told = { users, sockets, connections, graced: inGrace };
  if (state.processes.size > 0) hold("INV-1", "totals", told, totals);
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
