/** The stages of `--once`, in order: what happens in each, and what has to be true of it besides the figures. */
import { drainNode, killNode, restartNode } from "./acts.ts";
import type { Told } from "./messages.ts";
import type { World } from "./world.ts";

export interface Stage {
  readonly name: string;
  /** Makes it happen; resolves with the moment from which time is taken, performance.now(). */
  readonly act: () => Promise<number>;
  /** How many processes have to be reaped in it, default 0: who is alive never, who says goodbye has no need of it. */
  readonly reaps?: number;
  /** What every `offline` of the stage has to be caused by. */
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
