/**
 * Answers for holders who may see some users only. What tells about others is taken out of them: cursors are sealed, ids of changes replaced,
 * and `asOf` says how old the answer is and nothing of what else happened.
 */
import type { Change } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { OWN_READS_MAX } from "../core/limits.ts";
import type { AsOf, ChangesAnswer } from "../reader/reader.ts";
import { type Answer, answerOf, valueOf } from "./answer.ts";
import type { ResolvedBrowserTokens } from "./browser-options.ts";
import type { CoalescedReader } from "./coalesced-reader.ts";
import type { Restricted } from "./holder.ts";
import { Problem } from "./problem.ts";
import { Seal } from "./seal.ts";
import type { Where } from "./where.ts";

type Value = Readonly<Record<string, unknown>>;

/** To what `since` is rounded up, ms. */
const SINCE_MS = 3_600_000;
/** Changes of one answer, approximately. */
const ANSWER_MAX = 1_000;

/** A change with a date, or after JSON. */
type AnyChange = Omit<Change, "at"> & { readonly at: unknown };

/** What a cursor of changes is sealed as: those of a namespace or room are of use there only. */
function kindOf(where: Where): string {
  return `changes ${where ?? ""}`;
}

export class Own {
  readonly #seal: Seal;
  readonly #ids = new WeakMap<AnyChange, string>();

  readonly #take: (subject: string) => boolean;

  /** `tokens` undefined: there are no holders. `take`: takes one more request of a subject; false: it has none left. */
  constructor(
    tokens: ResolvedBrowserTokens | undefined,
    shards: number,
    take: (subject: string) => boolean = () => true,
  ) {
    this.#take = take;
    const { cursorKey, secrets } = tokens ?? {};
    this.#seal = new Seal(cursorKey === undefined ? (secrets ?? []) : [cursorKey], shards);
  }

  /** The answer as this holder may see it; for all others as it is. Rejects as `ask` does, with the same taken out. */
  async answer(
    holder: Restricted | undefined,
    where: Where,
    ask: () => Promise<Answer>,
    change: (value: Value) => Value | Promise<Value> = (value) => value,
  ): Promise<Answer> {
    if (holder === undefined) return ask();
    try {
      const value = await change(valueOf(await ask()));
      return await answerOf(await this.#shown(holder, where, value));
    } catch (error) {
      throw await this.#failed(holder, where, error, change);
    }
  }

  /** The counts of a stream, likewise. */
  async shown<T extends { readonly asOf: AsOf }>(holder: Restricted, where: Where, value: T): Promise<T> {
    return { ...value, asOf: await this.#asOf(holder, where, value.asOf) };
  }

  sealChanges(holder: Restricted, where: Where, cursor: string): Promise<string> {
    return this.#seal.seal(cursor, kindOf(where), holder.subject);
  }

  /** Undefined: from now on. Rejects with CURSOR_INVALID. */
  async openChanges(
    holder: Restricted,
    where: Where,
    cursor: string | undefined,
  ): Promise<string | undefined> {
    return cursor === undefined ? undefined : this.#seal.open(cursor, kindOf(where), holder.subject);
  }

  /** The cursor of a user's sessions. */
  async openSessions(
    holder: Restricted,
    user: string,
    cursor: string | undefined,
  ): Promise<string | undefined> {
    return cursor === undefined ? undefined : this.#seal.open(cursor, `sessions ${user}`, holder.subject);
  }

  /** For answer(): seals `next` of a user's sessions, and takes from `since` who it was that came or went then. */
  sessions(
    holder: Restricted,
    user: string,
    asked: { readonly from?: Date | undefined },
  ): (value: Value) => Promise<Value> {
    return async (value) => {
      const told = sinceTheHour(value, asked.from !== undefined);
      const { next } = told;
      if (typeof next !== "string") return told;
      return { ...told, next: await this.#seal.seal(next, `sessions ${user}`, holder.subject) };
    };
  }

  /** The changes with ids that say nothing. */
  async masked<T extends AnyChange>(changes: readonly T[]): Promise<T[]> {
    const shown: T[] = [];
    for (const change of changes) {
      const known = this.#ids.get(change);
      const id = known ?? (await this.#seal.idOf(change.id, change.user));
      if (known === undefined) this.#ids.set(change, id);
      shown.push({ ...change, id });
    }
    return shown;
  }

  /**
   * The changes of the holder's users since a cursor, and of them only `wanted`, if there are any. It reads on until there is no more, so that
   * `more` does not say how much of others' was on the way, unless that is more than OWN_READS_MAX reads, or more than the holder has
   * requests left: with one old cursor after another a single token would else keep the process reading.
   */
  async changes(
    reader: CoalescedReader,
    holder: Restricted,
    { after, wanted, where }: { after: string | undefined; wanted: readonly string[]; where: Where },
  ): Promise<Answer> {
    const users = wanted.length === 0 ? holder.users : new Set(wanted);
    const mine: Change[] = [];
    let cursor = await this.openChanges(holder, where, after);
    let answer: ChangesAnswer;
    let reads = 0;
    do {
      answer = await reader.changes(cursor, where);
      if (!answer.gap) for (const change of answer.changes) if (users.has(change.user)) mine.push(change);
      cursor = answer.next;
      reads++;
    } while (
      answer.more &&
      !answer.gap &&
      reads < OWN_READS_MAX &&
      mine.length < ANSWER_MAX &&
      this.mayReadOn(holder)
    );
    const { gap, more } = answer;
    const next = await this.sealChanges(holder, where, cursor);
    return answerOf({ changes: gap ? [] : await this.masked(mine), next, gap, more: more && !gap });
  }

  /** Whether the holder may have one more read without asking again; it counts as a request. */
  mayReadOn({ subject }: Restricted): boolean {
    return this.#take(subject);
  }

  async #shown(holder: Restricted, where: Where, value: Value): Promise<Value> {
    if (!("asOf" in value)) return value;
    return { ...value, asOf: await this.#asOf(holder, where, value["asOf"] as AsOf) };
  }

  /** `projectedAt`, `record` and `lag` move with everybody's changes. */
  async #asOf(holder: Restricted, where: Where, asOf: AsOf): Promise<AsOf> {
    return {
      now: asOf.now,
      projectedAt: asOf.stale ? asOf.projectedAt : asOf.now,
      record: "",
      lag: { records: 0, ms: 0 },
      stale: asOf.stale,
      cursor: await this.sealChanges(holder, where, asOf.cursor),
    };
  }

  /** In an outage the problem has the previous answer. */
  async #failed(
    holder: Restricted,
    where: Where,
    error: unknown,
    change: (value: Value) => Value | Promise<Value>,
  ): Promise<unknown> {
    if (!(error instanceof Problem) || !("last" in error.members)) return error;
    const { status, code, message, headers, cause } = error;
    const last = await this.#shown(holder, where, await change(error.members["last"] as Value));
    return new Problem(status, code, message, { headers, members: { ...error.members, last }, cause });
  }
}

/**
 * `since` is the time of the oldest change that is kept, which is somebody else's: the next full hour says as truly from when on all of them are,
 * or now, in the first hour. `exact` follows it, since who asks with one `from` after another would find it; and so does the `from` of who asked with none.
 */
function sinceTheHour(value: Value, hasFrom: boolean): Value {
  const now = Date.parse((value["asOf"] as { readonly now: string }).now);
  const since = Math.min(Math.ceil(Date.parse(value["since"] as string) / SINCE_MS) * SINCE_MS, now);
  const from = hasFrom ? Date.parse(value["from"] as string) : since;
  return {
    ...value,
    from: new Date(from).toISOString(),
    exact: value["exact"] === true && since <= from,
    since: new Date(since).toISOString(),
  };
}

/** A cursor of a list that is told whole. Throws PresenceError CURSOR_INVALID. */
export function refuseCursor(cursor: string | undefined): void {
  if (cursor === undefined) return;
  throw new PresenceError(
    "CURSOR_INVALID",
    "the list of this token's users has one page; ask without a cursor",
  );
}
