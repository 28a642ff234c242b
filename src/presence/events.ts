/**
 * The events of a presence and their listeners. A listener that throws, or whose promise rejects, does not stop the others.
 */
import type { Change } from "../core/change.ts";
import { listenerFailed, PresenceError, told } from "../core/errors.ts";
import { LISTENER_QUIET_MS } from "../core/limits.ts";
import { type Logger, quiet } from "../core/options.ts";
import type { OutageLog } from "../core/outage-log.ts";
import type { Reporter } from "../core/outages.ts";
import type { Gap } from "../follow/mirror.ts";

/** One type for both, so that a listener of either may leave out what it does not use. */
type ChangeOfUser = [user: string, change: Change];

/** The events of a presence and the arguments of their listeners. */
export interface PresenceEvents {
  /** A user became present: the first socket on any server. Emitted once per change on every server. */
  online: ChangeOfUser;
  /** A user became absent, for any cause including a crashed process. Emitted once per change on every server. */
  offline: ChangeOfUser;
  /**
   * Changes may be lost for good: `online` and `offline` no longer add up to who is online. Emitted only without a mirror,
   * that is with more than `mirrorMax` users; with one, lost changes are emitted with the cause `resync`.
   */
  gap: [gap: Gap];
  /**
   * A failure that Rollcall keeps retrying (REDIS_UNAVAILABLE), an invalid input (USER_INVALID, USER_FUNCTION_FAILED), a
   * listener that threw or rejected (LISTENER_FAILED), or a bug in Rollcall (INTERNAL). Emitted once per outage, not per
   * retry. An outage is also logged, anything else only without a listener. It never throws.
   */
  error: [error: PresenceError];
}

/** The events of a namespace or room: the same for the users in it. */
export type ScopeEvents = Pick<PresenceEvents, "online" | "offline" | "gap">;

export type PresenceListener<E extends keyof PresenceEvents> = (...args: PresenceEvents[E]) => unknown;

interface Listening {
  readonly listener: (...args: never[]) => unknown;
  readonly once: boolean;
  /** Then it is not called any more, not even for the event that is being emitted. */
  isRemoved: boolean;
}

const words = (event: string, where: string): Reporter => ({
  name: `listener of ${event}${where}`,
  cannot: `a listener of "${event}"${where} fails`,
  again: `listeners of "${event}"${where} no longer fail`,
  isLoggedOnly: event === "error",
});

export class Events {
  readonly #listening = new Map<keyof PresenceEvents, readonly Listening[]>();
  readonly #logger: Logger;
  readonly #changed: () => void;
  readonly #occurred: OutageLog["occurred"];
  readonly #where: string;

  /**
   * `changed` is called whenever a listener was added or removed, `occurred` for each failure of one. `where` follows the name of an
   * event where a failure is told.
   */
  constructor(logger: Logger, changed: () => void, occurred: OutageLog["occurred"], where = "") {
    this.#where = where;
    this.#logger = logger;
    this.#changed = changed;
    this.#occurred = occurred;
  }

  count(event: keyof PresenceEvents): number {
    return this.#listening.get(event)?.length ?? 0;
  }

  /** Throws PresenceError OPTIONS_INVALID. */
  static check(listener: unknown): void {
    if (typeof listener !== "function")
      throw new PresenceError("OPTIONS_INVALID", `a listener must be a function, got ${typeof listener}`);
  }

  add<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>, once: boolean): void {
    Events.check(listener);
    this.#set(event, [...(this.#listening.get(event) ?? []), { listener, once, isRemoved: false }]);
  }

  /** If a listener was added twice, removes the later one. */
  remove<E extends keyof PresenceEvents>(event: E, listener: PresenceListener<E>): void {
    const all = this.#listening.get(event) ?? [];
    const place = all.findLastIndex((one) => one.listener === listener);
    if (place !== -1) this.#remove(event, all[place]!);
  }

  clear(): void {
    for (const all of this.#listening.values()) for (const one of all) one.isRemoved = true;
    this.#listening.clear();
    this.#changed();
  }

  #set(event: keyof PresenceEvents, all: readonly Listening[]): void {
    this.#listening.set(event, all);
    this.#changed();
  }

  #remove(event: keyof PresenceEvents, one: Listening): void {
    one.isRemoved = true;
    const all = this.#listening.get(event) ?? [];
    this.#set(
      event,
      all.filter((other) => other !== one),
    );
  }

  /**
   * Calls the listeners there are, in the order in which they were added: none that is removed meanwhile, and none that is added. Never
   * throws.
   */
  emit<E extends keyof PresenceEvents>(event: E, ...args: PresenceEvents[E]): void {
    for (const one of this.#listening.get(event) ?? []) {
      if (one.isRemoved) continue;
      if (one.once) this.#remove(event, one);
      try {
        const result = (one.listener as PresenceListener<E>)(...args);
        quiet(result, (cause) => this.#failed(event, "rejected", cause));
      } catch (cause) {
        this.#failed(event, "threw", cause);
      }
    }
  }

  /** Emits `error`, or logs it if there is no listener. Never throws. */
  error(failure: PresenceError): void {
    if (this.count("error") > 0) this.emit("error", failure);
    else this.#logger.error(told(failure), { code: failure.code });
  }

  /** One line and one `error` for all failures of listeners of an event, until there have been none for a while. */
  #failed(event: keyof PresenceEvents, how: "threw" | "rejected", cause: unknown): void {
    const failure = listenerFailed(`a listener of "${event}"${this.#where}`, how, cause);
    const reporter = words(event, this.#where);
    this.#occurred(reporter.name, reporter, failure, LISTENER_QUIET_MS);
  }
}
