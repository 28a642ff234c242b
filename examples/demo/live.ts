/** The endless version: steady, a node killed, healed, restarted, another one drained, restarted, and so on; sooner if asked for. */
import { drainNode, killNode, restartNode } from "./acts.ts";
import { settle } from "./checks.ts";
import { churn } from "./churn.ts";
import type { Incarnation } from "./cluster.ts";
import type { Wish, Wishes } from "./keys.ts";
import type { Told } from "./messages.ts";
import { pause, seconds, until } from "../../rig/pace.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";
import { Truths } from "./truths.ts";
import { GRACE_MS, type World } from "./world.ts";

/** How long a caption stays on the screen, ms. */
const LOOK_MS = 5_000;
const STEADY_MS = 8_000;
const REFRESH_MS = 400;
const SETTLE_TIMEOUT_MS = 15_000;

export interface LiveOptions {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly wishes: Wishes;
  /** The last changes, newest first. */
  readonly changes: () => readonly Told[];
  readonly show: (snapshot: Snapshot, caption: string) => void;
}

/** Runs until the signal fires, then rejects with its reason; with DemoError when presence does not heal. */
export async function playLive({ world, signal, wishes, changes, show }: LiveOptions): Promise<never> {
  const { population } = world;
  let caption = () =>
    `The users open their tabs: ${population.truth().sockets} of ${population.tabs.length}.`;
  let isActing = false;
  const calm = {
    get now() {
      return isActing || wishes.isPaused;
    },
  };
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const truths = new Truths(population);

  async function watch(): Promise<never> {
    for (;;) {
      const snapshot = await takeSnapshot(world, truths, changes());
      either.throwIfAborted();
      show(snapshot, [caption(), ...asides(wishes)].join(" "));
      await truths.sample(REFRESH_MS, either);
    }
  }

  const parts = [
    watch(),
    churn(population, calm, either),
    story({
      world,
      wishes,
      signal: either,
      tell: (told) => (caption = told),
      act: (acting) => (isActing = acting),
    }),
  ];
  for (const part of parts) part.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(parts);
  throw either.reason;
}

function asides({ isPaused, waiting }: Wishes): string[] {
  return [
    ...(isPaused ? ["Paused: p goes on."] : []),
    ...(waiting === undefined ? [] : [`Next: ${waiting} a node.`]),
  ];
}

interface Story {
  readonly world: World;
  readonly wishes: Wishes;
  readonly tell: (caption: () => string) => void;
  /** Whether the tabs hold still, so that the figures can be compared exactly. */
  readonly act: (isActing: boolean) => void;
  readonly signal: AbortSignal;
}

async function story({ world, wishes, tell, act, signal }: Story): Promise<never> {
  const { cluster, population, options } = world;
  const { ttl } = options;

  const healed = async (since: number) =>
    seconds((await settle(world, { since, timeout: SETTLE_TIMEOUT_MS + ttl + GRACE_MS, signal })).ms);
  /** The node with the most sockets. */
  function busiest(): Incarnation {
    const { socketsOf } = population.truth();
    return cluster.up.sort((a, b) => (socketsOf.get(b) ?? 0) - (socketsOf.get(a) ?? 0))[0]!;
  }
  const show = async (text: string, ms: number) => {
    tell(() => text);
    await wishes.orLater(ms, signal);
  };

  async function kill(): Promise<void> {
    const victim = busiest();
    const { since, away } = await killNode(world, victim);
    const leaseEnd = since + ttl;
    tell(() => {
      const left = Math.max(0, leaseEnd - performance.now());
      return left > 0
        ? `${victim.name} got SIGKILL. Its sockets are counted until its lease ends, in ${seconds(left)} at most.`
        : `${victim.name} got SIGKILL. Its lease has ended, and its users are taken off.`;
    });
    const healedIn = await healed(since);
    act(false);
    const gone = `${away.length} users who did not reconnect are offline`;
    await show(`Healed ${healedIn} after SIGKILL (lease ${seconds(ttl)}); ${gone}.`, LOOK_MS);
    tell(() => `${victim.name} restarts under a new process id.`);
    await restartNode(world, victim.name, away, signal);
    await show(`${victim.name} is back, and so are the ${away.length} users.`, LOOK_MS);
  }

  async function drain(): Promise<void> {
    const drained = busiest();
    tell(() => `${drained.name} got SIGTERM and says goodbye. Its users stay online while they reconnect.`);
    const { since } = await drainNode(world, drained);
    const movedIn = await healed(since);
    act(false);
    const moved = "its clients have reconnected, and the figures agreed again";
    await show(`${drained.name} is drained: ${moved} after ${movedIn}.`, LOOK_MS);
    await restartNode(world, drained.name, [], signal);
    await show(`${drained.name} is back after its restart.`, LOOK_MS);
  }

  await population.open(population.tabs, signal);
  await until(() => population.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal });
  for (let next: Wish = "kill"; ; next = next === "kill" ? "drain" : "kill") {
    act(false);
    await show("Steady: tabs open, close and reconnect all the time, and the figures agree.", STEADY_MS);
    const wish = wishes.take();
    act(true);
    if (wish === undefined) {
      // Nobody waits for it, so it begins from figures that agree exactly.
      await until(() => population.isSettled, { timeout: SETTLE_TIMEOUT_MS, signal });
      await settle(world, { since: 0, timeout: SETTLE_TIMEOUT_MS, signal });
    } else next = wish;
    await (next === "kill" ? kill() : drain());
    await pause(0, signal);
  }
}
