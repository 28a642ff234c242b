/**
 * What becomes of one record: docs/protocol.md, "Folding".
 */
import type { ParsedRecord } from "./parse.ts";
import type { ProcessModel, Projection } from "./state.ts";
import { endProcess, type Fall, fence, type Step } from "./step.ts";

/** The rules of docs/protocol.md, "Folding", one after the other. */
export function foldRecord(step: Step, record: ParsedRecord, at: number, falls: Map<string, Fall>): void {
  const { state, did } = step;
  const { process: id, seq } = record;
  did.records++;
  let process = state.processes.get(id);
  // Its tombstone: a late copy of its first record must not bring it back.
  if (process?.state === "ended") {
    did.skipped++;
    return;
  }
  // A record renews the lease whatever else becomes of it; a deadline never moves back.
  state.leases.set(id, Math.max(state.leases.get(id) ?? 0, at + record.ttl));

  if (process === undefined) {
    process = unknownProcess();
    state.processes.set(id, process);
    if (seq === 1) register(state, process, record, at);
    else fence(step, process, `unknown process with seq ${seq}`);
  } else if (seq <= process.seq) {
    // Folded before (INV-2).
    did.skipped++;
    return;
  } else if (process.state === "live" && seq !== process.seq + 1) {
    fence(step, process, `seq ${seq} after ${process.seq}`);
  }

  if (process.state === "live") {
    const problem = apply(process, record);
    if (problem !== null) {
      fence(step, process, problem);
    } else {
      did.operations += record.operations.length;
      noteFalls(process, record, at, falls);
      // Only a believed record ends others: its own snapshot is then complete.
      for (const other of record.replaces) endProcess(state, other, "replace", at);
    }
  }
  // Even of a fenced process a goodbye is believed.
  if (record.bye) endProcess(state, id, "bye", at);
}

function unknownProcess(): ProcessModel {
  return {
    state: "live",
    seq: 0,
    sockets: 0,
    anonymous: 0,
    connections: 0,
    users: new Map(),
    grace: 0,
    about: {},
  };
}

function register(state: Projection, process: ProcessModel, { about, ttl }: ParsedRecord, at: number): void {
  process.about.started = at;
  process.about.ttl = ttl;
  for (const [field, name] of [
    ["hello", "host"],
    ["pid", "pid"],
    ["version", "version"],
    ["grace", "grace"],
  ] as const) {
    const value = about.get(field);
    if (value !== undefined) process.about[name] = value;
  }
  process.grace = Number(process.about.grace ?? 0);
  state.longestGrace = Math.max(state.longestGrace, process.grace);
}

/** All of the record or nothing of it. Returns why the process cannot be believed, or null. */
function apply(process: ProcessModel, record: ParsedRecord): string | null {
  const users = new Map(process.users);
  let { anonymous, sockets } = process;
  for (const { op, user } of record.operations) {
    const step = op === "connect" ? 1 : -1;
    sockets += step;
    if (user === "") {
      anonymous += step;
      continue;
    }
    const count = (users.get(user) ?? 0) + step;
    if (count < 0) return "a count would go negative";
    if (count === 0) users.delete(user);
    else users.set(user, count);
  }
  // Anonymous sockets have no names: which of them went first is nobody's business, so only the end counts.
  if (anonymous < 0 || sockets !== record.sockets) {
    return `check digit: sockets ${record.sockets} declared, ${sockets} counted`;
  }
  process.users = users;
  process.anonymous = anonymous;
  process.sockets = sockets;
  process.seq = record.seq;
  process.connections = record.connections ?? process.connections;
  return null;
}

/**
 * Whom the record named, and how they go should nothing be left of them: the last operation that took a socket of the user
 * decides between at once and with the process's grace.
 */
function noteFalls(process: ProcessModel, record: ParsedRecord, at: number, falls: Map<string, Fall>): void {
  for (const { op, user } of record.operations) {
    if (user === "") continue;
    if (op === "connect") {
      // Who only came cannot go: what is noted here is replaced by the operation that takes a socket away.
      if (!falls.has(user)) falls.set(user, { cause: "disconnect" });
      continue;
    }
    const keepUntil = op === "disconnect" && process.grace > 0 ? at + process.grace : undefined;
    falls.set(user, { cause: op, keepUntil });
  }
}
