/**
 * The keys of one durable subscriber in one shard, and what each call of its script makes of them, as docs/protocol.md says ("Subscribers").
 * Pure, without a thought for speed: what src/lua/subscriber.lua is compared with. Ids that Redis gives are the caller's to set.
 */
import { LOST_STEPS_MAX, SETTLE_LEASES, SUBSCRIBER_CHECK_MS, SUBSCRIBERS_MAX } from "../src/core/limits.ts";
import { plain } from "./plain.ts";

export interface Entry {
  id: string;
  readonly fields: readonly string[];
}

export interface Letter {
  id: string;
  readonly delivery: string;
  readonly error: string;
  readonly attempts: number;
}

/** The shard around it, when a call is made. */
export interface Shard {
  readonly now: number;
  /** The entries of `changes` that there are. */
  readonly changes: readonly Entry[];
  readonly users: ReadonlySet<string>;
  /** The longest lease there is, at least the default one, ms. */
  readonly longest: number;
  /** Changes were removed, as the totals say. */
  readonly isCut: boolean;
  /** How many names `subscribers` has. */
  readonly subscribers: number;
  /** What the caller asks for. Of scopes there is only that a subscriber is of them, or not: not their changes and members. */
  readonly of: "" | "scopes";
}

export interface Subscriber {
  token: number;
  holder: string;
  ends: number;
  turn: number;
  entry: string;
  place: number;
  queuedPlace: number;
  isQueued: boolean;
  attempt: number;
  after: number;
  wait: number;
  error: string;
  phase: "" | "quiet" | "settle" | "users" | "known";
  settles: number;
  settling: number;
  window: string;
  checked: number;
  compared: number;
  lease: number;
  begun: string;
  /** Which delivery the attempts are of. */
  failing: string;
  /** A caller has amended who is known, and nobody was compared since. */
  isUnsure: boolean;
  disabled: string;
  /** Where it began, and when. */
  from: Taking["from"];
  of: Shard["of"];
  started: number;
  /** How long dead letters are kept, ms, as the last check had it. */
  keep: number;
  /** When its turn was last renewed, as `subscribers` has it. */
  served: number;
  handled: number;
  failed: number;
  buried: number;
  gaps: number;
  known: Set<string>;
  inbox: Entry[];
  dead: Letter[];
}

export interface Answer {
  readonly word: string;
  readonly token: number;
  readonly number: number;
  readonly attempt: number;
  readonly place: number;
  readonly window: string;
  readonly entries: readonly Entry[];
  /** Another caller, or nobody, had the turn before. */
  readonly isFresh: boolean;
  /** Why it is disabled. */
  readonly reason: string;
}

export interface Taking {
  readonly caller: string;
  readonly turn: number;
  readonly count: number;
  readonly from: "now" | "start" | "again";
  readonly keep: number;
  /** The highest token that the caller was ever given. */
  readonly seen: number;
}

/** What is noted: of which stream, up to where, and who is online or offline by it. */
export interface Step {
  readonly source: "changes" | "inbox";
  /** The last entry that is done; empty: none of those read. */
  readonly entry: string;
  readonly place: number;
  readonly states: ReadonlyMap<string, boolean>;
}

const START = "0-0";

function isAfter(a: string, b: string): boolean {
  const [[ms, seq], [other, than]] = [a, b].map((id) => id.split("-").map(BigInt)) as [bigint[], bigint[]];
  return ms! > other! || (ms === other && seq! > than!);
}

const lastOf = (entries: readonly Entry[]) => entries.at(-1)?.id ?? START;

/** A subscriber that Redis does not know; what else there is of it stays. */
function begin({ from, seen }: Taking, shard: Shard, old: Subscriber | undefined): Subscriber {
  const s: Subscriber = {
    token: seen, holder: "", ends: 0, turn: 0, entry: START, place: 0, queuedPlace: 0, isQueued: (old?.inbox.length ?? 0) > 0, attempt: 0, after: 0, wait: 0,
    error: "", phase: "", settles: 0, settling: 0, window: "", checked: 0, compared: 0, lease: 0, begun: "", failing: "", isUnsure: false, disabled: "",
    from, of: shard.of, started: shard.now, keep: 0, served: 0, handled: 0, failed: 0, buried: 0, gaps: 0, known: old?.known ?? new Set(), inbox: old?.inbox ?? [], dead: old?.dead ?? [],
  }; // prettier-ignore
  if (from === "again") gap(s, shard, "forgotten");
  if (from === "now") {
    s.entry = lastOf(shard.changes);
    if (shard.users.size > 0) s.phase = "quiet";
  }
  return s;
}

/** Adds an entry to the inbox; Redis gives its id. When that is empty, the place in its first entry is of one that was evicted. */
function queue(s: Subscriber, ...fields: string[]): void {
  if (s.inbox.length === 0) s.queuedPlace = 0;
  s.inbox.push({ id: "", fields });
  s.isQueued = true;
}

/** Where a delivery stands that comes next. */
function spot(s: Subscriber, source: Step["source"], { id }: Entry): string {
  return `${source} ${id} ${source === "inbox" ? s.queuedPlace : s.place}`;
}

function gap(s: Subscriber, { now, changes, longest }: Shard, reason: string): void {
  const isKnownLoss = reason === "trimmed" || reason === "differs";
  Object.assign(s, {
    entry: lastOf(changes),
    place: 0,
    attempt: 0,
    after: 0,
    phase: "settle",
    begun: "",
  });
  s.isUnsure = false;
  s.settling = isKnownLoss ? 0 : SETTLE_LEASES * Math.max(longest, s.lease);
  s.settles = now + s.settling;
  queue(s, "gap", reason);
  s.gaps++;
}

function nextToken(s: Subscriber, { now }: Shard): void {
  s.token = Math.max(s.token + 1, now * 1000);
}

function answer(
  s: Subscriber | undefined,
  word: string,
  number = 0,
  entries: readonly Entry[] = [],
  place = s?.place ?? 0,
  isFresh = false,
): Answer {
  return {
    word,
    token: s?.token ?? 0,
    number,
    attempt: s?.attempt ?? 0,
    place,
    window: s?.window ?? "",
    entries,
    isFresh,
    reason: "",
  };
}

/** How long until a time of which `span` is all; more than that means that the clock went back, and it begins anew. */
function left(
  s: Subscriber,
  now: number,
  until: "ends" | "after" | "settles",
  span: "turn" | "wait" | "settling",
): number {
  s[until] = Math.min(s[until], now + s[span]);
  return s[until] - now;
}

/** Why what follows the place is not what followed it; undefined: it is. */
function missing(s: Subscriber, { changes, isCut }: Shard): string | undefined {
  const [first] = changes;
  if (s.entry === START) {
    // Before an entry was seen, none can be missed; but that some were removed says that there were others.
    if (s.begun === "") return first !== undefined && s.from !== "start" && isCut ? "trimmed" : undefined;
    if (first?.id === s.begun) return undefined;
    return first === undefined ? "lost" : "trimmed";
  }
  if (changes.some(({ id }) => id === s.entry)) return undefined;
  if (first === undefined || !isAfter(first.id, s.entry)) return "lost";
  return first.fields[0] === "rebuilt" ? "rebuilt" : "trimmed";
}

export function take(
  old: Subscriber | undefined,
  isThere: boolean,
  call: Taking,
  shard: Shard,
): [Subscriber | undefined, Answer] {
  const { now, changes, users } = shard;
  if (isThere && old!.of !== shard.of) return [old, answer(undefined, "other")];
  if (isThere && call.seen > old!.token) return [old, { ...answer(undefined, "behind"), token: old!.token }];
  // One that was known before, and of which the hash is gone, still has its place.
  const hasPlace = (old?.served ?? 0) !== 0 || shard.subscribers < SUBSCRIBERS_MAX;
  if (!isThere && !hasPlace) return [old, answer(undefined, "full")];
  const s = isThere ? old! : begin(call, shard, old);
  if (s.disabled !== "") {
    s.served = now;
    return [s, { ...answer(s, "disabled"), reason: s.disabled }];
  }
  let over = left(s, now, "ends", "turn");
  const isFresh = s.holder !== call.caller;
  if (isFresh) {
    if (over > 0) return [s, answer(s, "held", over)];
    over = 0;
    s.holder = call.caller;
    nextToken(s, shard);
  } else if (over <= 0) nextToken(s, shard);
  if (over < call.turn / 2) Object.assign(s, { ends: now + call.turn, turn: call.turn, served: now });
  const isDue = (last: number) => now < last || now >= last + SUBSCRIBER_CHECK_MS;
  if (isDue(s.checked)) {
    Object.assign(s, { checked: now, lease: shard.longest, keep: call.keep });
  }

  const does = (word: string, entries: readonly Entry[] = [], place = s.place): [Subscriber, Answer] => {
    nextToken(s, shard);
    return [s, answer(s, word, 0, entries, place, isFresh)];
  };
  // What had failed may be another delivery.
  const attempts = (source: Step["source"], first: Entry) => {
    if (s.attempt > 0 && s.failing !== spot(s, source, first)) Object.assign(s, { attempt: 0, error: "" });
  };
  const queued = () => s.inbox.slice(0, call.count);
  const after = left(s, now, "after", "wait");
  if (after > 0) return [s, answer(s, "wait", after, [], s.place, isFresh)];
  if (s.isQueued) {
    if (s.inbox.length > 0) {
      attempts("inbox", s.inbox[0]!);
      return does("inbox", queued(), s.queuedPlace);
    }
    s.isQueued = false;
  }
  if (s.phase === "settle") {
    const settles = left(s, now, "settles", "settling");
    if (settles > 0) return [s, answer(s, "wait", settles, [], s.place, isFresh)];
    s.phase = "users";
  }
  if (s.phase !== "") return does("page");
  const lost = missing(s, shard);
  if (lost !== undefined) {
    gap(s, shard, lost);
    return does("inbox", queued());
  }
  if (s.entry === START && changes.length > 0) s.begun = changes[0]!.id;
  const isUntold = s.entry === START && s.known.size === 0;
  let found = changes.filter(({ id }) => s.entry === START || isAfter(id, s.entry)).slice(0, call.count);
  // A rebuild before which nobody was told anything is none; but what is told up to it makes it one.
  const rebuild = found.findIndex(
    ({ fields }, i) => fields[0] === "rebuilt" && (i > 0 || s.entry !== START || !isUntold),
  );
  if (rebuild === 0) {
    gap(s, shard, "rebuilt");
    return does("inbox", queued());
  }
  if (rebuild > 0) found = found.slice(0, rebuild);
  if (found.length > 0) {
    attempts("changes", found[0]!);
    return does("changes", found);
  }
  if (s.isUnsure) {
    gap(s, shard, "lost");
    return does("inbox", queued());
  }
  const isCompared = isDue(s.compared);
  if (isCompared) s.compared = now;
  if (isCompared && s.known.size !== users.size) {
    gap(s, shard, "differs");
    return does("inbox", queued());
  }
  return [s, answer(s, "idle", 0, [], s.place, isFresh)];
}

/** Of a caller that was given tokens up to `seen`, and knows of `states`. */
export function amend(s: Subscriber, seen: number, states: Step["states"], shard: Shard): Answer {
  if (seen <= s.token) return answer(s, "done");
  s.token = seen + LOST_STEPS_MAX;
  for (const [user, isOnline] of states) s.known[isOnline ? "add" : "delete"](user);
  s.isUnsure = true;
  nextToken(s, shard);
  return answer(s, "done");
}

/** Whether the call is made with the newest token, by who has it. */
export function holds(s: Subscriber, token: number, caller: string): boolean {
  return s.token === token && s.holder === caller;
}

function move(s: Subscriber, { source, entry, place, states }: Step): void {
  if (source === "changes") {
    if (entry !== "") s.entry = entry;
    s.place = place;
  } else {
    if (entry !== "") s.inbox = s.inbox.filter(({ id }) => isAfter(id, entry));
    s.queuedPlace = place;
  }
  for (const [user, isOnline] of states) s.known[isOnline ? "add" : "delete"](user);
  if (s.attempt !== 0 || s.after !== 0) Object.assign(s, { attempt: 0, after: 0, error: "" });
}

/** `step` undefined: only renews. */
export function note(
  s: Subscriber,
  turn: number,
  step: Step | undefined,
  handled: number,
  shard: Shard,
): Answer {
  if (s.ends - shard.now < turn / 2) Object.assign(s, { ends: shard.now + turn, served: shard.now });
  if (step === undefined) return answer(s, "done");
  move(s, step);
  s.handled += handled;
  nextToken(s, shard);
  return answer(s, "done");
}

export function bury(
  s: Subscriber,
  letters: readonly string[],
  step: Step,
  error: string,
  shard: Shard,
): Answer {
  const attempts = s.attempt + 1;
  for (const delivery of letters) s.dead.push({ id: "", delivery, error, attempts });
  move(s, step);
  s.failed++;
  s.buried += letters.length;
  nextToken(s, shard);
  return answer(s, "done");
}

export function fail(
  s: Subscriber,
  wait: number,
  error: string,
  source: Step["source"],
  shard: Shard,
): Answer {
  const first =
    source === "inbox"
      ? s.inbox[0]
      : shard.changes.find(({ id }) => s.entry === START || isAfter(id, s.entry));
  s.failing = first === undefined ? "" : spot(s, source, first);
  Object.assign(s, { attempt: s.attempt + 1, after: shard.now + wait, wait, error, failed: s.failed + 1 });
  nextToken(s, shard);
  return answer(s, "done");
}

/** A comparison of fewer users than a page holds: both directions are one page each. */
export function page(s: Subscriber, shard: Shard): Answer {
  const { users, changes } = shard;
  const say = (kind: "online" | "offline", of: string[]) => {
    if (of.length === 0) return false;
    queue(s, kind, JSON.stringify(of.sort()));
    return true;
  };
  if (s.phase === "quiet") {
    for (const user of users) s.known.add(user);
    s.phase = "";
  } else {
    let isSaid = false;
    if (s.phase === "users") {
      isSaid = say(
        "online",
        [...users].filter((user) => !s.known.has(user)),
      );
      s.phase = "known";
    }
    if (!isSaid && s.phase === "known") {
      say(
        "offline",
        [...s.known].filter((user) => !users.has(user)),
      );
      s.window = lastOf(changes);
      s.phase = "";
    }
  }
  nextToken(s, shard);
  return answer(s, "done");
}

export function disable(s: Subscriber, reason: string, shard: Shard): Answer {
  s.disabled = reason;
  nextToken(s, shard);
  return answer(s, "done");
}

export function leave(s: Subscriber, shard: Shard): Answer {
  s.ends = 0;
  nextToken(s, shard);
  return answer(s, "done");
}

// What follows is anybody's, and changes nothing of a subscriber that is not known.

/** Of a call that only the holder may make, by another, or with an older token. */
export function lost(s: Subscriber | undefined): Answer {
  return answer(s, "lost");
}

export function enable(s: Subscriber | undefined): Answer {
  if (s !== undefined) Object.assign(s, { disabled: "", after: 0, attempt: 0 });
  return answer(s, "done", s === undefined ? 0 : 1);
}

/** Of a dead letter; `isAgain`: which is to be handled once more. */
export function settle(s: Subscriber | undefined, letter: string, isAgain: boolean): Answer {
  const found = s?.dead.find(({ id }) => id === letter);
  if (s === undefined || found === undefined) return answer(s, "done");
  s.dead = s.dead.filter((one) => one !== found);
  if (isAgain) queue(s, "again", found.delivery);
  return answer(s, "done", 1);
}

/** All of it. */
export function remove(): Answer {
  return answer(undefined, "done");
}

export interface PlainSubscriber {
  /** The fields of the hash by name, without empty ones and zeros; absent: there is none. */
  readonly state?: Readonly<Record<string, string | number>>;
  /** Its score in `subscribers`. */
  readonly served?: number;
  readonly known: readonly string[];
  readonly inbox: readonly Entry[];
  readonly dead: readonly Letter[];
}

/** As a reader finds it, users in order. Undefined: there is nothing. `isThere`: there is the hash. */
export function plainSubscriber(s: Subscriber | undefined, isThere: boolean): PlainSubscriber {
  if (s === undefined) return { known: [], inbox: [], dead: [] };
  const { known, inbox, dead, served, queuedPlace, isQueued, isUnsure, failing: _, ...state } = s;
  const named = { ...state, queued_place: queuedPlace, queued: Number(isQueued), unsure: Number(isUnsure) };
  const said = Object.entries(named).filter(([, value]) => value !== "" && value !== 0);
  return {
    ...(isThere && { state: plain(said) }),
    ...(served !== 0 && { served }),
    known: [...known].sort(),
    inbox: inbox.map(({ id, fields }) => ({ id, fields: inOrder(fields) })),
    dead: dead.map((letter) => ({ ...letter })),
  };
}

/** An entry of the inbox; in a list that a comparison made the order is that of a scan. */
export function inOrder(fields: readonly string[]): string[] {
  const [kind = "", value = ""] = fields;
  if (kind !== "online" && kind !== "offline") return [...fields];
  return [kind, JSON.stringify((JSON.parse(value) as string[]).sort())];
}
