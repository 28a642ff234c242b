/**
 * What a call does once the log is drained: docs/protocol.md, "Reaping" and "Grace".
 */
import { byScore, type ProcessModel } from "./state.ts";
import { dueAt, endProcess, type Fall, recount, type Step, tell, type Told } from "./step.ts";

/** Most processes one call looks at. */
const PROCESSES_MAX = 16;

/**
 * Ends the processes whose lease ran out and gives back the users of all that ended. Returns whether there is more to do.
 * Only when the log is drained: a heartbeat that is still in it keeps its process alive (INV-6).
 */
export function reap(step: Step): boolean {
  const { state, call, did } = step;
  const first = [...state.leases].sort(byScore).slice(0, PROCESSES_MAX);
  for (const [id, deadline] of first) {
    if (deadline > call.now) {
      dueAt(step, deadline);
      return false;
    }
    if (deadline > 0 && !call.reap) {
      did.held++;
      dueAt(step, deadline);
      continue;
    }
    const process = state.processes.get(id)!;
    if (process.state !== "ended") {
      did.reaped++;
      endProcess(state, id, "reap", call.now);
    }
    giveBack(step, process);
    state.leases.delete(id);
    if (step.work >= call.budget / 2) return true;
  }
  return first.length === PROCESSES_MAX && did.held < PROCESSES_MAX;
}

/**
 * Gives back all users of an ended process. (The script does so a bounded number at a time; where it stops is not
 * specified, so of a process with more than 128 users only the end of a drain can be compared.)
 */
function giveBack(step: Step, process: ProcessModel): void {
  // Its users get its grace, counted from its end; not those of one whose lease ran out: they had the lease.
  const keepUntil =
    process.cause !== "reap" && process.grace > 0 ? process.ended! + process.grace : undefined;
  const falls = new Map<string, Fall>();
  for (const user of process.users.keys()) falls.set(user, { cause: process.cause!, keepUntil });
  process.users.clear();
  process.sockets = 0;
  process.anonymous = 0;
  recount(step, falls);
  step.did.givenBack += falls.size;
  step.work += falls.size + 1;
}

/** Lets out the users whose grace is over, a bounded number. Returns whether there are more. */
export function endGrace(step: Step): boolean {
  const { state, call } = step;
  shortenGraces(step);
  const [first] = [...state.leaving].sort(byScore);
  if (first === undefined) return false;
  if (first[1] > call.now || !call.reap) {
    if (first[1] <= call.now) step.did.held++;
    dueAt(step, first[1]);
    return false;
  }
  const over = [...state.leaving].sort(byScore).filter(([, deadline]) => deadline <= call.now);
  const changes: Told[] = [];
  const most = Math.floor((call.budget - step.work) / 2);
  if (most < 1) return true;
  for (const [user] of over.slice(0, most)) {
    state.leaving.delete(user);
    state.users.delete(user);
    changes.push({ user, type: "offline", cause: "grace" });
  }
  tell(step, changes);
  const [next] = [...state.leaving].sort(byScore);
  if (next === undefined) return false;
  dueAt(step, next[1]);
  return next[1] <= call.now;
}

/** Once the clock has gone back: no grace lasts longer than the longest that any process gave. */
function shortenGraces(step: Step): void {
  const { state, call } = step;
  if (!state.clockWentBack) return;
  const latest = call.now + state.longestGrace;
  const most = Math.floor((call.budget - step.work) / 4);
  if (most < 1) return;
  const late = [...state.leaving].sort(byScore).filter(([, deadline]) => deadline > latest);
  for (const [user] of late.slice(0, most)) state.leaving.set(user, latest);
  step.work += Math.min(late.length, most);
  if (late.length < most) state.clockWentBack = false;
}
