/** The script of a durable subscriber, typed: one shard, one bounded call each. */
import type { DeliverySource, Step } from "../core/delivery.ts";
import { PresenceError } from "../core/errors.ts";
import { type ShardKeys, subscriberKeysOf } from "../core/keys.ts";
import { SUBSCRIBERS_MAX } from "../core/limits.ts";
import { subscriber as script } from "../lua/generated.ts";
import { entriesOf, integer, list, text } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import type { WritePort } from "../redis/port.ts";
import { evaluate } from "../redis/scripts.ts";

const ASKED = "the script of subscribers";

const WORDS = [
  "behind",
  "held",
  "wait",
  "changes",
  "inbox",
  "page",
  "idle",
  "full",
  "other",
  "disabled",
  "lost",
  "done",
] as const;
export type Word = (typeof WORDS)[number];

/** Answers with the token of somebody else. */
const NOT_GIVEN = new Set<Word>(["behind", "held", "disabled", "lost"]);
/** Calls of anybody. */
const OF_ANYBODY = new Set(["enable", "retry", "drop", "remove"]);

/** Whether the token of an answer is the caller's own. */
export function isGiven(what: string, word: Word): boolean {
  return !NOT_GIVEN.has(word) && !OF_ANYBODY.has(what);
}

export interface Answer {
  readonly word: Word;
  readonly token: number;
  readonly number: number;
  /** Attempts that have failed so far. */
  readonly attempt: number;
  readonly place: number;
  readonly window: string;
  readonly entries: readonly StreamEntry[];
  /** Another caller, or nobody, had the turn before. */
  readonly isFresh: boolean;
  /** Why it is disabled. */
  readonly reason: string;
}

export interface Taking {
  readonly caller: string;
  readonly turn: number;
  readonly count: number;
  /** Where a subscriber begins that is not known: `again` says that it was known to this process. */
  readonly from: "now" | "start" | "again";
  readonly keep: number;
}

export class SubscriberScript {
  readonly #port: WritePort;
  readonly #keys: readonly string[];
  readonly #name: string;
  readonly #isScoped: boolean;
  readonly #now: (() => number) | undefined;
  #caller = "";
  /** The highest token that this caller was given. Redis lost something where it knows only lower ones. */
  #given = 0;
  /** Calls made so far. */
  calls = 0;

  /** `now`: the clock instead of Redis's, ms. */
  constructor(port: WritePort, keys: ShardKeys, name: string, now?: () => number, isScoped = false) {
    const { state, known, inbox, dead } = subscriberKeysOf(keys, name);
    const { totals, users, changes, moves, about, subscribers } = keys;
    const stream = isScoped ? moves : changes;
    this.#keys = [totals, users, stream, about, subscribers, state, known, inbox, dead];
    this.#isScoped = isScoped;
    this.#port = port;
    this.#name = name;
    this.#now = now;
  }

  take({ caller, turn, count, from, keep }: Taking): Promise<Answer> {
    this.#caller = caller;
    return this.#call("take", caller, String(turn), String(count), from, String(keep), String(this.#given));
  }

  /** After `behind`: which members the caller has told of late, and whether they are present by it. */
  amend(states: ReadonlyMap<string, boolean>): Promise<Answer> {
    return this.#call("amend", String(this.#given), ...listed(states));
  }

  note(token: number, turn: number, source: DeliverySource, portion: Step): Promise<Answer> {
    const count = String(portion.deliveries.length);
    return this.#call("note", this.#proof(token), String(turn), ...stepOf(source, portion, count));
  }

  /** Keeps the turn. */
  renew(token: number, turn: number): Promise<Answer> {
    return this.#call("note", this.#proof(token), String(turn), "");
  }

  fail(token: number, wait: number, error: string, source: DeliverySource): Promise<Answer> {
    return this.#call("fail", this.#proof(token), String(wait), error, source);
  }

  /** Gives up what the portion has to deliver, and steps over it. */
  bury(
    token: number,
    letters: readonly string[],
    source: DeliverySource,
    portion: Step,
    error: string,
  ): Promise<Answer> {
    return this.#call("bury", this.#proof(token), JSON.stringify(letters), ...stepOf(source, portion, error));
  }

  page(token: number): Promise<Answer> {
    return this.#call("page", this.#proof(token));
  }

  leave(token: number): Promise<Answer> {
    return this.#call("leave", this.#proof(token));
  }

  disable(token: number, reason: string): Promise<Answer> {
    return this.#call("disable", this.#proof(token), reason);
  }

  enable(): Promise<Answer> {
    return this.#call("enable");
  }

  retry(letter: string): Promise<Answer> {
    return this.#call("retry", letter);
  }

  drop(letter: string): Promise<Answer> {
    return this.#call("drop", letter);
  }

  remove(): Promise<Answer> {
    return this.#call("remove");
  }

  /** That the turn is this caller's, and the step the next. */
  #proof(token: number): string {
    return `${token} ${this.#caller}`;
  }

  async #call(what: string, ...args: readonly string[]): Promise<Answer> {
    this.calls++;
    const time = this.#now === undefined ? "" : String(this.#now());
    const reply = await evaluate(this.#port, script, this.#keys, [what, time, this.#name, ...args]);
    const [word, token, number, attempt, place, window, entries, fresh] = list(reply, ASKED, 8);
    const said = WORDS.find((known) => known === text(word, ASKED)) ?? "lost";
    if (said === "full")
      throw new PresenceError(
        "LIMIT_EXCEEDED",
        `there are ${SUBSCRIBERS_MAX} subscribers: remove() those that are not needed any more`,
      );
    if (said === "other")
      throw new PresenceError(
        "OPTIONS_INVALID",
        `${JSON.stringify(this.#name)} was begun ${this.#isScoped ? "without" : "with"} scopes: remove() it first, or use another name`,
      );
    const answered = integer(token, ASKED);
    if (isGiven(what, said)) this.#given = Math.max(this.#given, answered);
    return {
      word: said,
      token: answered,
      number: integer(number, ASKED),
      attempt: integer(attempt, ASKED),
      place: integer(place, ASKED),
      window: text(window, ASKED),
      entries: said === "disabled" ? [] : entriesOf(entries, ASKED),
      isFresh: integer(fresh, ASKED) === 1,
      reason: said === "disabled" ? text(list(entries, ASKED)[0], ASKED) : "",
    };
  }
}

/** The last arguments of `note` and `bury`. */
function stepOf(source: DeliverySource, { position, states }: Step, third: string): string[] {
  const { entry, place } = position;
  return [source, entry, String(place), third, ...listed(states)];
}

/** How many are online, these, and those who are offline. */
function listed(states: ReadonlyMap<string, boolean>): string[] {
  const online: string[] = [];
  const offline: string[] = [];
  for (const [member, isOnline] of states) (isOnline ? online : offline).push(member);
  return [String(online.length), ...online, ...offline];
}
