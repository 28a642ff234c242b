/** The projection of one shard, as plain maps. The reference model (fold.ts) makes a new one for each call. */
import type { ChangeCause } from "../src/core/change.ts";
import { type History, NO_HISTORY } from "./history.ts";

export type ProcessState = "live" | "fenced" | "ended";

export interface Process {
  readonly state: ProcessState;
  readonly seq: number;
  readonly sockets: number;
  readonly anonymous: number;
  readonly connections: number;
  readonly slot: number;
  readonly grace: number;
  /** For an ended process: why, and when. */
  readonly cause: ChangeCause | undefined;
  readonly at: number | undefined;
}

/** A process that a reaping pass removes from the users. */
export interface Dead {
  readonly slot: number;
  readonly id: string;
}

/** Slot → sockets. Without a slot: in grace. */
export type Slots = ReadonlyMap<number, number>;

/** A user in grace in a scope. */
export interface Lingerer {
  readonly scope: string;
  readonly user: string;
  readonly deadline: number;
}

export interface Projection {
  /** User → slots. */
  users: Map<string, Slots>;
  /** User in grace → deadline. */
  leaving: Map<string, number>;
  processes: Map<string, Process>;
  about: Map<string, Readonly<Record<string, string>>>;
  /** Process → deadline; 0: ended, with users still to be removed. */
  leases: Map<string, number>;
  /** Process → until when it is remembered as ended. */
  ended: Map<string, number>;
  ever: { records: number; rejected: number; fenced: number; reaped: number };
  slots: number;
  longestGrace: number;
  clockWentBack: boolean;
  foldedId: string;
  ran: number;
  /** What the last call said is due, ms; null: nothing. */
  due: number | null;
  /** Of calls that keep one. */
  history: History;
  /** Recent work per record, which decides how many the next call reads. */
  size: number;
  pass: readonly Dead[];
  /** Which process of that pass is being taken out of its scopes; undefined: the users are not through yet. */
  sweep: number | undefined;
  /** Whether a record has had `tracks` or `memberships` yet. */
  isScoped: boolean;
  /** Scope → user → slots; "" are anonymous sockets, which are never in grace. A scope without either is not in it. */
  scopes: Map<string, ReadonlyMap<string, Slots>>;
  /** Scopes whose changes are told. */
  told: Set<string>;
  /** By their member in Redis, `<bytes of the user>:<user><scope>`. */
  lingering: Map<string, Lingerer>;
  /** Slot → scope → memberships. */
  memberships: Map<number, ReadonlyMap<string, number>>;
  /** Slot of an ended process with grace → who has been absent from the whole since, and why at first. Until its scopes are through. */
  absentSince: Map<number, ReadonlyMap<string, ChangeCause>>;
  /** Of the process that registered last. */
  tracks: readonly string[];
}

export function emptyProjection(): Projection {
  return {
    users: new Map(),
    leaving: new Map(),
    processes: new Map(),
    about: new Map(),
    leases: new Map(),
    ended: new Map(),
    ever: { records: 0, rejected: 0, fenced: 0, reaped: 0 },
    slots: 0,
    longestGrace: 0,
    clockWentBack: false,
    foldedId: "0-0",
    ran: 0,
    due: null,
    history: NO_HISTORY,
    size: 1,
    pass: [],
    sweep: undefined,
    isScoped: false,
    scopes: new Map(),
    told: new Set(),
    lingering: new Map(),
    memberships: new Map(),
    absentSince: new Map(),
    tracks: [],
  };
}

/** A copy whose maps can be changed; their values never are. */
export function copyOf(state: Projection): Projection {
  return {
    ...state,
    users: new Map(state.users),
    leaving: new Map(state.leaving),
    processes: new Map(state.processes),
    about: new Map(state.about),
    leases: new Map(state.leases),
    ended: new Map(state.ended),
    ever: { ...state.ever },
    absentSince: new Map(state.absentSince),
    ...copyOfScopes(state),
  };
}

/** What a record can change in scopes, so that one that does not add up can be undone. */
export function copyOfScopes(
  state: Projection,
): Pick<Projection, "scopes" | "told" | "lingering" | "memberships"> {
  return {
    scopes: new Map(state.scopes),
    told: new Set(state.told),
    lingering: new Map(state.lingering),
    memberships: new Map(state.memberships),
  };
}

export function sumsOf(state: Projection): {
  users: number;
  sockets: number;
  connections: number;
  graced: number;
} {
  let sockets = 0;
  let connections = 0;
  for (const process of state.processes.values()) {
    sockets += process.sockets;
    connections += process.connections;
  }
  return { users: state.users.size, sockets, connections, graced: state.leaving.size };
}

/** How many are in a scope; 0 in one that nobody is in or that is not tracked. */
export function sumsIn(state: Projection, scope: string): { users: number; sockets: number } {
  let [users, sockets] = [0, 0];
  for (const [user, slots] of state.scopes.get(scope) ?? []) {
    if (user !== "") users++;
    for (const count of slots.values()) sockets += count;
  }
  return { users, sockets };
}
