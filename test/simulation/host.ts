/**
 * An operating-system process in the simulation. It can crash: then nothing it waits for ever happens. It can stall, as
 * after SIGSTOP or in a long garbage collection: then everything that arrives meanwhile waits until it continues.
 */
import type { Random } from "../../rig/random.ts";
import type { Runtime } from "../../src/time/runtime.ts";
import type { World } from "./world.ts";

export class Host {
  readonly world: World;
  readonly name: string;
  alive = true;
  #stalled = false;
  #deferred: (() => void)[] = [];
  #wake: (() => void) | undefined;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  get stalled(): boolean {
    return this.#stalled;
  }

  /** Runs the process's main function; what it throws ends the history. */
  start(main: () => Promise<void>): void {
    this.world.stir();
    main().catch((error: unknown) => this.world.fail(error));
  }

  /** Hands something to the process: now, when its stall ends, or never. */
  resume(run: () => void): void {
    if (!this.alive) return;
    this.world.stir();
    if (this.#stalled) this.#deferred.push(run);
    else run();
  }

  after(ms: number, run: () => void): void {
    this.world.after(ms, () => this.resume(run));
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Like `pause`, but `wake` ends it early. */
  async sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.after(ms, resolve);
    });
    this.#wake = undefined;
  }

  wake(): void {
    const wake = this.#wake;
    if (wake !== undefined) this.resume(wake);
  }

  crash(): void {
    this.alive = false;
    this.#deferred = [];
  }

  stall(): void {
    this.#stalled = true;
  }

  goOn(): void {
    this.#stalled = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) this.resume(run);
  }
}

/** What our own code takes for time and chance on this host. */
export function runtimeOf(host: Host, random: Random): Runtime {
  return {
    now: () => host.world.now,
    random: () => random.next(),
    after(ms, then) {
      let isDue = true;
      host.after(ms, () => {
        if (isDue) then();
      });
      return () => {
        isDue = false;
      };
    },
  };
}
