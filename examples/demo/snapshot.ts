/** What the screen shows, from the clients, the reader, the edge and the nodes. */
import type { ProcessPresence } from "../../src/index.ts";
import type { Counted } from "./checks.ts";
import type { Incarnation } from "./cluster.ts";
import type { Told } from "./messages.ts";
import type { World } from "./world.ts";

export interface ReaderView extends Counted {
  readonly lagRecords: number;
  readonly lagMs: number;
  readonly isStale: boolean;
}

export interface EdgeView extends Counted {
  /** Live processes it lists. */
  readonly processes: number;
  /** How long the two requests took, ms. */
  readonly ms: number;
}

export interface NodeView {
  readonly name: string;
  readonly pid: number;
  readonly id: string;
  readonly state: string;
  /** Sockets that presence counts; null: the process is not listed. */
  readonly counted: number | null;
  /** Open sockets according to the clients. */
  readonly open: number;
  /** Time until its lease expires, ms. */
  readonly lease: number | null;
}

export interface Snapshot {
  readonly clients: Counted;
  /** The answer, or why there is none. */
  readonly reader: ReaderView | string;
  readonly edge: EdgeView | string;
  readonly nodes: readonly NodeView[];
  /** Newest first. */
  readonly changes: readonly Told[];
}

/** Never rejects: a failed request is part of the snapshot. */
export async function takeSnapshot(world: World, changes: readonly Told[]): Promise<Snapshot> {
  const [edge, { view, listed, now }] = await Promise.all([viewEdge(world), viewReader(world)]);
  const { sockets, users, socketsOf } = world.population.truth();
  const nodes = world.cluster.nodes.map((node): NodeView => {
    const process = listed.get(node.processIds[0]!);
    return {
      name: node.name,
      pid: node.child.pid,
      id: node.processIds[0]!,
      state: stateOf(node, process),
      counted: process?.sockets ?? null,
      open: socketsOf.get(node) ?? 0,
      lease: process?.leaseUntil ? Math.max(0, process.leaseUntil.getTime() - now) : null,
    };
  });
  return {
    clients: { users: users.size, sockets, connections: sockets },
    reader: view,
    edge,
    nodes,
    changes,
  };
}

async function viewEdge({ edge }: World): Promise<EdgeView | string> {
  const began = performance.now();
  try {
    const [counts, processes] = await Promise.all([edge.counts(), edge.processes()]);
    const live = processes.filter(({ state }) => state === "live").length;
    return { ...counts, processes: live, ms: Math.round(performance.now() - began) };
  } catch (error) {
    return messageOf(error);
  }
}

async function viewReader({ reader }: World) {
  try {
    const [counts, { processes, asOf }] = await Promise.all([reader.counts(), reader.processes()]);
    const { lag, stale } = counts.asOf;
    return {
      view: { ...counts, lagRecords: lag.records, lagMs: lag.ms, isStale: stale } satisfies ReaderView,
      listed: new Map(processes.map((process) => [process.id, process])),
      now: asOf.now.getTime(),
    };
  } catch (error) {
    return { view: messageOf(error), listed: new Map<string, ProcessPresence>(), now: 0 };
  }
}

function stateOf({ state }: Incarnation, process: ProcessPresence | undefined): string {
  if (state === "up") return process?.state ?? "unlisted";
  if (state === "killed") return process === undefined ? "reaped" : "killed";
  return state;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
