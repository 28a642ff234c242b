/**
 * Reports failures by state, not by socket: the first of a kind is reported, those that follow are counted, and a heartbeat without
 * one ends the state. So ten thousand sockets whose `user` function fails are one error.
 */
import type { PresenceError } from "../../core/errors.ts";
import type { Logger } from "../../core/options.ts";

/** What can go wrong, as it is called when it is over. */
export type Kind =
  | "failures of the `user` function"
  | "answers of `user` that are no user id"
  | "answers of `user` that take too long"
  | "ids given to identify() that are no user id"
  | "calls of identify() for a socket that is not counted"
  | "failures of a function in `namespaces`"
  | "failures of a function in `rooms` or `changes`"
  | "names of rooms or namespaces that cannot be counted"
  | "sockets in more rooms than are counted"
  | "sockets in rooms beyond what a process counts"
  | "ids of sockets that cannot be kept"
  | "sockets corrected by a level check"
  | "listeners that threw when a replaced socket was disconnected"
  | "bugs in Rollcall";

interface State {
  /** Since it began, and since the last heartbeat. */
  total: number;
  recent: number;
}

export interface ReportsOptions {
  /** Must not throw. */
  readonly onError: (error: PresenceError) => void;
  readonly logger: Pick<Logger, "info" | "warn">;
}

export class Reports {
  readonly #own: ReportsOptions;
  readonly #states = new Map<Kind, State>();

  constructor(options: ReportsOptions) {
    this.#own = options;
  }

  /** `make` is called for the first of a state only. */
  error(kind: Kind, make: () => PresenceError): void {
    if (this.#begins(kind)) this.#own.onError(make());
  }

  /** As error(), for what is found again by each look while it lasts: it is counted once. */
  standing(kind: Kind, make: () => PresenceError): void {
    const state = this.#states.get(kind);
    if (state === undefined) this.error(kind, make);
    else state.recent = 1;
  }

  /** What needs no handling by the application. */
  warn(kind: Kind, message: string): void {
    if (this.#begins(kind)) this.#own.logger.warn(message);
  }

  #begins(kind: Kind): boolean {
    const state = this.#states.get(kind);
    if (state === undefined) {
      this.#states.set(kind, { total: 1, recent: 1 });
      return true;
    }
    state.total++;
    state.recent++;
    return false;
  }

  /** States without a failure since the last heartbeat are over. */
  heartbeat(): void {
    for (const [kind, state] of this.#states) {
      if (state.recent > 0) {
        state.recent = 0;
        continue;
      }
      this.#states.delete(kind);
      this.#own.logger.info(`no more ${kind}; ${state.total} in all`);
    }
  }
}
