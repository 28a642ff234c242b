/**
 * The Reader behind a coalescer: identical requests share one read of Redis, and the previous answer is kept for when
 * Redis does not answer.
 */
import { PresenceError } from "../core/errors.ts";
import type {
  AsOf,
  ChangesAnswer,
  Counts,
  PageOptions,
  ProcessesAnswer,
  Reader,
  Totals,
  UserAnswer,
  UsersAnswer,
  UsersPage,
} from "../reader/reader.ts";
import { within } from "../time/deadline.ts";
import { type Ask, Feed } from "./feed.ts";
import type { ResolvedAppOptions } from "./options.ts";
import { Problem, retryAfter } from "./problem.ts";
import { Coalescer } from "./coalescer.ts";

/** How long an answer is kept for when Redis does not answer, ms. */
const KEEP_MS = 60_000;
/** Most items kept: users of pages and lookups, changes, one for each other answer. */
const ITEMS_MAX = 20_000;

type Wrap = (ask: Ask) => Ask;
const asIs: Wrap = (ask) => ask;

/**
 * A reader for many callers. `wrap` wraps the read, for instance to count the requests of a stream; it is used only when a
 * caller's read is really made and not shared with another.
 */
export class CoalescedReader {
  readonly feed: Feed;
  readonly #ask: Ask;
  readonly #coalescer: Coalescer;

  constructor({ reader, timeout, reuse }: ResolvedAppOptions) {
    this.#ask = (question) => within(timeout, question(reader));
    this.#coalescer = new Coalescer({ reuse, keep: KEEP_MS, most: ITEMS_MAX });
    this.feed = new Feed(reader.shards, this.#coalescer);
  }

  /** Like Reader.counts(), and so on: each rejects as the reader does, or as #tell describes. */
  counts(wrap = asIs): Promise<Counts> {
    return this.#tell("counts", (reader) => reader.counts(), wrap);
  }

  totals(): Promise<Totals> {
    return this.#tell("totals", (reader) => reader.totals());
  }

  page({ cursor, limit }: PageOptions): Promise<UsersPage> {
    return this.#tell(`page ${limit} ${cursor}`, (reader) => reader.page({ cursor, limit }));
  }

  user(id: string): Promise<UserAnswer> {
    return this.#tell(`user ${id}`, (reader) => reader.user(id));
  }

  lookup(ids: readonly string[]): Promise<UsersAnswer> {
    return this.#tell(`lookup ${JSON.stringify(ids)}`, (reader) => reader.lookup(ids));
  }

  processes(): Promise<ProcessesAnswer> {
    return this.#tell("processes", (reader) => reader.processes());
  }

  changes(after: string | undefined, wrap = asIs): Promise<ChangesAnswer> {
    return this.feed.since(after, wrap(this.#ask));
  }

  /** The wrapped read, for a caller that uses the feed directly. */
  askWith(wrap: Wrap): Ask {
    return wrap(this.#ask);
  }

  /** Problem 503 with the last answer, marked stale, when Redis does not answer and there is a recent one. */
  async #tell<T extends { readonly asOf: AsOf }>(
    key: string,
    question: (reader: Reader) => Promise<T>,
    wrap = asIs,
  ): Promise<T> {
    try {
      return await this.#coalescer.get(key, () => wrap(this.#ask)(question));
    } catch (error) {
      const last = this.#coalescer.recent(key) as T | undefined;
      const isAway = error instanceof PresenceError && error.code === "REDIS_UNAVAILABLE";
      if (!isAway || last === undefined) throw error;
      throw new Problem(503, "REDIS_UNAVAILABLE", "Redis does not answer; `last` is the previous answer", {
        headers: retryAfter,
        members: { last: { ...last, asOf: { ...last.asOf, stale: true } } },
        cause: error,
      });
    }
  }
}
