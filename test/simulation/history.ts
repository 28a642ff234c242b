/**
 * One history: its plan is carried out with everything checked after every call of the projector; then faults end, every live
 * process sends heartbeats, and the projection must reach the truth by a known time and stay there.
 */
import type { PipelinePort } from "../../src/redis/port.ts";
import { CHECK_IDLE_MS, FENCED_LEASES, SCOPES_CHECKED, SUBSCRIBER_CHECK_MS } from "../../src/core/limits.ts";
import { Cluster } from "./cluster.ts";
import { type FaultCounts, hold, Violation } from "./faults.ts";
import type { State } from "./inspect.ts";
import { checkScopeTruth, checkTruth, type Node } from "./node.ts";
import type { Plan } from "./plan.ts";
import { TRACKS } from "./rooms.ts";
import { Server } from "./server.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly plan: Plan;
  /** undefined: the history held. */
  readonly violation: Violation | undefined;
  readonly at: number;
  /** What happened last. */
  readonly trace: readonly string[];
  readonly events: number;
  readonly calls: number;
  /** Calls after which somebody had the turn. */
  readonly turns: number;
  /** Calls of subscribers' scripts, deliveries handled and gaps. */
  readonly served: number;
  readonly handled: number;
  readonly gaps: number;
  /** As Server.refused and Server.setAside. */
  readonly refused: number;
  readonly setAside: number;
  readonly injected: FaultCounts;
}

/** A late copy of a request arrives, at the latest, this long after it was sent, ms. */
const LATE_MS = 6_000;
const HOLD_MS = 3_000;
/** A connection is given up, made again, and a failing loop tries again, ms. */
const RETRY_MS = 5_000 + 2_000 + 3_200;

/** Invariants of keys that may be gone without anybody's asking for them. */
const ADDS_UP = new Set(["INV-1", "INV-16"]);

/** By when everything must be right after the faults ended. */
function calmMs({ ttl, grace, sweepEvery }: Plan): number {
  // A recorder learns of its loss with a heartbeat that is folded, and with the next one it states what it has.
  const learns = 3 * Math.ceil(ttl / 3) + 2 * sweepEvery;
  // Whoever died last appended, or a copy of a record of his arrived late; his lease runs out, and somebody looks. Fenced, he
  // has a few leases.
  const dies = LATE_MS + FENCED_LEASES * ttl + sweepEvery + HOLD_MS;
  return RETRY_MS + learns + dies + ttl + grace;
}

export async function runHistory(plan: Plan, port: PipelinePort, prefix: string): Promise<Outcome> {
  const world = new World();
  const server = new Server(world, port, prefix);
  const cluster = new Cluster(world, server, plan, prefix);
  for (const event of plan.events) world.after(event.at, () => cluster.happen(event));
  let violation: Violation | undefined;
  try {
    await world.runUntil(plan.end);
    cluster.calm();
    const living = cluster.nodes.filter((node) => node.open);
    const made = new Map(living.map(({ recorder: { journal } }) => [journal.process, journal.seq]));
    await world.runUntil(plan.end + LATE_MS);
    const state = await untilCalm(world, server, living, plan, made);
    // With some who track and some who do not it is the last that registered, dead or alive.
    if (living.length > 0 && cluster.nodes.every(({ recorder }) => recorder.tracks))
      hold("INV-16", "what is tracked", state.scopes.tracks, TRACKS);
    world.note("calm");
    await world.runUntil(world.now + plan.ttl);
    const still = await server.state();
    checkStill(state, still, living);
    if (server.told.size > 0) await untilTold(world, server, cluster);
  } catch (error) {
    if (!(error instanceof Violation)) {
      throw new Error(`the simulation itself failed in the history of seed ${plan.seed}`, { cause: error });
    }
    violation = error;
  } finally {
    await server.close();
  }
  const { now, trace, events } = world;
  const { calls, turns, refused, setAside, served } = server;
  const told = [...server.told.values()];
  return {
    plan,
    violation,
    at: now,
    trace,
    events,
    calls,
    turns,
    served,
    handled: told.reduce((all, { handled }) => all + handled, 0),
    gaps: told.reduce((all, { gaps }) => all + gaps, 0),
    refused,
    setAside,
    injected: cluster.injected,
  };
}

/**
 * The first state that is right and has nothing in it that must still come to light; the violation of the last one looked
 * at, when none is in time. `made`: the last seq of each process when faults ended.
 */
async function untilCalm(
  world: World,
  server: Server,
  living: readonly Node[],
  plan: Plan,
  made: ReadonlyMap<string, number>,
): Promise<State> {
  for (;;) {
    const state = await server.state();
    try {
      checkCalm(state, living);
      // What the dead appended last may lie in the log still, and their leases begin with it.
      hold("INV-5", "who is dead and in the log", server.unfolded(ids(living)), []);
      // A loss shows with the next record that is folded: only that one proves that there was none.
      const silent = ids(living).filter(
        (id) => (server.oracle.processes.get(id)?.seq ?? 0) <= (made.get(id) ?? 0),
      );
      hold("INV-6", "who was not heard since", silent, []);
      return state;
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      // What no record names is compared this often where nothing happens, some scopes at a time.
      const looks = Math.ceil(Object.keys(state.scopes.scores).length / SCOPES_CHECKED) || 1;
      const isLate = server.hasLost && ADDS_UP.has(error.invariant);
      // And once that has found something, everybody registers again.
      const since = Math.max(plan.end, server.hasLost ? server.rebuiltAt : 0);
      if (world.now >= since + calmMs(plan) + (isLate ? looks * CHECK_IDLE_MS : 0)) throw error;
    }
    await world.runUntil(world.now + plan.ttl / 2);
  }
}

/** Another's turn is over, what failed is due, who could register has, and what was last compared was a minute ago. */
const TOLD_MS = 10_000 + 5_000 + 15_000 + 2 * SUBSCRIBER_CHECK_MS + 10_000;
const LOOK_MS = 3_000;

/** INV-14: what subscribers were told adds up to who is present. Nobody comes or goes any more. */
async function untilTold(world: World, server: Server, cluster: Cluster): Promise<void> {
  cluster.freeze();
  world.note("frozen");
  const latest = world.now + TOLD_MS;
  for (;;) {
    await world.runUntil(world.now + LOOK_MS);
    const present = [...(await server.state()).users.keys()].sort();
    const left = [...server.told.values()].filter((told) => !told.isAtRest(present));
    if (left.length > 0 && world.now < latest) continue;
    for (const told of server.told.values()) told.check(present);
    return;
  }
}

function ids(nodes: readonly Node[]): string[] {
  return nodes.map((node) => node.recorder.journal.process).sort();
}

function checkCalm(state: State, living: readonly Node[]): void {
  const registered = ids(living);
  hold("INV-1", "processes known", state.processes.size, state.leases.size + state.ended.size);
  hold("INV-1", "whether all processes are described", state.described >= state.leases.size, true);
  hold("INV-5", "who holds a lease", [...state.leases.keys()].sort(), registered);
  for (const id of registered) hold("INV-6", `the state of ${id}`, state.processes.get(id)?.state, "live");
  hold("INV-5", "users in grace", [...state.leaving.keys()], []);
  const anonymous = registered.reduce((sum, id) => sum + state.processes.get(id)!.anonymous, 0);
  checkTruth(living, state.users, anonymous);
  checkScopesCalm(state, living);
}

function checkScopesCalm({ scopes, clearing }: State, living: readonly Node[]): void {
  hold("INV-16", "whether scopes are being deleted", clearing, false);
  checkScopeTruth(living, scopes);
  hold("INV-5", "who lingers in scopes", Object.keys(scopes.lingering), []);
}

/** INV-6: nothing more is reaped, fenced or registered again. */
function checkStill(before: State, after: State, living: readonly Node[]): void {
  checkCalm(after, living);
  const { reaped, fenced } = after.totals;
  hold(
    "INV-6",
    "how many were ever reaped and fenced",
    [reaped, fenced],
    [before.totals.reaped, before.totals.fenced],
  );
  hold("INV-6", "who holds a lease", [...after.leases.keys()].sort(), [...before.leases.keys()].sort());
}
