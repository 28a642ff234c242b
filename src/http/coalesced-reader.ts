/**
 * The Reader behind a coalescer: identical requests share one read of Redis and one answer, in bytes, and the previous answer is
 * kept for when Redis does not answer. What a caller sends is checked here before it gets a key to share.
 */
import { decodeChangesCursor, decodePageCursor, markOf } from "../core/cursor.ts";
import { PresenceError } from "../core/errors.ts";
import { SHARED_BYTES_MAX, SHARED_SCOPES_BYTES_MAX } from "../core/limits.ts";
import { checkScope } from "../core/scope.ts";
import { checkUser } from "../core/user.ts";
import type {
  AsOf,
  ChangesAnswer,
  ChangesOptions,
  Counts,
  HistoryOptions,
  PageOptions,
  Reader,
  ScopeCounts,
  ScopeName,
  ScopesOptions,
  SessionsOptions,
  SubscribersAnswer,
  Totals,
  UsersAtOptions,
} from "../reader/reader.ts";
import { within } from "../time/deadline.ts";
import { type Answer, answerOf, valueOf } from "./answer.ts";
import { Coalescer } from "./coalescer.ts";
import { type Ask, weightOfChanges } from "./feed.ts";
import { Feeds } from "./feeds.ts";
import { FilteredAnswers } from "./filtered.ts";
import { keyOf, type Question } from "./key.ts";
import type { ResolvedAppOptions } from "./options.ts";
import { Problem, type ProblemParts, retryAfter } from "./problem.ts";
import { readerIn, type Where } from "./where.ts";

/** How long an answer is kept for when Redis does not answer, ms. */
const KEEP_MS = 60_000;

/** An answer whose value is used here as well. */
interface Told<T> extends Answer {
  readonly value: T;
}

type Wrap = (ask: Ask) => Ask;

/** How a question is asked. */
interface How {
  readonly where?: Where;
  /** Whether its answer is kept with those of namespaces and rooms. Default: if it is about one. */
  readonly isOfScopes?: boolean;
  readonly wrap?: Wrap;
}

const asIs: Wrap = (ask) => ask;

/**
 * A reader for many callers. `wrap` wraps the read, for instance to count the requests of a stream; it is used only when a
 * caller's read is really made and not shared with another.
 */
export class CoalescedReader {
  readonly feeds: Feeds;
  readonly #shards: number;
  readonly #ask: Ask;
  readonly #coalescer: Coalescer;
  /** Of namespaces and rooms: strangers may ask for any number of them. */
  readonly #scoped: Coalescer;
  /** The problem documents with previous answers, for as long as those are kept. */
  readonly #stale = new WeakMap<Answer, Pick<ProblemParts, "members" | "json">>();
  /** The bytes of answers about changes, for as long as the feed keeps the answer. */
  readonly #sent = new WeakMap<ChangesAnswer, Answer>();
  readonly #filtered = new FilteredAnswers();

  constructor({ reader, timeout, reuse }: ResolvedAppOptions) {
    this.#shards = reader.shards;
    this.#ask = (question) => within(timeout, question(reader));
    const coalescer = (most: number) => new Coalescer({ reuse, keep: KEEP_MS, most, weigh });
    this.#coalescer = coalescer(SHARED_BYTES_MAX);
    this.#scoped = coalescer(SHARED_SCOPES_BYTES_MAX);
    this.feeds = new Feeds(reader.shards, { whole: this.#coalescer, scoped: this.#scoped });
  }

  /** What is kept of all questions, for tests of the bound: their number, and about their bytes; and of those about scopes. */
  get kept(): { readonly questions: number; readonly bytes: number; readonly ofScopes: number } {
    return {
      questions: this.#coalescer.size + this.#scoped.size,
      bytes: this.#coalescer.weight + this.#scoped.weight,
      ofScopes: this.#scoped.weight,
    };
  }

  /** Like Reader.counts(): rejects as the reader does, or as #tell describes. So do the others. */
  async counts(wrap = asIs): Promise<Counts> {
    return (await this.#told(["counts", undefined], (reader) => reader.counts(), { wrap })).value;
  }

  /** The same of a namespace or room. */
  async countsOf(where: Where, wrap = asIs): Promise<ScopeCounts> {
    return (await this.#toldOf(where, wrap)).value;
  }

  /** The same as countsOf(), to be sent. */
  countsAnswer(where: Where): Promise<Answer> {
    return this.#toldOf(where);
  }

  async totals(): Promise<Totals> {
    return (await this.#told(["totals"], (reader) => reader.totals())).value;
  }

  async page({ cursor, limit }: PageOptions, where?: Where): Promise<Answer> {
    if (cursor !== undefined) decodePageCursor(cursor, this.#shards, markOf(where));
    const read = async (reader: Reader) => answerOf(await readerIn(reader, where).page({ cursor, limit }));
    return this.#tell(["page", cursor, limit, where], read, { where });
  }

  async user(id: string, where?: Where): Promise<Answer> {
    checkUser(id);
    const read = async (reader: Reader) => answerOf(await readerIn(reader, where).user(id));
    return this.#tell(["user", id, where], read, { where });
  }

  async lookup(ids: readonly string[], where?: Where): Promise<Answer> {
    for (const id of ids) checkUser(id);
    const read = async (reader: Reader) => answerOf(await readerIn(reader, where).lookup(ids));
    return this.#tell(["lookup", where, ...ids], read, { where });
  }

  processes(): Promise<Answer> {
    return this.#tell(["processes"], async (reader) => answerOf(await reader.processes()));
  }

  subscribers(): Promise<Answer> {
    return this.#tell(["subscribers"], async (reader) => answerOf(await reader.subscribers()));
  }

  async subscribersTold(): Promise<SubscribersAnswer> {
    return (await this.#told(["subscribers"], (reader) => reader.subscribers())).value;
  }

  scopes(options: ScopesOptions): Promise<Answer> {
    const { namespace, prefix, cursor, limit } = options;
    const read = async (reader: Reader) => answerOf(await reader.scopes(options));
    return this.#tell(["scopes", namespace, prefix, cursor, limit], read, { isOfScopes: true });
  }

  history({ from, to, step }: HistoryOptions, where?: Where): Promise<Answer> {
    const read = async (reader: Reader) =>
      answerOf(await readerIn(reader, where).history({ from, to, step }));
    // Strangers may ask for any time.
    return this.#tell(["history", String(from), String(to), step, where], read, { isOfScopes: true });
  }

  async countsIn(names: readonly ScopeName[]): Promise<Answer> {
    const scopes = names.map(({ namespace = "/", room }) => checkScope(namespace, room));
    const read = async (reader: Reader) => answerOf(await reader.countsIn(names));
    return this.#tell(["counts in", ...scopes], read, { isOfScopes: true });
  }

  changes(after: string | undefined, where?: Where): Promise<ChangesAnswer> {
    return this.feeds.of(where).since(after, this.#ask);
  }

  /** The same as changes(), to be sent; of these users only, if there are any. */
  async changesAnswer(after: string | undefined, users: readonly string[], where?: Where): Promise<Answer> {
    const answer = await this.changes(after, where);
    if (users.length > 0) return this.#filtered.of(answer, users);
    const known = this.#sent.get(answer);
    if (known !== undefined) return known;
    const made = await answerOf(answer);
    this.#sent.set(answer, made);
    return made;
  }

  /** The changes of a time, of these users only, if there are any. Not from the feed: that has the latest only. */
  changesBetween(options: ChangesOptions, users: readonly string[], where?: Where): Promise<Answer> {
    const { after, from, to, limit } = options;
    if (after !== undefined) decodeChangesCursor(after, this.#shards, markOf(where));
    const wanted = new Set(users);
    const read = async (reader: Reader) => {
      const answer = await readerIn(reader, where).changes(options);
      const changes = answer.changes.filter(({ user }) => wanted.size === 0 || wanted.has(user));
      return answerOf({ ...answer, changes });
    };
    return this.#tell(["changes between", after, from, to, limit, where, ...wanted], read, { where });
  }

  usersAt(at: Date, options: UsersAtOptions, where?: Where): Promise<Answer> {
    const read = async (reader: Reader) => answerOf(await readerIn(reader, where).usersAt(at, options));
    return this.#tell(["users at", at, options.max, where], read, { where });
  }

  async sessions(id: string, options: SessionsOptions): Promise<Answer> {
    checkUser(id);
    const { from, to, cursor, limit } = options;
    const read = async (reader: Reader) => answerOf(await reader.sessions(id, options));
    return this.#tell(["sessions", id, from, to, cursor, limit], read);
  }

  /** The wrapped read, for a caller that uses the feed directly. */
  askWith(wrap: Wrap): Ask {
    return wrap(this.#ask);
  }

  #toldOf(where: Where, wrap = asIs): Promise<Told<ScopeCounts>> {
    return this.#told(["counts", where], (reader) => readerIn(reader, where).counts(), { where, wrap });
  }

  #told<T extends { readonly asOf: AsOf }>(
    question: Question,
    read: (reader: Reader) => Promise<T>,
    how: How = {},
  ): Promise<Told<T>> {
    const tell = async (reader: Reader) => {
      const value = await read(reader);
      return { ...(await answerOf(value)), value };
    };
    return this.#tell(question, tell, how);
  }

  /** Problem 503 with the last answer, marked stale, when Redis does not answer and there is a recent one. */
  async #tell<T extends Answer>(
    question: Question,
    read: (reader: Reader) => Promise<T>,
    { where, isOfScopes = where !== undefined, wrap = asIs }: How = {},
  ): Promise<T> {
    const key = await keyOf(question);
    const coalescer = isOfScopes ? this.#scoped : this.#coalescer;
    try {
      return await coalescer.get(key, () => wrap(this.#ask)(read));
    } catch (error) {
      const last = coalescer.recent(key) as Answer | undefined;
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
    // Changes of a time have none: they say themselves what they are of.
    const asOf = "asOf" in value ? { asOf: { ...(value["asOf"] as object), stale: true } } : {};
    const members = { last: { ...value, ...asOf } };
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
