/** What a durable subscriber gets, and where it stands. Pure. */
import { type ChangeCause, type ChangeType, decodeChanges } from "./change.ts";
import { NOTED_MAX } from "./limits.ts";
import { isBefore, msOf } from "./stream-id.ts";

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
    const { id, type, user, cause, reason, at: time } = JSON.parse(text) as Record<string, unknown>;
    const at = new Date(String(time));
    if (typeof id !== "string" || Number.isNaN(at.getTime())) return null;
    if (type === "gap") return { id, type, reason: reason as GapReason, at };
    if (typeof user !== "string" || (type !== "online" && type !== "offline")) return null;
    return { id, type, user, cause: cause as ChangeCause, at };
  } catch {
    return null;
  }
}

/** The deliveries of an entry, in order. */
export function deliveriesOf(source: DeliverySource, shard: number, { id, fields }: Entry): Delivery[] {
  if (source === "changes")
    return decodeChanges(id, fields).map(({ user, type, cause, at }, place) => ({
      id: `${shard}.${id}.${place}`,
      type,
      user,
      cause,
      at,
    }));
  const [kind, value = ""] = fields;
  const at = new Date(msOf(id));
  if (kind === "gap") return [{ id: `${shard}.r${id}.0`, type: "gap", reason: value as GapReason, at }];
  if (kind === "again") {
    const delivery = decodeDelivery(value);
    return delivery === null ? [] : [delivery];
  }
  if (kind !== "online" && kind !== "offline") return [];
  return usersOf(value).map((user, place) => ({
    id: `${shard}.r${id}.${place}`,
    type: kind,
    user,
    cause: "resync",
    at,
  }));
}

function usersOf(text: string): readonly string[] {
  const list: unknown = JSON.parse(text);
  return Array.isArray(list) ? list.filter((user): user is string => typeof user === "string") : [];
}

/** Where a subscriber stands in a stream. */
export interface Position {
  /** The last entry of which everything is handled; empty: none of those that were read. */
  readonly entry: string;
  /** How many deliveries of the next entry are handled. */
  readonly place: number;
}

/** A step forward: what is to be handled, and what is to be noted once it is. */
export interface Portion {
  readonly deliveries: readonly Delivery[];
  readonly position: Position;
  /** Users whose last state is known now: whether they are present. */
  readonly states: ReadonlyMap<string, boolean>;
}

export interface Reading {
  readonly source: DeliverySource;
  readonly shard: number;
  readonly entries: readonly Entry[];
  /** How many deliveries of the first entry were handled before. */
  readonly place: number;
  /** Changes up to this id may repeat what a comparison has said; empty: none does. */
  readonly window: string;
  /** The users of these changes who are present as far as the subscriber was told. */
  readonly told: ReadonlySet<string>;
  readonly wants: (delivery: Delivery) => boolean;
}

/** Whether an entry lies in the window. */
export function isInWindow(window: string, id: string): boolean {
  return window !== "" && !isBefore(window, id);
}

/** The users of entries that lie in the window. */
export function usersInWindow({ source, entries, window, shard }: Omit<Reading, "told" | "wants">): string[] {
  if (source !== "changes" || window === "") return [];
  const users = new Set<string>();
  for (const entry of entries) {
    if (!isInWindow(window, entry.id)) break;
    for (const one of deliveriesOf(source, shard, entry)) if (one.type !== "gap") users.add(one.user);
  }
  return [...users];
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
    let position: Position = { entry: "", place: 0 };
    let entry = "";
    while (this.#next !== undefined && states.size < NOTED_MAX) {
      const item = this.#next;
      const { delivery } = item;
      const isNews = delivery !== null && this.#isNews(item, delivery);
      if (isNews && deliveries.length === most) break;
      if (item.position.entry !== "") entry = item.position.entry;
      position = { entry, place: item.position.place };
      if (isNews) deliveries.push(delivery);
      if (delivery !== null && delivery.type !== "gap" && !item.isAgain) {
        const isOnline = delivery.type === "online";
        states.set(delivery.user, isOnline);
        if (item.isOld) this.#told[isOnline ? "add" : "delete"](delivery.user);
      }
      this.#advance();
    }
    return { deliveries, position, states };
  }

  #isNews({ isOld }: Item, delivery: Delivery): boolean {
    if (isOld && delivery.type !== "gap") {
      const isTold = this.#told.has(delivery.user);
      if (isTold === (delivery.type === "online")) return false;
    }
    return this.#reading.wants(delivery);
  }

  #advance(): void {
    const next = this.#items.next();
    this.#next = next.done === true ? undefined : next.value;
  }

  *#walk(): Generator<Item, void> {
    const { source, shard, entries, place: first, window } = this.#reading;
    let done = "";
    for (const [i, entry] of entries.entries()) {
      const all = deliveriesOf(source, shard, entry);
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
