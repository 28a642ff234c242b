/**
 * Projectors outside a recorder, in virtual time: the loop of src/projector/loop.ts, woken by the log and by deadlines, and the
 * sweep that a scheduler starts now and then.
 */
import type { ReadMode } from "../../src/projector/options.ts";
import { projectorOver } from "../../src/projector/projector.ts";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import type { Random } from "../../rig/random.ts";
import { backoff } from "../../src/core/backoff.ts";
import { HOLD_MS, SOONEST_MS } from "../../src/core/limits.ts";
import { Schedule, waitUntil } from "../../src/core/schedule.ts";
import { mustBeRedis } from "./recorder.ts";
import { EPOCH_MS } from "./server.ts";

export interface ProjectorOptions {
  readonly host: Host;
  readonly link: Link;
  readonly random: Random;
  readonly prefix: string;
  readonly budget: number;
  readonly read: ReadMode;
}

export class Loop {
  readonly #options: ProjectorOptions;
  #rung = false;

  constructor(options: ProjectorOptions) {
    this.#options = options;
  }

  /** A record was appended. A ring while awake counts for the next sleep. */
  ring(): void {
    this.#rung = true;
    this.#options.host.wake();
  }

  async run(): Promise<void> {
    const { host, link, random, prefix, budget, read } = this.#options;
    link.onReconnect = () => this.ring();
    const projector = projectorOver(link, { prefix, budget, read }, { now: () => 0 });
    const schedule = new Schedule({ hold: HOLD_MS, soonest: SOONEST_MS, spread: 0 });
    let failures = 0;
    for (;;) {
      try {
        schedule.lost(link.reconnectedAt);
        const result = await projector.step(0, { reap: schedule.mayReap(host.world.now) });
        failures = 0;
        if (result.more) continue;
        const { now } = host.world;
        schedule.answered(result, now, 0);
        if (!this.#rung) await host.sleep(waitUntil(schedule.next, now));
        this.#rung = false;
      } catch (error) {
        mustBeRedis(error);
        failures++;
        await host.pause(backoff(failures, () => random.next()));
        schedule.lost(host.world.now);
      }
    }
  }
}

/** Sweeps do not hold: they may come minutes apart. One that fails leaves the rest to the next. */
export async function sweepEvery(
  ms: number,
  { host, link, prefix, budget, read }: ProjectorOptions,
): Promise<void> {
  // Its own clock knows nothing of the jumps of that of Redis.
  const clock = () => EPOCH_MS + host.world.now;
  const projector = projectorOver(link, { prefix, budget, read }, { now: () => 0, clock });
  for (;;) {
    await host.pause(ms);
    try {
      await projector.sweep();
    } catch (error) {
      mustBeRedis(error);
    }
  }
}
