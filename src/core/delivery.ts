/** What a durable subscriber gets, and where it stands. Pure. */
import { type Change, type ChangeCause, type ChangeType, decodeChanges, decodeMoves } from "./change.ts";
import { NOTED_MAX } from "./limits.ts";
import { partsOf, scopeOf } from "./scope.ts";
import { isBefore, msOf } from "./stream-id.ts";
import { utf8Length } from "./utf8.ts";

/** Why changes were missed. */
export const GAP_REASONS = [
  /** They were removed before they were delivered: too many, or too old. */
  "trimmed",
  /** The stream lost its end, in a failover for example, or was deleted. */
  "lost",
  /** The projection was rebuilt. */
  "rebuilt",
  /** Nothing was missed that is known, and yet others are present than those who were delivered. */
  "differs",
  /** Redis has forgotten the subscriber itself, so what it was told before is not known. */
  "forgotten",
] as const;

/** One of GAP_REASONS, each of which is described there. */
export type GapReason = (typeof GAP_REASONS)[number];

/** A transition of a user. */
export interface ChangeDelivery {
  /** The same in every attempt and from every process, and of no other delivery of this subscriber. */
  readonly id: string;
  readonly type: ChangeType;
  readonly user: string;
  /** `resync`: found by the comparison after a gap. */
  readonly cause: ChangeCause;
  /** When it was folded, or found, on Redis's clock. */
  readonly at: Date;
  /** Where, of a subscriber with `scopes`. */
  readonly namespace?: string | undefined;
  /** The room in the namespace; undefined: the namespace as a whole. */
  readonly room?: string | undefined;
}

/** Changes were missed. What came of them follows, as changes with the cause `resync`. */
export interface GapDelivery {
  readonly id: string;
  readonly type: "gap";
  readonly reason: GapReason;
  readonly at: Date;
}

export type Delivery = ChangeDelivery | GapDelivery;

/** The streams a subscriber reads: the changes, and its own of what has to be delivered before them. */
export type DeliverySource = "changes" | "inbox";

interface Entry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** A delivery as JSON, for dead letters. */
export function encodeDelivery(delivery: Delivery): string {
  return JSON.stringify(delivery);
}

/** Null for text that encodeDelivery() does not return. */
export function decodeDelivery(text: string): Delivery | null {
  try {
    const found = JSON.parse(text) as Record<string, unknown>;
    const { id, type, user, cause, reason, namespace, room, at: time } = found;
    const at = new Date(String(time));
    if (typeof id !== "string" || Number.isNaN(at.getTime())) return null;
    if (type === "gap") return { id, type, reason: reason as GapReason, at };
    if (typeof user !== "string" || (type !== "online" && type !== "offline")) return null;
    return {
      id,
      type,
      user,
      cause: cause as ChangeCause,
      at,
      ...(typeof namespace === "string" && { namespace }),
      ...(typeof room === "string" && { room }),
    };
  } catch {
    return null;
  }
}

/** Who is told about what: the whole, or namespaces and rooms. */
export interface DeliveryStream {
  readonly source: DeliverySource;
  readonly shard: number;
  /** Whether it is about namespaces and rooms: then the changes are those of `moves`. */
  readonly isScoped: boolean;
}

/** The deliveries of an entry, in order. */
export function deliveriesOf({ source, shard, isScoped }: DeliveryStream, { id, fields }: Entry): Delivery[] {
  if (source === "changes") {
    const changes: Delivery[] = [];
    const tell = ({ user, type, cause, at }: Change, scope?: string) =>
      changes.push({ id: `${shard}.${id}.${changes.length}`, type, user, cause, at, ...placeOf(scope) });
    if (!isScoped) for (const change of decodeChanges(id, fields)) tell(change);
    else
      for (const [scope, some] of decodeMoves(id, fields, () => true))
        for (const change of some) tell(change, scope);
    return changes;
  }
  const [kind, value = ""] = fields;
  const at = new Date(msOf(id));
  if (kind === "gap") return [{ id: `${shard}.r${id}.0`, type: "gap", reason: value as GapReason, at }];
  if (kind === "again") {
    const delivery = decodeDelivery(value);
    return delivery === null ? [] : [delivery];
  }
  if (kind !== "online" && kind !== "offline") return [];
  const texts = textsOf(value);
  const found: Delivery[] = [];
  // Of scopes each user is followed by where.
  for (let i = 0; i < texts.length; i += isScoped ? 2 : 1) {
    const where = placeOf(isScoped ? texts[i + 1] : undefined);
    const delivery = {
      id: `${shard}.r${id}.${found.length}`,
      type: kind,
      user: texts[i]!,
      at,
      ...where,
    } as const;
    found.push({ ...delivery, cause: "resync" });
  }
  return found;
}

function placeOf(scope: string | undefined): Pick<ChangeDelivery, "namespace" | "room"> {
  if (scope === undefined) return {};
  const { namespace, room } = partsOf(scope);
  return room === undefined ? { namespace } : { namespace, room };
}

/** As whom the set of those who were told to be present has somebody: the user, and in scopes `5:alice/chat,news`. */
export function memberOf({ user, namespace, room }: ChangeDelivery): string {
  return namespace === undefined ? user : `${utf8Length(user)}:${user}${scopeOf(namespace, room)}`;
}

function textsOf(text: string): readonly string[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter((one): one is string => typeof one === "string") : [];
}

/** Where a subscriber stands in a stream. */
export interface Position {
  /** The last entry of which everything is handled; empty: none of those that were read. */
  readonly entry: string;
  /** How many deliveries of the next entry are handled. */
  readonly place: number;
}

/** A step forward: what is to be handled, and what is to be noted once it is. */
export interface Step {
  readonly deliveries: readonly Delivery[];
  readonly position: Position;
  /** Members (memberOf) whose last state is known now: whether they are present. */
  readonly states: ReadonlyMap<string, boolean>;
}

/** A change that a step passes, handed over or not. */
export interface Passed {
  readonly id: string;
  readonly member: string;
  readonly isOnline: boolean;
}

export interface Portion extends Step {
  /** Those that this process had not passed before. */
  readonly passed: readonly Passed[];
  /** It begins with such as were: these are not handed over again, and nothing else is with them, since attempts that failed were theirs. */
  readonly isRepeat: boolean;
}

/** What this process has passed of late. */
export interface PassedBefore {
  has(id: string): boolean;
  /** Whether a member is present by the last of it; undefined: none was about him. */
  stateOf(member: string): boolean | undefined;
}

export interface Reading extends DeliveryStream {
  readonly entries: readonly Entry[];
  /** How many deliveries of the first entry were handled before. */
  readonly place: number;
  /** Changes up to this id may repeat what a comparison has said; empty: none does. */
  readonly window: string;
  /** The members of these changes who are present as far as the subscriber was told. */
  readonly told: ReadonlySet<string>;
  readonly before: PassedBefore;
  readonly wants: (delivery: Delivery) => boolean;
}

/** Whether an entry lies in the window. */
export function isInWindow(window: string, id: string): boolean {
  return window !== "" && !isBefore(window, id);
}

/** The members of entries that lie in the window. */
export function membersInWindow(reading: Omit<Reading, "told" | "before" | "wants">): string[] {
  const { source, entries, window } = reading;
  if (source !== "changes" || window === "") return [];
  const members = new Set<string>();
  for (const entry of entries) {
    if (!isInWindow(window, entry.id)) break;
    for (const one of deliveriesOf(reading, entry)) if (one.type !== "gap") members.add(memberOf(one));
  }
  return [...members];
}

interface Item {
  readonly delivery: Delivery | null;
  readonly position: Position;
  /** The entry is a delivery that was given up: what it says is long known. */
  readonly isAgain: boolean;
  readonly isOld: boolean;
}

/** Walks through what was read, in portions. */
export class Portions {
  readonly #reading: Reading;
  readonly #told: Set<string>;
  readonly #items: Iterator<Item, void>;
  #next: Item | undefined;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#told = new Set(reading.told);
    this.#items = this.#walk();
    this.#advance();
  }

  /** Whether everything was taken. */
  get isOver(): boolean {
    return this.#next === undefined;
  }

  /** The next portion, of at most `most` deliveries; of none where what is left is not wanted. */
  take(most: number): Portion {
    const deliveries: Delivery[] = [];
    const states = new Map<string, boolean>();
    const passed: Passed[] = [];
    /** Members of these. */
    const told = new Set<string>();
    let begunAgain = false;
    let position: Position = { entry: "", place: 0 };
    let entry = "";
    while (this.#next !== undefined && states.size < NOTED_MAX) {
      const item = this.#next;
      const { delivery } = item;
      // After a failover took notes. What this process passed after it may be lost: then that is still what the receiver knows.
      const isRepeat = delivery !== null && !item.isAgain && this.#reading.before.has(delivery.id);
      const isNews = delivery !== null && !isRepeat && this.#isNews(item, delivery);
      if (isNews && (deliveries.length === most || begunAgain)) break;
      if (item.position.entry !== "") entry = item.position.entry;
      position = { entry, place: item.position.place };
      if (isNews) deliveries.push(delivery);
      if (delivery !== null && delivery.type !== "gap" && !item.isAgain) {
        const member = memberOf(delivery);
        const says = delivery.type === "online";
        // The last that was told, in time: now and then an older one is told only now.
        const last = told.has(member) ? states.get(member) : this.#reading.before.stateOf(member);
        const isOnline = isRepeat ? (last ?? says) : says;
        states.set(member, isOnline);
        if (isRepeat) begunAgain ||= deliveries.length === 0;
        else {
          passed.push({ id: delivery.id, member, isOnline });
          told.add(member);
        }
        if (item.isOld) this.#told[isOnline ? "add" : "delete"](member);
      }
      this.#advance();
    }
    return { deliveries, position, states, passed, isRepeat: begunAgain };
  }

  #isNews({ isOld }: Item, delivery: Delivery): boolean {
    if (isOld && delivery.type !== "gap") {
      const isTold = this.#told.has(memberOf(delivery));
      if (isTold === (delivery.type === "online")) return false;
    }
    return this.#reading.wants(delivery);
  }

  #advance(): void {
    const next = this.#items.next();
    this.#next = next.done === true ? undefined : next.value;
  }

  *#walk(): Generator<Item, void> {
    const { source, entries, place: first, window } = this.#reading;
    let done = "";
    for (const [i, entry] of entries.entries()) {
      const all = deliveriesOf(this.#reading, entry);
      const isAgain = source === "inbox" && entry.fields[0] === "again";
      const isOld = source === "changes" && isInWindow(window, entry.id);
      const begun = i === 0 ? first : 0;
      for (let place = begun; place < all.length - 1; place++)
        yield { delivery: all[place]!, position: { entry: done, place: place + 1 }, isAgain, isOld };
      const last = begun < all.length ? all.at(-1)! : null;
      yield { delivery: last, position: { entry: entry.id, place: 0 }, isAgain, isOld };
      done = entry.id;
    }
  }
}
