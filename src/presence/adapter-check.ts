/**
 * Warns when Socket.IO reaches only this process although others are live: without an adapter for several servers, whatever is sent to
 * a user's sockets ends at this process, silently.
 */
import type { Server } from "socket.io";
import { ADAPTER_LOOK_MS } from "../core/limits.ts";
import type { Logger } from "../core/options.ts";
import type { ProcessesAnswer } from "../reader/types.ts";

export interface AdapterCheckOptions {
  readonly io: Server;
  /** What this process is called in the projection. */
  readonly host: string;
  readonly pid: number;
  readonly processes: () => Promise<Pick<ProcessesAnswer, "processes">>;
  readonly logger: Pick<Logger, "info" | "warn">;
  /** A monotonic clock, ms. */
  readonly now: () => number;
}

export class AdapterCheck {
  readonly #own: AdapterCheckOptions;
  #lookAt = -Infinity;
  #isLooking = false;
  /** Looks in a row that found it alone: one proves nothing, since an adapter that has just started does not know the others yet. */
  #alone = 0;
  #isWarned = false;

  constructor(options: AdapterCheckOptions) {
    this.#own = options;
  }

  /** Looks, unless it has within ADAPTER_LOOK_MS. Never rejects. */
  async heartbeat(): Promise<void> {
    const now = this.#own.now();
    if (this.#isLooking || now < this.#lookAt) return;
    this.#lookAt = now + ADAPTER_LOOK_MS;
    this.#isLooking = true;
    try {
      await this.#look();
    } catch {
      // Redis or the adapter does not answer: that is reported where it matters, and says nothing about this.
    } finally {
      this.#isLooking = false;
    }
  }

  async #look(): Promise<void> {
    const { io, host, pid, processes } = this.#own;
    const others = (await processes()).processes.filter(
      (one) => one.state === "live" && (one.host !== host || one.pid !== pid),
    );
    // Of the main namespace: the others exist on a server once a client has come.
    const { adapter } = io.sockets;
    if (others.length === 0 || (await adapter.serverCount()) > 1) return this.#reaches();
    this.#alone++;
    if (this.#alone < 2 || this.#isWarned) return;
    this.#isWarned = true;
    this.#own.logger.warn(
      `socketsOf() and onlyOne reach the sockets of this process only, but ${others.length} other ` +
        `process${others.length === 1 ? " is" : "es are"} live: Socket.IO's adapter (${adapter.constructor.name}) finds no other server. ` +
        "Install one for several servers on all of them, such as @socket.io/redis-adapter",
    );
  }

  #reaches(): void {
    this.#alone = 0;
    if (this.#isWarned) this.#own.logger.info("socketsOf() and onlyOne reach the other processes again");
    this.#isWarned = false;
  }
}
