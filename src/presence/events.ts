/**
 * The events of a presence: who listens, and telling them. A listener that throws, or whose promise rejects, stops nothing
 * and nobody else.
 */
import type { Change } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import type { Logger } from "../core/options.ts";
import type { Gap } from "../follow/mirror.ts";

/** The events of a presence, with what their listeners are given. */
export interface PresenceEvents {
  /** A user became present: the first socket anywhere. Once per change on every node. */
  online: [user: string, change: Change];
  /** A user became absent, whatever the cause, a crashed process included. Once per change on every node. */
  offline: [user: string, change: Change];
  /**
   * Changes may have been lost that will not be told: `online` and `offline` no longer add up to who is online. Only without
   * a mirror, that is with more than `mirrorMax` users; with it what was lost is told with the cause `resync`.
   */
  gap: [gap: Gap];
  /**
   * Something failed that Rollcall goes on trying (REDIS_UNAVAILABLE), an input it could not use (USER_INVALID,
   * USER_FUNCTION_FAILED), a listener that threw or rejected (LISTENER_FAILED), or a bug in Rollcall (INTERNAL). Once per
   * state, not per retry. Without a listener it is logged; it never throws.
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

  /** `changed` is called after each listener that came or went. */
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

  /** Of a listener that was added twice, the later one. */
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

  /** Calls those who listen now, in the order in which they were added. Never throws. */
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

  /** Tells `error`, or logs it where nobody listens. Never throws. */
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
