/**
 * What the projection holds, as plain values: the state of the reference model (see ../fold.ts).
 */

/** One registration. It stays here after its end: in Redis, for an hour, as the tombstone. */
export interface ProcessModel {
  state: "live" | "fenced" | "ended";
  /** Seq of the last record applied. */
  seq: number;
  /** Sockets it has, anonymous ones included. */
  sockets: number;
  anonymous: number;
  connections: number;
  /** Sockets by user; nobody with none. */
  users: Map<string, number>;
  /** How long its users stay present after a dropped transport, ms. */
  grace: number;
  /** What its first record said, and when; absent in one that never registered properly. */
  about: { host?: string; pid?: string; version?: string; grace?: string; started?: number; ttl?: number };
  /** Why it was fenced. */
  reason?: string;
  /** Why and when it ended. */
  cause?: EndCause;
  ended?: number;
}

export type EndCause = "bye" | "replace" | "reap";

export interface Projection {
  /** Sockets by user, over all processes; 0 for a user in grace. Who is absent is not in it. */
  users: Map<string, number>;
  processes: Map<string, ProcessModel>;
  /** Lease deadlines, ms; 0 once a process has ended and not all its users are given back. */
  leases: Map<string, number>;
  /** Users in grace → when it is over, ms. */
  leaving: Map<string, number>;
  /** Id of the last entry folded; "0-0" before the first. */
  foldedId: string;
  /** When the last call was, ms; 0 before the first. */
  ran: number;
  /** The longest grace any process gave, ms. */
  longestGrace: number;
  /** The clock went back, and there may still be graces that end too late for it. */
  clockWentBack: boolean;
  /** How many, ever. */
  ever: { records: number; rejected: number; fenced: number; reaped: number };
}

export function emptyProjection(): Projection {
  return {
    users: new Map(),
    processes: new Map(),
    leases: new Map(),
    leaving: new Map(),
    foldedId: "0-0",
    ran: 0,
    longestGrace: 0,
    clockWentBack: false,
    ever: { records: 0, rejected: 0, fenced: 0, reaped: 0 },
  };
}

export function copyOf(state: Projection): Projection {
  const processes = new Map<string, ProcessModel>();
  for (const [id, process] of state.processes) {
    processes.set(id, { ...process, users: new Map(process.users), about: { ...process.about } });
  }
  return {
    users: new Map(state.users),
    processes,
    leases: new Map(state.leases),
    leaving: new Map(state.leaving),
    foldedId: state.foldedId,
    ran: state.ran,
    longestGrace: state.longestGrace,
    clockWentBack: state.clockWentBack,
    ever: { ...state.ever },
  };
}

/** The totals that are sums: they are not kept but added up, so they cannot drift. */
export function sumsOf({ users, processes }: Projection): {
  users: number;
  sockets: number;
  connections: number;
} {
  let sockets = 0;
  let connections = 0;
  for (const process of processes.values()) {
    sockets += process.sockets;
    connections += process.connections;
  }
  return { users: users.size, sockets, connections };
}

/** The order of a sorted set: by score, then by the bytes of the member (for UTF-8, the order of its code points). */
export function byScore([a, aScore]: [string, number], [b, bScore]: [string, number]): number {
  if (aScore !== bScore) return aScore - bScore;
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
