/** The endless version: steady, a node killed, healed, restarted, another one drained, restarted, and so on. */
import { drainNode, killNode, restartNode } from "./acts.ts";
import { settle } from "./checks.ts";
import { churn } from "./churn.ts";
import type { Incarnation } from "./cluster.ts";
import type { Told } from "./messages.ts";
import { pause, seconds, until } from "../../rig/pace.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import { GRACE_MS, type World } from "./world.ts";

/** How long a caption stays on the screen, ms. */
const LOOK_MS = 5_000;
const STEADY_MS = 8_000;
const REFRESH_MS = 400;
const SETTLE_TIMEOUT_MS = 15_000;

export interface LiveOptions {
  readonly world: World;
  readonly signal: AbortSignal;
  /** The last changes, newest first. */
  readonly changes: () => readonly Told[];
  readonly show: (snapshot: Snapshot, caption: string) => void;
}

/** Runs until the signal fires, then rejects with its reason; with DemoError when presence does not heal. */
export async function playLive({ world, signal, changes, show }: LiveOptions): Promise<never> {
  let caption = () => "The users open their tabs.";
  const isCalm = { now: true };
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);

  async function watch(): Promise<never> {
    for (;;) {
      const snapshot = await takeSnapshot(world, changes());
      either.throwIfAborted();
      show(snapshot, caption());
      await pause(REFRESH_MS, either);
    }
  }

  const parts = [
    watch(),
    churn(world.population, isCalm, either),
    story(world, isCalm, (told) => (caption = told), either),
  ];
  for (const part of parts) part.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(parts);
  throw either.reason;
}

async function story(
  world: World,
  isCalm: { now: boolean },
  tell: (caption: () => string) => void,
  signal: AbortSignal,
): Promise<never> {
  const { cluster, population, options } = world;
  const { ttl } = options;

  /** Stops the churn and waits until all tabs are reconnected, so that the figures can be compared exactly. */
  async function calm(): Promise<void> {
    isCalm.now = true;
    await until(() => population.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal });
    await settle(world, { since: 0, timeout: SETTLE_TIMEOUT_MS, signal });
  }
  const healed = async (since: number) =>
    seconds((await settle(world, { since, timeout: SETTLE_TIMEOUT_MS + ttl + GRACE_MS, signal })).ms);
  /** The node with the most sockets. */
  function busiest(): Incarnation {
    const { socketsOf } = population.truth();
    return cluster.up.sort((a, b) => (socketsOf.get(b) ?? 0) - (socketsOf.get(a) ?? 0))[0]!;
  }
  const show = async (text: string, ms: number) => {
    tell(() => text);
    await pause(ms, signal);
  };

  await population.open(population.tabs, signal);
  await until(() => population.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal });
  for (;;) {
    isCalm.now = false;
    await show("Steady: tabs open, close and reconnect all the time, and the figures agree.", STEADY_MS);

    await calm();
    const victim = busiest();
    const { since, away } = await killNode(world, victim);
    const leaseEnd = since + ttl;
    tell(() => {
      const left = Math.max(0, leaseEnd - performance.now());
      return `${victim.name} got SIGKILL. Its sockets are counted until its lease expires, in ${seconds(left)} at most.`;
    });
    const healedIn = await healed(since);
    isCalm.now = false;
    await show(
      `Healed ${healedIn} after SIGKILL (lease ${seconds(ttl)}); ${away.length} users who did not reconnect are offline.`,
      LOOK_MS,
    );

    tell(() => `${victim.name} restarts under a new process id.`);
    await restartNode(world, victim.name, away, signal);
    await show(`${victim.name} is back, and so are the ${away.length} users.`, LOOK_MS);

    await calm();
    const drained = busiest();
    tell(() => `${drained.name} got SIGTERM and says goodbye. Its users stay online while they reconnect.`);
    const { since: drainedAt } = await drainNode(world, drained);
    const movedIn = await healed(drainedAt);
    isCalm.now = false;
    await show(
      `${drained.name} is drained: its clients have reconnected, and the figures agreed again after ${movedIn}.`,
      LOOK_MS,
    );
    await restartNode(world, drained.name, [], signal);
    await show(`${drained.name} is back after its restart.`, LOOK_MS);
  }
}
