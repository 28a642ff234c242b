/**
 * Tells the states of failure of one process: a line in the log and an `error` when one begins, and a line when it is over.
 */
import { isLasting, type PresenceError, told } from "./errors.ts";
import type { LogFields, Logger } from "./options.ts";
import { type Outage, Outages, type Reporter, type Told } from "./outages.ts";

export interface OutageLogOptions {
  readonly logger: Logger;
  /** Called when a state begins. Must not throw. */
  readonly onError: (error: PresenceError) => void;
  readonly runtime: {
    now(): number;
    after(ms: number, then: () => void): () => void;
  };
  /** The id of this process, for the log. */
  readonly process?: (() => string | undefined) | undefined;
}

const NOTE_MS = 10_000;

export class OutageLog {
  readonly #own: OutageLogOptions;
  readonly #outages = new Outages();
  readonly #noted = new Map<string, number>();
  #cancel: (() => void) | undefined;
  #dueAt: number | undefined;
  #closed = false;

  constructor(options: OutageLogOptions) {
    this.#own = options;
  }

  /** Never throws. */
  failed(reporter: Reporter, failure: PresenceError): void {
    if (!this.#closed) this.#tell(this.#outages.failed(reporter, failure, this.#now));
  }

  worked(reporter: Reporter): void {
    if (this.#outages.isEmpty) return;
    this.#outages.worked(reporter, this.#now);
    this.#wait();
  }

  gone(reporter: Reporter): void {
    if (this.#outages.isEmpty) return;
    this.#outages.gone(reporter, this.#now);
    this.#wait();
  }

  /** A failure that ends by not being repeated for `quiet` ms. `key` names its kind. */
  occurred(key: string, reporter: Reporter, failure: PresenceError, quiet: number): void {
    if (!this.#closed) this.#tell(this.#outages.occurred(key, reporter, failure, this.#now, quiet));
  }

  /** A line that is no failure, or none of its own: what befalls several parts at once is told once in NOTE_MS. `kind` names it. */
  note(kind: string, level: "info" | "warn", message: string, fields: LogFields): void {
    const now = this.#now;
    if (this.#closed || now < (this.#noted.get(kind) ?? -Infinity) + NOTE_MS) return;
    this.#noted.set(kind, now);
    this.#own.logger[level](message, fields);
  }

  /** Why something does not work now: the failure that has lasted longest; undefined: all works, as far as is known. */
  get cause(): PresenceError | undefined {
    return this.#outages.failures[0];
  }

  /** What is over is told; what lasts is not told again. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // That a listener has not failed since says nothing.
    const over = this.#outages.tick(Infinity).filter(({ is }) => is === "over");
    this.#tell(over.filter(({ outage }) => outage.failure.code !== "LISTENER_FAILED"));
    this.#cancel?.();
  }

  get #now(): number {
    return this.#own.runtime.now();
  }

  #tell(some: readonly Told[]): void {
    for (const one of some) {
      const fields = this.#fieldsOf(one);
      if (one.is === "begun") {
        const { failure, reporter } = one.outage;
        // What may pass by itself, and what somebody has to see to.
        const level = failure.code === "REDIS_UNAVAILABLE" ? "warn" : "error";
        this.#own.logger[level](lineOf(one.outage), fields);
        if (reporter.isLoggedOnly !== true) this.#own.onError(failure);
      } else this.#own.logger.info(endOf(one.outage, one.ms), fields);
    }
    this.#wait();
  }

  #wait(): void {
    const { next } = this.#outages;
    if (this.#closed || next === this.#dueAt) return;
    this.#cancel?.();
    this.#dueAt = next;
    if (next === undefined) return;
    this.#cancel = this.#own.runtime.after(next - this.#now, () => {
      this.#dueAt = undefined;
      this.#tell(this.#outages.tick(Math.max(next, this.#now)));
    });
  }

  #fieldsOf(one: Told): LogFields {
    const { failure, reporter, attempts } = one.outage;
    const { reason, host, port, address } = failure.details;
    const isShared = failure.code === "REDIS_UNAVAILABLE";
    const all = {
      code: failure.code,
      reason,
      host,
      port,
      address: host === undefined ? address : undefined,
      shard: isShared ? undefined : reporter.shard,
      process: this.#own.process?.(),
      ...(one.is === "over" ? { ms: Math.round(one.ms), attempts } : {}),
    };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  }
}

function lineOf({ reporter, failure }: Outage): string {
  // That Redis is away is no failure of one part alone.
  if (failure.code === "REDIS_UNAVAILABLE") return told(failure);
  const still = reporter.still === undefined || !isLasting(failure) ? "" : `; ${reporter.still}`;
  return `${reporter.cannot}: ${told(failure)}${still}`;
}

function endOf({ reporter, failure, attempts }: Outage, ms: number): string {
  const { code, details } = failure;
  const place = details.address === undefined ? "" : ` at ${details.address}`;
  const what = code === "REDIS_UNAVAILABLE" ? `Redis${place} can be used again` : reporter.again;
  const failures = attempts === 1 ? "1 failure" : `${attempts} failures`;
  return `${what} after ${(ms / 1_000).toFixed(1)} s and ${failures}`;
}
