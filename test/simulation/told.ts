/**
 * One durable subscriber as it must be by docs/protocol.md: what its keys may become with each call of its script, and what its processes
 * may hand over. Pure but for the trace; fed by the server, which sees every call, and by the processes, which say what they handle (INV-14).
 */
import type { Delivery } from "../../src/core/delivery.ts";
import { isBefore, STREAM_START } from "../../src/core/stream-id.ts";
import { hold, Violation } from "./faults.ts";
import type { Host } from "./host.ts";
import type { SubscriberPlan } from "./plan.ts";

/** An entry of `changes` as it stands there. */
export interface ChangeEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** What Redis holds of a subscriber. */
export interface SubscriberState {
  readonly fields: Readonly<Record<string, string>>;
  readonly known: readonly string[];
  readonly inbox: readonly ChangeEntry[];
  readonly dead: number;
}

/** A call of the script: what, and its arguments after the name. */
export interface SubscriberCall {
  readonly what: string;
  readonly args: readonly string[];
}

/** A handler that is at work. */
interface Running {
  readonly caller: string;
  readonly host: Host;
  readonly signal: AbortSignal;
}

interface Item {
  readonly id: string;
  readonly user: string;
  readonly isOnline: boolean;
}

interface Snapshot {
  readonly state: SubscriberState | undefined;
  readonly handled: number;
  readonly floor: number;
  readonly wipes: number;
  readonly unnoted: ReadonlyMap<string, string>;
  readonly last: { changes: string; inbox: string };
}

const NONE: SubscriberState = { fields: {}, known: [], inbox: [], dead: 0 };
const INV = "INV-14";
/** Of an event, and of rounding, ms. */
const MOMENT_MS = 2;

/** What take answers with that is to be done. */
const STEPS = new Set(["changes", "inbox", "page"]);
/** Calls that need no turn. */
const FREE = new Set(["take", "amend", "enable", "retry", "drop", "remove"]);

/** The changes of an entry in the order of its lists, with the ids that they must be delivered under. */
function itemsOf({ id, fields }: ChangeEntry, source: "changes" | "inbox"): Item[] {
  if (source === "inbox") {
    const [kind = "", text = ""] = fields;
    const users = kind === "gap" ? [""] : (JSON.parse(text) as string[]);
    return users.map((user, place) => ({ id: `0.r${id}.${place}`, user, isOnline: kind === "online" }));
  }
  const items: Item[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i] === "rebuilt") continue;
    for (const user of JSON.parse(fields[i + 1]!) as string[])
      items.push({ id: `0.${id}.${items.length}`, user, isOnline: fields[i] === "connect" });
  }
  return items;
}

export class Told {
  readonly plan: SubscriberPlan;
  /** Every entry of `changes` that ever was, but for what a failover or a wipe took. */
  readonly #log: readonly ChangeEntry[];
  readonly #now: () => number;
  #state = NONE;
  /** Undefined: Redis may hold something else than was read last. */
  #isKnown = true;
  #snapshot: Snapshot | undefined;
  readonly #running = new Set<Running>();
  /** Id → what it meant. */
  readonly #meant = new Map<string, string>();
  /** Ids that were handed over, and when the last time: after how many failovers. */
  readonly #handed = new Map<string, number>();
  /** The same of those that were handled or given up. */
  readonly #done = new Map<string, number>();
  /** Ids that were given up. */
  readonly #letters = new Set<string>();
  /** Ids that were passed, delivered or because a comparison had said the same. */
  readonly #passedOver = new Set<string>();
  #failovers = 0;
  #wipes = 0;
  /** In order, each id where it was handled first. */
  readonly #order: { readonly id: string; readonly user: string }[] = [];
  #last = { changes: STREAM_START, inbox: STREAM_START };
  /** Who is present, as far as the receiver was told. */
  readonly #believed = new Map<string, boolean>();
  /** User → the id of what said so. */
  readonly #latest = new Map<string, string>();
  /** Id → user, of what was handled and not noted. */
  #unnoted = new Map<string, string>();
  readonly #doubt = new Set<string>();
  /** Who is known was evicted since the turn was last taken: a process goes by what it has read before. */
  #isBlind = false;
  /** What Redis knew of the subscriber is lost, and nobody has said so yet. */
  #isForgotten = false;
  /** When the turn may have gone to another without its holder's knowledge, ms of the world. */
  #upsetAt = -Infinity;
  /** Where in the log a place before all entries is. */
  #floor = 0;
  handled = 0;
  gaps = 0;
  /** Members of amendments. */
  amended = 0;

  constructor(plan: SubscriberPlan, log: readonly ChangeEntry[], now: () => number) {
    this.plan = plan;
    this.#log = log;
    this.#now = now;
  }

  get state(): SubscriberState {
    return this.#state;
  }

  /** Whether the state has to be read before the next call too. */
  get mustRead(): boolean {
    return !this.#isKnown;
  }

  read(state: SubscriberState): void {
    this.#state = state;
    this.#isKnown = true;
  }

  /** The clock jumped, or the turn was lost with something else. */
  upset(): void {
    this.#upsetAt = this.#now();
  }

  replicate(): void {
    const state = this.#state.fields["token"] === undefined ? undefined : this.#state;
    this.#snapshot = {
      state,
      handled: this.#order.length,
      floor: this.#floor,
      wipes: this.#wipes,
      unnoted: new Map(this.#unnoted),
      last: { ...this.#last },
    };
  }

  failover(): void {
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    this.#failovers++;
    this.#floor = snapshot.floor;
    this.#last = { ...snapshot.last };
    this.#isKnown = false;
    this.upset();
    if (snapshot.state === undefined || snapshot.wipes !== this.#wipes) this.#forget();
    // What was noted since is not noted any more.
    for (const [id, user] of snapshot.unnoted) this.#unnoted.set(id, user);
    for (const { id, user } of this.#order.slice(snapshot.handled)) this.#unnoted.set(id, user);
    for (const user of this.#unnoted.values()) this.#doubt.add(user);
  }

  wiped(): void {
    this.#isKnown = false;
    this.upset();
    this.#forget();
  }

  /** One of its keys was evicted. */
  evicted(): void {
    this.wiped();
    this.#isBlind = true;
  }

  #forget(): void {
    this.#wipes++;
    this.#isForgotten = true;
  }

  /** A call was carried out. */
  called({ what, args }: SubscriberCall, word: string, after: SubscriberState): void {
    const before = this.#state;
    this.#state = after;
    const token = before.fields["token"];
    // A clock that went back makes the end of the turn nearer.
    const lasting = (state: SubscriberState) =>
      JSON.stringify({ ...state, fields: { ...state.fields, ends: "" } });
    const isSame = lasting(before) === lasting(after);
    if (word === "held" || word === "lost" || word === "behind")
      hold(INV, `whether the state is the same after a call that is answered ${word}`, isSame, true);
    if (what === "take") {
      if (word !== "held") this.#isBlind = false;
      const isOver = before.fields["holder"] !== after.fields["holder"];
      if (isOver || STEPS.has(word)) this.#isNew(what, before, after);
      if (token === undefined) this.#begun(after);
    } else if (!FREE.has(what)) {
      const isHolder = args[0] === `${token} ${before.fields["holder"]}`;
      hold(INV, `whether ${what} with token ${args[0]} is answered lost`, word === "lost", !isHolder);
      if (isHolder && what !== "leave" && args[2] !== "") this.#isNew(what, before, after);
    }
    if (what === "amend" && after.fields["token"] !== token) this.#amended(args, before, after);
    const isGap = (after.fields["gaps"] ?? "0") !== (before.fields["gaps"] ?? "0");
    if (isGap) this.#gap(after);
    else if (token !== undefined && word !== "lost") this.#moved(what, args, before, after);
  }

  /** What comes late with the token before must find that it is not the newest. */
  #isNew(what: string, before: SubscriberState, after: SubscriberState): void {
    const [was, is] = [before, after].map(({ fields }) => Number(fields["token"] ?? 0));
    if (!(is! > was!)) throw new Violation(INV, `the token is ${is} after ${what}, and was ${was} before`);
  }

  /** Who has the turn has said whom it told about before a failover: those are compared now as all others. */
  #amended(
    [seen, online, ...members]: readonly string[],
    before: SubscriberState,
    after: SubscriberState,
  ): void {
    const [was, is] = [before, after].map(({ fields }) => Number(fields["token"]));
    if (!(Number(seen) > was!) || !(is! > Number(seen)))
      throw new Violation(INV, `the token is ${is} after amend with ${seen}, and was ${was} before`);
    const known = new Set(before.known);
    for (const [i, user] of members.entries()) {
      const isOnline = i < Number(online);
      known[isOnline ? "add" : "delete"](user);
      if (this.#believed.get(user) !== isOnline) continue;
      this.#doubt.delete(user);
      for (const [id, of] of this.#unnoted) if (of === user) this.#unnoted.delete(id);
    }
    hold(INV, "who is known after amend", after.known, [...known].sort());
    this.amended += members.length;
  }

  #begun(after: SubscriberState): void {
    this.#floor = this.plan.from === "start" ? 0 : this.#log.length;
    if ((after.fields["gaps"] ?? "0") !== "0") return;
    // Who was there before is taken over, and nobody says so.
    for (const user of after.known) this.#believed.delete(user);
  }

  #gap(after: SubscriberState): void {
    this.gaps++;
    for (const user of this.#unnoted.values()) this.#doubt.add(user);
    this.#unnoted.clear();
    if (after.fields["entry"] === STREAM_START) this.#floor = this.#log.length;
  }

  /** The place has moved only past what was done, and never back. */
  #moved(what: string, args: readonly string[], before: SubscriberState, after: SubscriberState): void {
    const isStep = what === "note" || what === "bury";
    if (what === "bury")
      for (const letter of JSON.parse(args[1]!) as string[]) this.#buried(JSON.parse(letter) as Delivery);
    const source = isStep ? args[2] : undefined;
    const [is, was] = [after, before].map(({ fields }) => [fields["entry"], fields["place"] ?? "0"]);
    if (source !== "changes") hold(INV, `the place after ${what}`, is, was);
    const [isQueued, wasQueued] = [after, before].map(({ inbox }) => inbox.map(({ id }) => id));
    if (source !== "inbox" && what !== "page") hold(INV, `the inbox after ${what}`, isQueued, wasQueued);
    if (source === "changes") this.#passed(before, after);
    else if (source === "inbox") this.#emptied(before, after);
    if (!isStep && what !== "page" && what !== "amend")
      hold(INV, `who is known after ${what}`, after.known, before.known);
    const lost = what === "bury" ? 0 : after.dead - before.dead;
    hold(INV, "dead letters that nobody buried", lost, 0);
  }

  #indexOf(id: string): number {
    return this.#log.findIndex((entry) => entry.id === id);
  }

  /** How many entries of the log a place is behind. */
  #behind({ fields }: SubscriberState): number {
    const entry = fields["entry"]!;
    if (entry === STREAM_START) {
      const first = this.#indexOf(fields["begun"] ?? "");
      return Math.max(this.#floor, first);
    }
    const at = this.#indexOf(entry);
    if (at < 0) throw new Violation(INV, `it stands at ${entry}, which never was`);
    return at + 1;
  }

  #passed(before: SubscriberState, after: SubscriberState): void {
    const [from, to] = [this.#behind(before), this.#behind(after)];
    const [fromPlace, toPlace] = [before, after].map(({ fields }) => Number(fields["place"] ?? 0));
    if (to < from || (to === from && toPlace! < fromPlace!))
      throw new Violation(
        INV,
        `its place went back, from ${before.fields["entry"]} to ${after.fields["entry"]}`,
      );
    const known = new Set(before.known);
    const users = new Set<string>();
    const again = new Set<string>();
    const window = before.fields["window"] ?? "";
    for (let i = from; i <= to && i < this.#log.length; i++) {
      const entry = this.#log[i]!;
      if (i < to && entry.fields[0] === "rebuilt" && before.fields["entry"] !== STREAM_START)
        throw new Violation(INV, `it went past ${entry.id}, a rebuild, without a gap`);
      const items = itemsOf(entry, "changes");
      const isOld = window !== "" && !isBefore(window, entry.id);
      const last = i < to ? items.length : toPlace!;
      for (let place = i === from ? fromPlace! : 0; place < last; place++) {
        const item = items[place]!;
        const { id, user } = item;
        users.add(user);
        // Told before, and something else since: whoever knows goes by the last.
        if (this.#wasPassed(id) && this.#latest.get(user) !== id) again.add(user);
        this.#step(item, isOld && known.has(user) === item.isOnline, again.has(user), known);
      }
    }
    this.#checkKnown(known, users, again, after);
  }

  #wasPassed(id: string): boolean {
    return this.#done.has(id) || this.#passedOver.has(id);
  }

  /** One change was passed. */
  #step({ id, user, isOnline }: Item, isToldBefore: boolean, isAgain: boolean, known: Set<string>): void {
    const done = this.#done.get(id);
    // A failover may have taken that it was passed since the comparison had said it; whoever knows goes by what was told last.
    const isKnown = isAgain || known.has(user) === isOnline || this.#believed.get(user) === isOnline;
    const isFine = this.#isBlind || this.#wasPassed(id) || (this.#failovers > 0 && isKnown);
    if (isToldBefore) {
      if (done === this.#failovers && !isAgain && !this.#isBlind)
        throw new Violation(INV, `${id} of ${user} was delivered, and the comparison had said it`);
    } else if (!isFine && this.plan.wants(isOnline ? "online" : "offline"))
      throw new Violation(INV, `it went past ${id} of ${user}, which was not delivered`);
    this.#noted(id, user, isToldBefore || done === undefined);
    this.#passedOver.add(id);
    known[isOnline ? "add" : "delete"](user);
  }

  /**
   * Who is known after these users' changes were noted. A process that has told more than was noted knows better than what it passes again:
   * then what it told last is known. What is known by one that does not, after a failover took what was told or a letter, leaves the receiver
   * in doubt.
   */
  #checkKnown(
    known: Set<string>,
    users: ReadonlySet<string>,
    again: ReadonlySet<string>,
    after: SubscriberState,
  ): void {
    const found = new Set(after.known);
    for (const user of users) {
      const believed = this.plan.filter === "all" ? this.#believed.get(user) : found.has(user);
      // Of one whose older change was handed over again, by another process, either may be known: the receiver may have left it out.
      const isDoubtful = this.#failovers > 0 && again.has(user);
      if (found.has(user) === believed || isDoubtful) known[found.has(user) ? "add" : "delete"](user);
      if (found.has(user) !== believed && (isDoubtful || this.#isLost(this.#latest.get(user))))
        this.#doubt.add(user);
    }
    hold(INV, "who is known", after.known, [...known].sort());
  }

  #emptied(before: SubscriberState, after: SubscriberState): void {
    const known = new Set(before.known);
    const users = new Set<string>();
    const left = new Set(after.inbox.map(({ id }) => id));
    const begun = Number(before.fields["queued_place"] ?? 0);
    const next = Number(after.fields["queued_place"] ?? 0);
    let isFirst = true;
    for (const [i, entry] of before.inbox.entries()) {
      const items = itemsOf(entry, "inbox");
      const isGone = !left.has(entry.id);
      if (!isGone && !isFirst) break;
      const last = isGone ? items.length : next;
      for (const { id, user, isOnline } of items.slice(i === 0 ? begun : 0, last)) {
        const isWanted = user === "" || this.plan.wants(isOnline ? "online" : "offline");
        if (isWanted && !this.#done.has(id))
          throw new Violation(INV, `it went past ${id} of ${user}, which was not delivered`);
        this.#noted(id, user, false);
        if (user === "") continue;
        users.add(user);
        known[isOnline ? "add" : "delete"](user);
      }
      isFirst = isGone;
    }
    this.#checkKnown(known, users, new Set(), after);
  }

  #noted(id: string, user: string, wasPassedOver: boolean): void {
    if (!wasPassedOver && this.#latest.get(user) === id) this.#doubt.delete(user);
    this.#unnoted.delete(id);
  }

  #buried(delivery: Delivery): void {
    // Somebody looks at dead letters, and knows what they say.
    this.#tell(delivery);
    this.#letters.add(delivery.id);
  }

  #tell(delivery: Delivery): void {
    const { id } = delivery;
    // Given up, and delivered all the same: a failover took the letter.
    const isFirst = !this.#done.has(id) || this.#letters.delete(id);
    this.#done.set(id, this.#handed.get(id) ?? this.#failovers);
    if (delivery.type === "gap") {
      if (delivery.reason !== "forgotten") return;
      // Nobody knows any more what it was told before.
      this.#believed.clear();
      this.#doubt.clear();
      this.#isForgotten = false;
      return;
    }
    if (!isFirst) return;
    this.#believed.set(delivery.user, delivery.type === "online");
    this.#latest.set(delivery.user, id);
    this.#order.push({ id, user: delivery.user });
  }

  /** A process has begun to hand over. Returns what has to be called when it is done. */
  begins(caller: string, host: Host, deliveries: readonly Delivery[], signal: AbortSignal): () => void {
    this.#hasTurn(caller);
    for (const other of this.#running) {
      const { alive, stalled } = other.host;
      if (other.caller === caller || !alive || stalled || other.signal.aborted || this.#isUpset) continue;
      throw new Violation(INV, `${caller} hands over, and so does ${other.caller}`);
    }
    for (const one of deliveries) {
      const text = JSON.stringify(one);
      const meant = this.#meant.get(one.id);
      if (meant !== undefined && meant !== text)
        throw new Violation(INV, `${one.id} was ${meant}, and now is ${text}`);
      if (meant === undefined) this.#inOrder(one);
      this.#meant.set(one.id, text);
      this.#handed.set(one.id, this.#failovers);
    }
    const own = { caller, host, signal };
    this.#running.add(own);
    return () => this.#running.delete(own);
  }

  /** What was not handed over before comes after all that was. */
  #inOrder({ id }: Delivery): void {
    const source = id.startsWith("0.r") ? "inbox" : "changes";
    const [, entry = "", place = ""] = /^0\.r?(\d+-\d+)\.(\d+)$/.exec(id) ?? [];
    const own = `${entry}.${place}`;
    const [lastEntry = "", lastPlace = "-1"] = this.#last[source].split(".");
    const isAfter = entry === lastEntry ? Number(place) >= Number(lastPlace) : isBefore(lastEntry, entry);
    if (isAfter) this.#last[source] = own;
    // Who had the turn before Redis lost that may still hand over what he has read.
    else if (!this.#isUpset) throw new Violation(INV, `${id} comes after ${this.#last[source]}`);
  }

  /** What a process has handed over is done, and its signal has not fired. */
  finished(caller: string, deliveries: readonly Delivery[]): void {
    this.#hasTurn(caller);
    for (const one of deliveries) {
      const isFirst = !this.#done.has(one.id);
      this.handled++;
      this.#tell(one);
      if (one.type === "gap") continue;
      this.#unnoted.set(one.id, one.user);
      // As what was handled before the failover that took it (docs/protocol.md, "A gap").
      if (isFirst && this.#isLost(one.id)) this.#doubt.add(one.user);
    }
  }

  /** Whether a failover, or a wipe, took the entry of a delivery that was not noted. */
  #isLost(id: string | undefined): boolean {
    if (this.#failovers + this.#wipes === 0 || id === undefined) return false;
    const [, isQueued, entry] = /^0\.(r?)(\d+-\d+)\./.exec(id)!;
    if (isQueued === "") return this.#indexOf(entry!) < 0;
    return !this.#isKnown || !this.#state.inbox.some((queued) => queued.id === entry);
  }

  #hasTurn(caller: string): void {
    const { holder } = this.#state.fields;
    if (holder === caller || this.#isUpset || !this.#isKnown) return;
    throw new Violation(INV, `${caller} hands over, and ${holder} has the turn`);
  }

  /** Somebody may still believe that the turn is his. */
  get #isUpset(): boolean {
    return this.#now() <= this.#upsetAt + this.plan.turn / 2 + MOMENT_MS;
  }

  /** Entries it has not passed. Before it saw the first one, they may be trimmed, and nothing shows it. */
  get #left(): number {
    return this.#state.fields["entry"] === STREAM_START ? 0 : this.#log.length - this.#behind(this.#state);
  }

  /** Whether nothing is left to deliver and to compare. */
  isAtRest(present: readonly string[]): boolean {
    const { fields, known, inbox } = this.#state;
    if (!this.#isKnown || fields["token"] === undefined || fields["phase"] !== "" || inbox.length > 0)
      return false;
    if (fields["unsure"] === "1") return false;
    if (this.#left > 0) return false;
    return JSON.stringify(known) === JSON.stringify(present);
  }

  /** At rest: what it was told adds up to who is present. */
  check(present: readonly string[]): void {
    const { fields, known, inbox } = this.#state;
    hold(INV, "who is known at rest", known, present);
    hold(INV, "what is left to compare and deliver", [fields["phase"], inbox.length], ["", 0]);
    hold(INV, "entries left to deliver", this.#left, 0);
    if (this.#isForgotten || this.plan.filter !== "all") return;
    const sure = ([user]: readonly [string, boolean]) => !this.#doubt.has(user);
    const told = [...this.#believed].filter(sure).sort(([a], [b]) => (a < b ? -1 : 1));
    const are = told.map(([user]) => [user, present.includes(user)]);
    hold(INV, "who is present as it was told", told, are);
  }
}
