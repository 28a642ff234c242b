/**
 * Projectors that are no recorder, in virtual time: the loop of src/projector/loop.ts, woken by the log and by deadlines, and the
 * sweep that a scheduler starts now and then.
 */
import type { ReadMode } from "../../src/core/options.ts";
import { projectorOver } from "../../src/projector/projector.ts";
import type { Host } from "./host.ts";
import type { Link } from "./link.ts";
import type { Random } from "../../rig/random.ts";
import { backoff } from "../../src/core/backoff.ts";
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

const HOLD_MS = 3_000;
const SOONEST_MS = 5;
const LATEST_MS = 2 ** 31 - 1;

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
    const projector = projectorOver(link, { prefix, budget, read, name: host.name, now: () => 0 });
    let failures = 0;
    let failedAt = -Infinity;
    for (;;) {
      try {
        const held = Math.max(0, Math.max(failedAt, link.reconnectedAt) + HOLD_MS - host.world.now);
        const result = await projector.step(0, { reap: held === 0 });
        failures = 0;
        if (result.more) continue;
        const wait = result.due === null ? LATEST_MS : Math.max(result.due - result.now, held, SOONEST_MS);
        if (!this.#rung) await host.sleep(wait);
        this.#rung = false;
      } catch (error) {
        mustBeRedis(error);
        failures++;
        await host.pause(backoff(failures, () => random.next()));
        failedAt = host.world.now;
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
  const projector = projectorOver(link, { prefix, budget, read, name: host.name, now: () => 0, clock });
  for (;;) {
    await host.pause(ms);
    try {
      await projector.sweep();
    } catch (error) {
      mustBeRedis(error);
    }
  }
}
