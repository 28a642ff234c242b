/**
 * The demo's main check: the presence counts equal what the clients know about themselves. It compares the Reader on Redis
 * and the edge API over HTTP.
 */
import { TTL_MS_MAX } from "./arguments.ts";
import { without } from "./changes.ts";
import type { Incarnation } from "./cluster.ts";
import { DemoError } from "./errors.ts";
import { until } from "../../rig/pace.ts";
import { printable } from "./text.ts";
import type { World } from "./world.ts";

export interface Counted {
  readonly users: number;
  readonly sockets: number;
  readonly connections: number;
}

/** The answers of the reader or of the edge. */
interface Answer {
  readonly from: string;
  readonly counts: Counted;
  readonly users: ReadonlySet<string>;
  /** Process id → sockets, of all processes listed. */
  readonly processes: ReadonlyMap<string, number>;
}

const socketsById = (processes: readonly { readonly id: string; readonly sockets: number }[]) =>
  new Map(processes.map(({ id, sockets }) => [id, sockets]));

async function askReader({ reader }: World): Promise<Answer> {
  const counts = await reader.counts();
  const users = new Set<string>();
  for await (const { id } of reader.users()) users.add(id);
  const { processes } = await reader.processes();
  return { from: "reader", counts, users, processes: socketsById(processes) };
}

async function askEdge({ edge }: World): Promise<Answer> {
  const [counts, users, processes] = await Promise.all([edge.counts(), edge.users(), edge.processes()]);
  return { from: "edge", counts, users, processes: socketsById(processes) };
}

/** For a node that is up, neither killed nor drained, and no longer listed under the id it registered with. */
function falseReap({ name }: Incarnation, ttl: number): string {
  return (
    `${name} is alive but was reaped: this machine is too busy to renew its lease of ${ttl} ms in time. ` +
    `It registered again, and its users went offline and back. Try a longer lease: --ttl ${TTL_MS_MAX}`
  );
}

/** The first difference between an answer and the clients' current state, or null. */
function problemWith(
  { from, counts, users, processes }: Answer,
  { population, cluster, options }: World,
): string | null {
  if (!population.isSettled)
    return "some clients are not connected yet, or are still connected to a node that has ended";
  const truth = population.truth();
  if (counts.sockets !== truth.sockets)
    return `sockets: ${from} says ${counts.sockets}, clients ${truth.sockets}`;
  if (counts.users !== truth.users.size)
    return `users: ${from} says ${counts.users}, clients ${truth.users.size}`;
  const [stray] = without(users, truth.users);
  if (stray !== undefined) return `users: ${from} lists ${printable(stray)}, who is not connected`;
  const [missing] = without(truth.users, users);
  if (missing !== undefined) return `users: ${from} does not list ${printable(missing)}, who is connected`;
  const reaped = cluster.up.find((node) => !processes.has(node.processIds[0]!));
  if (reaped !== undefined) return falseReap(reaped, options.ttl);
  const expected = new Map(cluster.up.map((node) => [node.processIds[0]!, truth.socketsOf.get(node) ?? 0]));
  for (const id of new Set([...processes.keys(), ...expected.keys()])) {
    const [said, really] = [processes.get(id), expected.get(id)];
    if (said !== really)
      return `process ${id}: ${from} says ${said ?? "no such"}, clients ${really ?? "no such"}`;
  }
  return null;
}

/** Every tab has its own connection. Heartbeats carry the number, so it may be one heartbeat late. */
function connectionsProblem({ from, counts }: Answer, { population }: World): string | null {
  const { sockets } = population.truth();
  return counts.connections === sockets
    ? null
    : `connections: ${from} says ${counts.connections}, clients ${sockets}`;
}

export interface SettleOptions {
  /** When the stage began, performance.now(). */
  readonly since: number;
  /** ms */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/**
 * Waits until reader and edge agree with the clients. Resolves with the figures and with the time from `since` until the
 * reader agreed, ms. Rejects with DemoError that names the last difference.
 */
export async function settle(
  world: World,
  { since, timeout, signal }: SettleOptions,
): Promise<Counted & { ms: number }> {
  let ms = Number.NaN;
  let counts: Counted | undefined;
  let problem: string | null = null;

  async function compare(): Promise<string | null> {
    const answer = await askReader(world);
    const difference = problemWith(answer, world);
    if (difference !== null) return difference;
    if (Number.isNaN(ms)) ms = performance.now() - since;
    const edge = await askEdge(world);
    counts = edge.counts;
    return connectionsProblem(answer, world) ?? problemWith(edge, world) ?? connectionsProblem(edge, world);
  }

  const agrees = await until(
    async () => {
      // A failed request counts as a difference; the next one may succeed.
      problem = await compare().catch((error: Error) => error.message);
      return problem === null;
    },
    { timeout, signal },
  );
  if (!agrees)
    throw new DemoError(`presence and the clients still disagree after ${timeout} ms: ${problem!}`);
  return { users: counts!.users, sockets: counts!.sockets, connections: counts!.connections, ms };
}
