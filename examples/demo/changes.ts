/** The changes that the nodes received: all of them for the checks, or the last few for the screen. */
import type { Incarnation } from "./cluster.ts";
import type { Told } from "./messages.ts";
import { printable } from "./text.ts";

/** Users who came online and users who went offline. */
export interface Difference {
  readonly online: ReadonlySet<string>;
  readonly offline: ReadonlySet<string>;
}

export function difference(before: ReadonlySet<string>, after: ReadonlySet<string>): Difference {
  return { online: without(after, before), offline: without(before, after) };
}

export function without(all: ReadonlySet<string>, some: ReadonlySet<string>): Set<string> {
  return new Set([...all].filter((one) => !some.has(one)));
}

/** Every change that each node received, in order. */
export class Tally {
  readonly #heard = new Map<Incarnation, Told[]>();

  hear(node: Incarnation, change: Told): void {
    const list = this.#heard.get(node);
    if (list === undefined) this.#heard.set(node, [change]);
    else list.push(change);
  }

  heard(node: Incarnation, from = 0): readonly Told[] {
    return this.#heard.get(node)?.slice(from) ?? [];
  }

  /** The first node and user whose changes do not alternate, or null. A node may begin with either. */
  alternationProblem(): string | null {
    for (const [node, heard] of this.#heard) {
      const last = new Map<string, string>();
      for (const { user, type } of heard) {
        if (last.get(user) === type)
          return `${node.name} received "${type}" for ${printable(user)} twice in a row`;
        last.set(user, type);
      }
    }
    return null;
  }
}

/** Checks that there was exactly one change for each user of the difference. Returns the problem, or null. */
export function exactlyOnceProblem(heard: readonly Told[], expected: Difference): string | null {
  const times = { online: new Map<string, number>(), offline: new Map<string, number>() };
  for (const { type, user, cause } of heard) {
    const count = (times[type].get(user) ?? 0) + 1;
    times[type].set(user, count);
    if (count > 1) return `"${type}" for ${printable(user)} arrived ${count} times`;
    if (!expected[type].has(user)) return `"${type}" for ${printable(user)} (${cause}) was not expected`;
  }
  for (const type of ["online", "offline"] as const) {
    const [missing] = without(expected[type], new Set(times[type].keys()));
    if (missing !== undefined) return `"${type}" for ${printable(missing)} did not arrive`;
  }
  return null;
}

/** The last changes that any node received, without duplicates. */
export class Latest {
  readonly #kept: Told[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  hear(change: Told): void {
    const isKnown = this.#kept.some(
      (kept) => kept.id === change.id && kept.user === change.user && kept.type === change.type,
    );
    if (isKnown) return;
    this.#kept.push(change);
    if (this.#kept.length > this.#limit) this.#kept.shift();
  }

  /** Newest first. */
  list(): Told[] {
    return this.#kept.toReversed();
  }
}
