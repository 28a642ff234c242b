/**
 * Follows the changes of namespaces and rooms that have listeners: one tail for all of them, which begins with the first and ends
 * after the last.
 */
import { pauseAfter } from "../core/backoff.ts";
import { orInternal, PresenceError } from "../core/errors.ts";
import { SCOPES_FOLLOWED_MAX, UNHEARD_MS } from "../core/limits.ts";
import type { OutageLog } from "../core/outage-log.ts";
import { viewOf } from "../core/view.ts";
import type { Followed } from "../follow/followed.ts";
import { OF_SCOPES } from "../follow/sources.ts";
import { followViews, type Views, type ViewsOptions } from "../follow/views.ts";
import { pause } from "../time/pause.ts";
import { processRuntime } from "../time/runtime.ts";
import { Events, type PresenceListener, type ScopeEvents } from "./events.ts";

export interface ScopesOptions extends Omit<ViewsOptions, "source" | "full"> {
  /** Called for each failure of a listener. */
  readonly occurred: OutageLog["occurred"];
  /** Emits `error`. Must not throw. */
  readonly onError: (error: PresenceError) => void;
  /** Called when following ends. */
  readonly ended: () => void;
  /** Resolves when this process is registered, so that the projection has what it tracks. */
  readonly registered: () => Promise<void>;
  /** Rejects with SCOPE_UNTRACKED where the changes of a scope are not told. */
  readonly checkTold: (scope: string) => Promise<unknown>;
  /** Whether this process itself has the changes of the scope told, or may. */
  readonly isTold: (scope: string) => boolean;
}

const EVENTS: ReadonlySet<string> = new Set<keyof ScopeEvents>(["online", "offline", "gap"]);

/** A scope that has listeners, or had them a moment ago. */
interface Heard {
  readonly events: Events;
  readonly followed: Followed;
  cancel: (() => void) | undefined;
}

export class ScopeListening {
  readonly #options: ScopesOptions;
  readonly #heard = new Map<string, Heard>();
  /** Those whose changes are not told, which was said. */
  readonly #said = new Set<string>();
  readonly #closing = new AbortController();
  #views: Views | undefined;
  #ending: Promise<unknown> = Promise.resolve();

  constructor(options: ScopesOptions) {
    this.#options = options;
  }

  /** Throws PresenceError OPTIONS_INVALID, and LIMIT_EXCEEDED for one scope too many. */
  add<E extends keyof ScopeEvents>(
    scope: string,
    event: E,
    listener: PresenceListener<E>,
    once: boolean,
  ): void {
    if (!EVENTS.has(event))
      throw new PresenceError(
        "OPTIONS_INVALID",
        `a namespace or room has the events online, offline and gap, not ${JSON.stringify(event)}`,
      );
    Events.check(listener);
    if (this.#closing.signal.aborted) return;
    (this.#heard.get(scope) ?? this.#follow(scope)).events.add(event, listener, once);
  }

  remove<E extends keyof ScopeEvents>(scope: string, event: E, listener: PresenceListener<E>): void {
    this.#heard.get(scope)?.events.remove(event, listener);
  }

  /** Whether changes of a scope are followed. */
  get listens(): boolean {
    return this.#views !== undefined;
  }

  /** Resolves when the current listeners receive every change from then on. */
  async ready(): Promise<void> {
    await Promise.all(Array.from(this.#heard.values(), ({ followed }) => followed.started.promise));
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const all = [...this.#heard.values()];
    // First, so that no listener that is removed starts a timer.
    this.#heard.clear();
    for (const { events, cancel } of all) {
      cancel?.();
      events.clear();
    }
    this.#end();
    await this.#ending;
  }

  #follow(scope: string): Heard {
    const { logger, occurred, max } = this.#options;
    if (this.#heard.size >= SCOPES_FOLLOWED_MAX) this.#makeRoom();
    this.#views ??= followViews({
      ...this.#options,
      source: OF_SCOPES,
      full: `more than ${max} users are in the namespaces and rooms that are followed: for some of them lost changes are only reported as a gap`,
    });
    const events: Events = new Events(logger, () => this.#review(scope), occurred, " of a namespace or room");
    const heard: Heard = {
      events,
      followed: this.#views.add(viewOf(scope), {
        onChange: (change) => events.emit(change.type, change.user, change),
        onGap: (gap) => events.emit("gap", gap),
      }),
      cancel: undefined,
    };
    this.#heard.set(scope, heard);
    // Made here, so that its stack says where the listener was added.
    const untold = new PresenceError(
      "SCOPE_UNTRACKED",
      "a listener waits for changes of a namespace or room that are not told: add it to `changes` in createPresence, on all servers",
    );
    void this.#check(scope, heard, untold);
    return heard;
  }

  /** Those without listeners go sooner when others need their place. */
  #makeRoom(): void {
    for (const [scope, { cancel }] of this.#heard) {
      if (cancel === undefined) continue;
      this.#forget(scope);
      return;
    }
    throw new PresenceError(
      "LIMIT_EXCEEDED",
      `one process can listen to ${SCOPES_FOLLOWED_MAX} namespaces and rooms: remove listeners with off(), or listen to whole namespaces`,
    );
  }

  #review(scope: string): void {
    const heard = this.#heard.get(scope);
    if (heard === undefined) return;
    const { events } = heard;
    if (events.count("online") + events.count("offline") + events.count("gap") > 0) {
      heard.cancel?.();
      heard.cancel = undefined;
    } else {
      const runtime = this.#options.runtime ?? processRuntime;
      heard.cancel ??= runtime.after(UNHEARD_MS, () => {
        this.#forget(scope);
        if (this.#heard.size === 0) this.#end();
      });
    }
  }

  #forget(scope: string): void {
    const { followed, cancel } = this.#heard.get(scope)!;
    cancel?.();
    this.#heard.delete(scope);
    this.#views?.remove(followed);
  }

  #end(): void {
    if (this.#views === undefined) return;
    const ended = this.#views.close();
    this.#views = undefined;
    this.#options.ended();
    this.#ending = Promise.all([this.#ending, ended]);
  }

  /** Emits `untold` if nobody tells the changes of the scope, once. If that changes later, they are followed all the same. */
  async #check(scope: string, heard: Heard, untold: PresenceError): Promise<void> {
    const { isTold, registered, checkTold, onError, runtime = processRuntime } = this.#options;
    const { signal } = this.#closing;
    if (this.#said.has(scope) || isTold(scope)) return;
    const isFollowed = () => !signal.aborted && this.#heard.get(scope) === heard;
    for (let failures = 0; failures === 0 || isFollowed(); failures++) {
      try {
        await registered();
        await checkTold(scope);
        return;
      } catch (error) {
        const failure = orInternal(error);
        if (!isFollowed()) return;
        if (failure.code === "SCOPE_UNTRACKED") {
          if (this.#said.size >= SCOPES_FOLLOWED_MAX) this.#said.clear();
          this.#said.add(scope);
          return onError(untold);
        }
        await pause(
          pauseAfter(failure, failures + 1, () => runtime.random()),
          signal,
          runtime,
        );
      }
    }
  }
}
