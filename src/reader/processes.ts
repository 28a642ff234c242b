/** A process as the reader tells of it, from its hash and its place among the leases. */
import type { Reply } from "../redis/port.ts";
import type { ProcessPresence, ProcessState } from "./types.ts";

function fieldOf(flat: Reply | undefined, name: string): Reply | undefined {
  if (!Array.isArray(flat)) return undefined;
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1] as Reply;
  return undefined;
}

export function processOf(id: string, deadline: number, hash: Reply): ProcessPresence {
  const text = (name: string) => {
    const value = fieldOf(hash, name);
    return value === undefined || value === null ? null : String(value);
  };
  const whole = (name: string) => (text(name) === null ? null : Number(text(name)));
  const started = whole("started");
  return {
    id,
    state: (text("state") ?? "ended") as ProcessState,
    sockets: whole("sockets") ?? 0,
    connections: whole("connections") ?? 0,
    leaseUntil: deadline > 0 ? new Date(deadline) : null,
    startedAt: started === null ? null : new Date(started),
    host: text("host"),
    pid: whole("pid"),
    version: text("version"),
  };
}

/** A process has a registration in every shard; its parts add up. */
export function mergeProcess(known: ProcessPresence | undefined, part: ProcessPresence): ProcessPresence {
  if (known === undefined) return part;
  const worst =
    [known.state, part.state].find((state) => state === "ended") ??
    [known.state, part.state].find((state) => state === "fenced");
  return {
    ...known,
    state: worst ?? "live",
    sockets: known.sockets + part.sockets,
    connections: known.connections + part.connections,
  };
}
