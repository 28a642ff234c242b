/**
 * The Reader behind a coalescer: identical requests share one read of Redis and one answer, in bytes, and the previous answer is
 * kept for when Redis does not answer. What a caller sends is checked here before it gets a key to share.
 */
import { decodePageCursor } from "../core/cursor.ts";
import { PresenceError } from "../core/errors.ts";
import { SHARED_BYTES_MAX } from "../core/limits.ts";
import { checkUser } from "../core/user.ts";
import type { AsOf, ChangesAnswer, Counts, PageOptions, Reader, Totals } from "../reader/reader.ts";
import { within } from "../time/deadline.ts";
import { type Answer, answerOf, valueOf } from "./answer.ts";
import { Coalescer } from "./coalescer.ts";
import { type Ask, Feed, weightOfChanges } from "./feed.ts";
import { FilteredAnswers } from "./filtered.ts";
import { keyOf, type Question } from "./key.ts";
import type { ResolvedAppOptions } from "./options.ts";
import { Problem, type ProblemParts, retryAfter } from "./problem.ts";

/** How long an answer is kept for when Redis does not answer, ms. */
const KEEP_MS = 60_000;

/** An answer whose value is used here as well. */
interface Told<T> extends Answer {
  readonly value: T;
}

type Wrap = (ask: Ask) => Ask;
const asIs: Wrap = (ask) => ask;

/**
 * A reader for many callers. `wrap` wraps the read, for instance to count the requests of a stream; it is used only when a
 * caller's read is really made and not shared with another.
 */
export class CoalescedReader {
  readonly feed: Feed;
  readonly #shards: number;
  readonly #ask: Ask;
  readonly #coalescer: Coalescer;
  /** The problem documents with previous answers, for as long as those are kept. */
  readonly #stale = new WeakMap<Answer, Pick<ProblemParts, "members" | "json">>();
  /** The bytes of answers about changes, for as long as the feed keeps the answer. */
  readonly #sent = new WeakMap<ChangesAnswer, Answer>();
  readonly #filtered = new FilteredAnswers();

  constructor({ reader, timeout, reuse }: ResolvedAppOptions) {
    this.#shards = reader.shards;
    this.#ask = (question) => within(timeout, question(reader));
    this.#coalescer = new Coalescer({ reuse, keep: KEEP_MS, most: SHARED_BYTES_MAX, weigh });
    this.feed = new Feed(reader.shards, this.#coalescer);
  }

  /** What is kept of all questions, for tests of the bound: their number, and about their bytes. */
  get kept(): { readonly questions: number; readonly bytes: number } {
    return { questions: this.#coalescer.size, bytes: this.#coalescer.weight };
  }

  /** Like Reader.counts(): rejects as the reader does, or as #tell describes. So do the others. */
  async counts(wrap = asIs): Promise<Counts> {
    return (await this.#told(["counts"], (reader) => reader.counts(), wrap)).value;
  }

  /** The same as counts(), to be sent. */
  countsAnswer(): Promise<Answer> {
    return this.#told(["counts"], (reader) => reader.counts());
  }

  async totals(): Promise<Totals> {
    return (await this.#told(["totals"], (reader) => reader.totals())).value;
  }

  async page({ cursor, limit }: PageOptions): Promise<Answer> {
    if (cursor !== undefined) decodePageCursor(cursor, this.#shards);
    return this.#tell(["page", cursor, limit], async (reader) =>
      answerOf(await reader.page({ cursor, limit })),
    );
  }

  async user(id: string): Promise<Answer> {
    checkUser(id);
    return this.#tell(["user", id], async (reader) => answerOf(await reader.user(id)));
  }

  async lookup(ids: readonly string[]): Promise<Answer> {
    for (const id of ids) checkUser(id);
    return this.#tell(["lookup", ...ids], async (reader) => answerOf(await reader.lookup(ids)));
  }

  processes(): Promise<Answer> {
    return this.#tell(["processes"], async (reader) => answerOf(await reader.processes()));
  }

  changes(after: string | undefined, wrap = asIs): Promise<ChangesAnswer> {
    return this.feed.since(after, wrap(this.#ask));
  }

  /** The same as changes(), to be sent; of these users only, if there are any. */
  async changesAnswer(after: string | undefined, users: readonly string[]): Promise<Answer> {
    const answer = await this.changes(after);
    if (users.length > 0) return this.#filtered.of(answer, users);
    const known = this.#sent.get(answer);
    if (known !== undefined) return known;
    const made = await answerOf(answer);
    this.#sent.set(answer, made);
    return made;
  }

  /** The wrapped read, for a caller that uses the feed directly. */
  askWith(wrap: Wrap): Ask {
    return wrap(this.#ask);
  }

  #told<T extends { readonly asOf: AsOf }>(
    question: Question,
    read: (reader: Reader) => Promise<T>,
    wrap = asIs,
  ): Promise<Told<T>> {
    const tell = async (reader: Reader) => {
      const value = await read(reader);
      return { ...(await answerOf(value)), value };
    };
    return this.#tell(question, tell, wrap);
  }

  /** Problem 503 with the last answer, marked stale, when Redis does not answer and there is a recent one. */
  async #tell<T extends Answer>(
    question: Question,
    read: (reader: Reader) => Promise<T>,
    wrap = asIs,
  ): Promise<T> {
    const key = await keyOf(question);
    try {
      return await this.#coalescer.get(key, () => wrap(this.#ask)(read));
    } catch (error) {
      const last = this.#coalescer.recent(key) as Answer | undefined;
      const isAway = error instanceof PresenceError && error.code === "REDIS_UNAVAILABLE";
      if (!isAway || last === undefined) throw error;
      throw stale({ ...this.#staleOf(last), cause: error });
    }
  }

  /** The problem document with a previous answer: in an outage everybody gets it, so it is made once. */
  #staleOf(last: Answer): Pick<ProblemParts, "members" | "json"> {
    const known = this.#stale.get(last);
    if (known !== undefined) return known;
    const value = valueOf(last);
    const asOf = { ...(value["asOf"] as object), stale: true };
    const members = { last: { ...value, asOf } };
    const made = { members, json: stale({ members }).toJson() };
    this.#stale.set(last, made);
    return made;
  }
}

function stale(parts: ProblemParts): Problem {
  const detail = "Redis does not answer; `last` is the previous answer";
  return new Problem(503, "REDIS_UNAVAILABLE", detail, { headers: retryAfter, ...parts });
}

/** Answers are bytes, with the values of a few, and in an outage the problem with them; changes are objects; everything else is a number or two. */
function weigh(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if ("bytes" in value) return 3 * (value as Answer).bytes.byteLength;
  return "changes" in value ? weightOfChanges(value as ChangesAnswer) : 0;
}
