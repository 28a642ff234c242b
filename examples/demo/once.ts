/** Runs the stages once, checking each before the next begins. */
import { type Difference, difference, exactlyOnceProblem, type Tally } from "./changes.ts";
import { settle } from "./checks.ts";
import { type Incarnation, pidsOf } from "./cluster.ts";
import { DemoError } from "./errors.ts";
import { seconds, until } from "../../rig/pace.ts";
import { type Stage, stagesOf } from "./stages.ts";
import type { Connection } from "./tab.ts";
import type { World } from "./world.ts";

/** For the slowest part of a stage, without waiting for a lease, ms. */
const SETTLE_TIMEOUT_MS = 10_000;
const EVENTS_TIMEOUT_MS = 10_000;

/** Runs and prints the stages. Rejects with DemoError at the first check that fails. */
export async function playOnce(
  world: World,
  tally: Tally,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<void> {
  const totals = { online: 0, offline: 0 };
  const known = new Set(world.cluster.up);
  for (const stage of stagesOf(world, signal)) {
    const { figures, changes } = await play(stage, world, tally, signal);
    totals.online += changes.online.size;
    totals.offline += changes.offline.size;
    print(
      [
        `ok  ${stage.name.padEnd(22)}`,
        `users ${pad(figures.users)}`,
        `sockets ${pad(figures.sockets)}`,
        `connections ${pad(figures.connections)}`,
        `online ${pad(changes.online.size)}`,
        `offline ${pad(changes.offline.size)}`,
        seconds(figures.ms).padStart(7),
      ].join("  "),
    );
    const started = world.cluster.up.filter((node) => !known.has(node));
    if (started.length > 0) print(`pids ${pidsOf(started).join(" ")}`);
    for (const node of started) known.add(node);
  }
  const problem = tally.alternationProblem();
  if (problem !== null) throw new DemoError(problem);
  print(
    `In every stage the figures of reader and edge equalled those of the clients, and every node received every ` +
      `change exactly once: ${totals.online} online, ${totals.offline} offline.`,
  );
}

const pad = (n: number) => String(n).padStart(4);

async function play(stage: Stage, world: World, tally: Tally, signal: AbortSignal) {
  const { population, cluster, reader, options } = world;
  const before = population.truth().users;
  const marks = new Map(cluster.up.map((node) => [node, tally.heard(node).length]));
  const told = new Map<Connection, Connection["heard"]>();
  for (const { connection } of population.tabs)
    if (connection !== undefined) told.set(connection, { ...connection.heard });
  try {
    const { reaped } = await reader.totals();
    const since = await stage.act();
    const timeout = SETTLE_TIMEOUT_MS + options.ttl;
    const figures = await settle(world, { since, timeout, signal });
    const { reaps = 0, offlineCause } = stage;
    const reapedNow = (await reader.totals()).reaped - reaped;
    if (reapedNow !== reaps) throw new DemoError(`${reapedNow} processes were reaped instead of ${reaps}`);
    const changes = difference(before, population.truth().users);
    let problem: string | null = null;
    const isHeard = () => {
      problem = nodesProblem(cluster.up, marks, tally, changes);
      return problem === null;
    };
    if (!(await until(isHeard, { timeout: EVENTS_TIMEOUT_MS, signal }))) throw new DemoError(problem!);
    await allTold(world);
    problem = clientsProblem(world, told, changes);
    if (problem !== null) throw new DemoError(problem);
    checkCauses(cluster.up, marks, tally, offlineCause);
    return { figures, changes };
  } catch (error) {
    if (error instanceof DemoError)
      throw new DemoError(`stage "${stage.name}": ${error.message}`, { cause: error });
    throw error;
  }
}

/** Checks that every node that is up received every change exactly once since its mark, or since it started. */
function nodesProblem(
  up: readonly Incarnation[],
  marks: Map<Incarnation, number>,
  tally: Tally,
  changes: Difference,
) {
  for (const node of up) {
    const problem = exactlyOnceProblem(tally.heard(node, marks.get(node)), changes);
    if (problem !== null) return `${node.name}: ${problem}`;
  }
  return null;
}

/**
 * Waits until every client has received all that its node has sent. This includes clients that connected in this stage: what
 * arrives later would be counted in the next stage.
 */
async function allTold({ population }: World): Promise<void> {
  const asked = population.tabs.map(async ({ connection }) => {
    if (connection === undefined) return;
    try {
      await connection.allTold(EVENTS_TIMEOUT_MS);
    } catch (cause) {
      const { name } = connection.node;
      throw new DemoError(`a client on ${name} had no answer within ${EVENTS_TIMEOUT_MS} ms`, { cause });
    }
  });
  await Promise.all(asked);
}

/** Checks that every client connected throughout the stage was told of every change exactly once. */
function clientsProblem(
  { population }: World,
  told: Map<Connection, Connection["heard"]>,
  changes: Difference,
) {
  for (const { connection } of population.tabs) {
    const earlier = connection === undefined ? undefined : told.get(connection);
    if (connection === undefined || earlier === undefined) continue;
    for (const type of ["online", "offline"] as const) {
      const times = connection.heard[type] - earlier[type];
      const expected = changes[type].size;
      if (times !== expected)
        return `a client on ${connection.node.name} was told ${times} × ${type}, not ${expected}`;
    }
  }
  return null;
}

function checkCauses(
  up: readonly Incarnation[],
  marks: Map<Incarnation, number>,
  tally: Tally,
  cause?: string,
): void {
  if (cause === undefined) return;
  for (const node of up) {
    for (const change of tally.heard(node, marks.get(node))) {
      if (change.type === "offline" && change.cause !== cause) {
        throw new DemoError(
          `${node.name} received an offline with the cause "${change.cause}" instead of "${cause}"`,
        );
      }
    }
  }
}
