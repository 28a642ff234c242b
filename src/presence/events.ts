/**
 * The events of a presence and their listeners. A listener that throws, or whose promise rejects, does not stop the others.
 */
import type { Change } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Gap } from "../follow/mirror.ts";

/** The events of a presence and the arguments of their listeners. */
export interface PresenceEvents {
  /** A user became present: the first socket on any server. Emitted once per change on every server. */
  online: [user: string, change: Change];
  /** A user became absent, for any cause including a crashed process. Emitted once per change on every server. */
  offline: [user: string, change: Change];
  /**
   * Changes may be lost for good: `online` and `offline` no longer add up to who is online. Emitted only without a mirror,
   * that is with more than `mirrorMax` users; with one, lost changes are emitted with the cause `resync`.
   */
  gap: [gap: Gap];
  /**
   * A failure that Rollcall keeps retrying (REDIS_UNAVAILABLE), an invalid input (USER_INVALID, USER_FUNCTION_FAILED), a
   * listener that threw or rejected (LISTENER_FAILED), or a bug in Rollcall (INTERNAL). Emitted once per outage, not per
   * retry. Without a listener it is logged; it never throws.
   */
  error: [error: PresenceError];
}

export type PresenceListener<E extends keyof PresenceEvents> = (...args: PresenceEvents[E]) => unknown;

interface Listening {
  readonly listener: (...args: never[]) => unknown;
  readonly once: boolean;
}

export class Events {
  readonly #listening = new Map<keyof PresenceEvents, readonly Listening[]>();
  readonly #logger: Logger;
  readonly #changed: () => void;

  /** `changed` is called whenever a listener was added or removed. */
  constructor(logger: Logger, changed: () => void) {
    this.#logger = logger;
    this.#changed = changed;
  }

  count(event: keyof PresenceEvents): number {
    return this.#listening.get(event)?.length ?? 0;
  }

  add<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>, once: boolean): void {
    if (typeof listener !== "function")
      throw new PresenceError("OPTIONS_INVALID", `a listener must be a function, got ${typeof listener}`);
    this.#set(event, [...(this.#listening.get(event) ?? []), { listener, once }]);
  }

  /** If a listener was added twice, removes the later one. */
  remove<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>): void {
    const all = this.#listening.get(event) ?? [];
    const place = all.findLastIndex((one) => one.listener === listener);
    if (place !== -1) this.#set(event, all.toSpliced(place, 1));
  }

  clear(): void {
    this.#listening.clear();
    this.#changed();
  }

  #set(event: keyof PresenceEvents, all: readonly Listening[]): void {
    this.#listening.set(event, all);
    this.#changed();
  }

  /** Calls the current listeners in the order in which they were added. Never throws. */
  emit<E extends keyof PresenceEvents>(event: E, ...args: PresenceEvents[E]): void {
    for (const one of this.#listening.get(event) ?? []) {
      if (one.once) {
        const all = this.#listening.get(event) ?? [];
        if (!all.includes(one)) continue;
        this.#set(
          event,
          all.filter((other) => other !== one),
        );
      }
      try {
        const result = (one.listener as PresenceListener<E>)(...args);
        if (result instanceof Promise)
          result.catch((cause: unknown) => this.#failed(event, "rejected", cause));
      } catch (cause) {
        this.#failed(event, "threw", cause);
      }
    }
  }

  /** Emits `error`, or logs it if there is no listener. Never throws. */
  error(failure: PresenceError): void {
    if (this.count("error") > 0) this.emit("error", failure);
    else this.#logger.error(`${failure.code}: ${failure.message}`);
  }

  #failed(event: keyof PresenceEvents, how: string, cause: unknown): void {
    if (event === "error") {
      this.#logger.error(
        `a listener of "error" ${how} ${cause instanceof Error ? cause.name : typeof cause}`,
      );
      return;
    }
    this.error(new PresenceError("LISTENER_FAILED", `a listener of "${event}" ${how}`, { cause }));
  }
}
