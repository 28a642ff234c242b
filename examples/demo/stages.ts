/** The stages of `--once`, in order: what happens in each, and what is checked besides the figures. */
import { drainNode, killNode, restartNode } from "./acts.ts";
import type { Told } from "./messages.ts";
import type { World } from "./world.ts";

export interface Stage {
  readonly name: string;
  /** Runs the stage; resolves with the time from which it is measured, performance.now(). */
  readonly act: () => Promise<number>;
  /** How many processes must be reaped, default 0: a live process never is, and one that says goodbye need not be. */
  readonly reaps?: number;
  /** The cause that every `offline` of the stage must have. */
  readonly offlineCause?: Told["cause"];
}

export function stagesOf(world: World, signal: AbortSignal): Stage[] {
  const { population, cluster } = world;
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
        // Close and drop tabs of different users: a user whose last open tab says goodbye while another one is down has left.
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
      reaps: 1,
      offlineCause: "reap",
    },
    {
      name: `${second!.name} restarted`,
      act: async () => (await restartNode(world, second!.name, away, signal)).since,
    },
    {
      name: `${third!.name} drained`,
      act: async () => (await drainNode(world, third!)).since,
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
