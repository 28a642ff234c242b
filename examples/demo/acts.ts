/** What the demo does to a node, and how its users react. */
import type { Incarnation } from "./cluster.ts";
import type { World } from "./world.ts";

export interface Act {
  /** When it happened, performance.now(). */
  readonly since: number;
  readonly node: Incarnation;
}

/**
 * Kills a node. Its clients connect to another one, but every second user who was on no other node stays away, so that the
 * reaper has users to take offline.
 */
export async function killNode(
  { cluster, population }: World,
  node: Incarnation,
): Promise<Act & { away: string[] }> {
  const away = population.usersOnlyOn(node).filter((_, i) => i % 2 === 0);
  for (const tab of population.tabsOf(away)) tab.stayAway();
  const since = performance.now();
  await cluster.kill(node.name);
  return { since, node, away };
}

/** Starts a node again, under a new process id, and reconnects the users who stayed away. */
export async function restartNode(
  { cluster, population }: World,
  name: string,
  away: readonly string[],
  signal: AbortSignal,
): Promise<Act> {
  const since = performance.now();
  const node = await cluster.start(name, signal);
  await population.open(population.tabsOf(away), signal);
  return { since, node };
}

/** Ends a node with SIGTERM. Its clients connect to another one within their grace. */
export async function drainNode({ cluster }: World, node: Incarnation): Promise<Act> {
  const since = performance.now();
  await cluster.drain(node.name);
  return { since, node };
}
