/** What the screen shows, gathered from everybody who knows. */
import type { Counted } from "./checks.ts";
import type { EdgeProcess } from "./edge.ts";
import type { Told } from "./messages.ts";
import type { ProcessPresence } from "../../index.ts";
import type { Incarnation } from "./cluster.ts";
import type { World } from "./world.ts";

export interface ReaderView extends Counted {
  readonly lagRecords: number;
  readonly lagMs: number;
  readonly isStale: boolean;
}

export interface EdgeView extends Counted {
  /** Live processes it lists. */
  readonly processes: number;
  /** How long its two answers took, ms. */
  readonly ms: number;
}

export interface NodeView {
  readonly name: string;
  readonly pid: number;
  readonly id: string;
  readonly state: string;
  /** Sockets that presence counts, and those that are open; null: it is not listed (any more). */
  readonly counted: number | null;
  readonly open: number;
  /** ms until its lease runs out. */
  readonly lease: number | null;
}

export interface Snapshot {
  readonly clients: Counted;
  /** Or why there is no answer. */
  readonly reader: ReaderView | string;
  readonly edge: EdgeView | string;
  readonly nodes: readonly NodeView[];
  readonly changes: readonly Told[];
}

export async function viewEdge({ edge }: World): Promise<EdgeView | string> {
  const began = performance.now();
  try {
    const [counts, processes] = await Promise.all([edge.counts(), edge.processes()]);
    const isLive = ({ state }: EdgeProcess) => state === "live";
    return { ...counts, processes: processes.filter(isLive).length, ms: Math.round(performance.now() - began) };
  } catch (error) {
    return messageOf(error);
  }
}

export async function takeSnapshot(
  world: World,
  edge: EdgeView | string,
  changes: readonly Told[],
): Promise<Snapshot> {
  const { reader, population, cluster } = world;
  let view: ReaderView | string;
  let listed = new Map<string, ProcessPresence>();
  let now = 0;
  try {
    const [counts, { processes, asOf }] = await Promise.all([reader.counts(), reader.processes()]);
    const { lag, stale } = counts.asOf;
    view = { ...counts, lagRecords: lag.records, lagMs: lag.ms, isStale: stale };
    listed = new Map(processes.map((process) => [process.id, process]));
    now = asOf.now.getTime();
  } catch (error) {
    view = messageOf(error);
  }
  const { sockets, users, socketsOf } = population.truth();
  const nodes = cluster.nodes.map((node): NodeView => {
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
  return { clients: { users: users.size, sockets, connections: sockets }, reader: view, edge, nodes, changes };
}

function stateOf({ state }: Incarnation, process: ProcessPresence | undefined): string {
  if (state === "up") return process?.state ?? "starting";
  if (state === "killed") return process === undefined ? "reaped" : "killed";
  return state;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
