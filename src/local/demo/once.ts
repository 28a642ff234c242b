/** The story once: stage by stage, each checked before the next begins. */
import { drainNode, killNode, restartNode } from "./acts.ts";
import { type Difference, difference, exactlyOnceProblem, type Tally } from "./changes.ts";
import { settle } from "./checks.ts";
import type { Incarnation } from "./cluster.ts";
import { DemoError } from "./errors.ts";
import type { Told } from "./messages.ts";
import { seconds, until } from "./pace.ts";
import type { Connection } from "./tab.ts";
import { GRACE_MS, type World } from "./world.ts";

/** For the slowest part of a stage that is not waiting for a lease or a grace, ms. */
const SETTLE_TIMEOUT_MS = 10_000;
const EVENTS_TIMEOUT_MS = 5_000;
/** A lease is found expired by a node that wakes for it, ms; most of this is for a machine that is busy. */
const INTERVAL_MS = 1_000;

interface Stage {
  readonly name: string;
  /** Makes it happen; resolves with the moment from which time is taken, performance.now(). */
  readonly act: () => Promise<number>;
  /** The counts have to be right after this long, ms. */
  readonly within?: number;
  /** What every `offline` of the stage has to be caused by. */
  readonly offlineCause?: Told["cause"];
}

/** Plays and prints the stages. Rejects with DemoError at the first check that does not hold. */
export async function playOnce(
  world: World,
  tally: Tally,
  signal: AbortSignal,
  print: (line: string) => void,
): Promise<void> {
  const totals = { online: 0, offline: 0 };
  for (const stage of stages(world, signal)) {
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
    // New processes have new ids; whoever looks after us has to know them.
    if (stage.name.endsWith("restarted")) print(`pids ${pidsOf(world.cluster.up)}`);
  }
  const problem = tally.alternationProblem();
  if (problem !== null) throw new DemoError(problem);
  print(
    `In every stage the reader and the edge gave the figures that the clients gave, and every node heard of every ` +
      `change exactly once: ${totals.online} online, ${totals.offline} offline.`,
  );
}

export function pidsOf(nodes: readonly Incarnation[]): string {
  return nodes.map(({ name, child }) => `${name}=${child.pid}`).join(" ");
}

const pad = (n: number) => String(n).padStart(4);

function stages(world: World, signal: AbortSignal): Stage[] {
  const { population, cluster, options } = world;
  const [, second, third] = cluster.nodes;
  let away: string[] = [];
  return [
    {
      name: "all connected",
      async act() {
        const since = performance.now();
        await population.open(population.tabs, signal);
        return since;
      },
    },
    {
      name: "tabs came and went",
      async act() {
        const since = performance.now();
        // Of different users: whose last open tab says goodbye while another one is lost, has left.
        population.users.forEach((user, i) => {
          const [tab] = population.tabsOf([user]);
          if (i % 5 === 0) tab!.close();
          else if (i % 7 === 0) tab!.drop();
        });
        return since;
      },
      offlineCause: "leave",
    },
    {
      name: `${second!.name} killed, healed`,
      async act() {
        const act = await killNode(world, second!);
        away = act.away;
        return act.since;
      },
      within: options.ttl + INTERVAL_MS,
      offlineCause: "reap",
    },
    {
      name: `${second!.name} restarted`,
      act: async () => (await restartNode(world, second!.name, away, signal)).since,
    },
    {
      name: `${third!.name} drained`,
      act: async () => (await drainNode(world, third!)).since,
      // Sooner than a lease runs out: it said goodbye.
      within: (options.ttl * 2) / 3,
    },
    {
      name: "all users left",
      async act() {
        const since = performance.now();
        population.leave();
        return since;
      },
      offlineCause: "leave",
    },
  ];
}

async function play(stage: Stage, world: World, tally: Tally, signal: AbortSignal) {
  const { population, cluster, options } = world;
  const before = population.truth().users;
  const marks = new Map(cluster.up.map((node) => [node, tally.heard(node).length]));
  const told = new Map<Connection, Connection["heard"]>();
  for (const { connection } of population.tabs) if (connection !== undefined) told.set(connection, { ...connection.heard });
  try {
    const since = await stage.act();
    const timeout = SETTLE_TIMEOUT_MS + options.ttl + GRACE_MS;
    const figures = await settle(world, { since, timeout, signal });
    const { within = Infinity, offlineCause } = stage;
    if (figures.ms > within) throw new DemoError(`it took ${seconds(figures.ms)} and may take ${seconds(within)}`);
    const changes = difference(before, population.truth().users);
    let problem: string | null = null;
    const isHeard = () => {
      problem = nodesProblem(cluster.up, marks, tally, changes) ?? clientsProblem(world, told, changes);
      return problem === null;
    };
    if (!(await until(isHeard, { timeout: EVENTS_TIMEOUT_MS, signal }))) throw new DemoError(problem!);
    checkCauses(cluster.up, marks, tally, offlineCause);
    return { figures, changes };
  } catch (error) {
    if (error instanceof DemoError) throw new DemoError(`stage "${stage.name}": ${error.message}`, { cause: error });
    throw error;
  }
}

/** Every node that is up heard of every change exactly once since its mark, or since it started. */
function nodesProblem(up: readonly Incarnation[], marks: Map<Incarnation, number>, tally: Tally, changes: Difference) {
  for (const node of up) {
    const problem = exactlyOnceProblem(tally.heard(node, marks.get(node)), changes);
    if (problem !== null) return `${node.name}: ${problem}`;
  }
  return null;
}

/** Every client that was connected all the while was told as often as somebody came or went. */
function clientsProblem({ population }: World, told: Map<Connection, Connection["heard"]>, changes: Difference) {
  for (const { connection } of population.tabs) {
    const earlier = connection === undefined ? undefined : told.get(connection);
    if (connection === undefined || earlier === undefined) continue;
    for (const type of ["online", "offline"] as const) {
      const times = connection.heard[type] - earlier[type];
      const expected = changes[type].size;
      if (times !== expected) return `a client on ${connection.node.name} was told ${times} × ${type}, not ${expected}`;
    }
  }
  return null;
}

function checkCauses(up: readonly Incarnation[], marks: Map<Incarnation, number>, tally: Tally, cause?: string): void {
  if (cause === undefined) return;
  for (const node of up) {
    for (const change of tally.heard(node, marks.get(node))) {
      if (change.type === "offline" && change.cause !== cause) {
        throw new DemoError(`${node.name} heard of an offline caused by "${change.cause}", not by "${cause}"`);
      }
    }
  }
}
