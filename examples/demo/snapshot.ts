/** What the screen shows, from the clients, the reader, the edge and the nodes. */
import type { ProcessPresence } from "../../src/index.ts";
import type { Counted } from "./checks.ts";
import type { Incarnation } from "./cluster.ts";
import type { Told } from "./messages.ts";
import type { Truths } from "./truths.ts";
import type { World } from "./world.ts";

interface Aged extends Counted {
  /** How long ago Redis was read, ms: answers of the edge are shared for up to a second. */
  readonly age: number;
  /** Whether users and sockets were so then, according to the clients. */
  readonly held: boolean;
}

export interface ReaderView extends Aged {
  readonly lagRecords: number;
  readonly lagMs: number;
  readonly isStale: boolean;
}

export interface EdgeView extends Aged {
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
export async function takeSnapshot(
  world: World,
  truths: Truths,
  changes: readonly Told[],
): Promise<Snapshot> {
  const [edge, { view, listed, now, at }] = await Promise.all([viewEdge(world), viewReader(world, truths)]);
  truths.take();
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
    edge: aged(edge, now, at, truths),
    nodes,
    changes,
  };
}

/** Both were stamped by Redis's clock, so the difference is how much older the edge's figures are than the reader's. */
function aged(
  edge: Awaited<ReturnType<typeof viewEdge>>,
  now: number,
  at: number,
  truths: Truths,
): EdgeView | string {
  if (typeof edge === "string") return edge;
  const { readAt, ...view } = edge;
  const since = now === 0 ? 0 : Math.max(0, now - readAt);
  return { ...view, age: performance.now() - at + since, held: truths.held(view, at - since) };
}

async function viewEdge({ edge }: World) {
  const began = performance.now();
  try {
    const [{ users, sockets, connections, asOf }, processes] = await Promise.all([
      edge.counts(),
      edge.processes(),
    ]);
    return {
      users,
      sockets,
      connections,
      readAt: Date.parse(asOf.now),
      processes: processes.filter(({ state }) => state === "live").length,
      ms: Math.round(performance.now() - began),
    };
  } catch (error) {
    return messageOf(error);
  }
}

async function viewReader({ reader }: World, truths: Truths) {
  try {
    const counts = await reader.counts();
    const at = performance.now();
    truths.take();
    const { processes } = await reader.processes();
    const { lag, stale, now } = counts.asOf;
    const { users, sockets, connections } = counts;
    return {
      view: {
        users,
        sockets,
        connections,
        age: performance.now() - at,
        held: truths.held(counts, at),
        lagRecords: lag.records,
        lagMs: lag.ms,
        isStale: stale,
      } satisfies ReaderView,
      listed: new Map(processes.map((process) => [process.id, process])),
      now: now.getTime(),
      at,
    };
  } catch (error) {
    return {
      view: messageOf(error),
      listed: new Map<string, ProcessPresence>(),
      now: 0,
      at: performance.now(),
    };
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
