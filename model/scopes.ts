/** What happens in scopes: docs/protocol.md, "Scopes". Members come and go one at a time; every sum follows from that. */
import type { ChangeCause } from "../src/core/change.ts";
import { utf8Length } from "../src/core/utf8.ts";
import { before } from "./order.ts";
import type { Lingerer, Projection, Slots } from "./state.ts";

/** An entry of `moves`: scope → cause → users, in any order. */
export type MovedEntry = ReadonlyMap<string, ReadonlyMap<ChangeCause, readonly string[]>>;

/** Without a socket: in grace. */
export const NONE: Slots = new Map();

/** Most scopes that a user who goes from the whole stops lingering in at once. */
const GONE_WITH_USER_MAX = 1_000;

export function lingererKey(user: string, scope: string): string {
  return `${utf8Length(user)}:${user}${scope}`;
}

export function membershipsOf(state: Projection, slot: number): number {
  let sum = 0;
  for (const n of state.memberships.get(slot)?.values() ?? []) sum += n;
  return sum;
}

/** Users and sockets of a scope, which are its score in `scopes`. */
export function sumsOfScope(users: ReadonlyMap<string, Slots>): { users: number; sockets: number } {
  let sockets = 0;
  for (const slots of users.values()) for (const n of slots.values()) sockets += n;
  return { users: users.size - (users.has("") ? 1 : 0), sockets };
}

/** Who is in the way of whom: the earliest first, and of the same deadline in the order of Redis. */
export function lingerersByDeadline(state: Projection): Lingerer[] {
  return [...state.lingering]
    .sort(([a, x], [b, y]) => x.deadline - y.deadline || (before(a, b) ? -1 : 1))
    .map(([, lingerer]) => lingerer);
}

/** Those of one user, in the order of Redis. */
export function lingerersOf(state: Projection, user: string): Lingerer[] {
  return [...state.lingering.values()]
    .filter((lingerer) => lingerer.user === user)
    .sort((a, b) => (before(a.scope, b.scope) ? -1 : 1));
}

/**
 * Makes `slots` those of a member; undefined: it is none any more. Without a slot it lingers until `deadline`. Memberships of
 * processes, and scopes without anybody, follow.
 */
export function setMember(
  state: Projection,
  scope: string,
  user: string,
  slots: Slots | undefined,
  deadline = 0,
): void {
  const members = new Map(state.scopes.get(scope));
  const had = members.get(user) ?? NONE;
  if (slots === undefined) members.delete(user);
  else members.set(user, slots);
  if (members.size === 0) state.scopes.delete(scope);
  else state.scopes.set(scope, members);
  const key = lingererKey(user, scope);
  if (slots?.size === 0) state.lingering.set(key, { scope, user, deadline });
  else state.lingering.delete(key);
  for (const slot of new Set([...had.keys(), ...(slots?.keys() ?? [])])) {
    const change = (slots?.get(slot) ?? 0) - (had.get(slot) ?? 0);
    if (change !== 0) count(state, slot, scope, change);
  }
}

function count(state: Projection, slot: number, scope: string, change: number): void {
  const counts = new Map(state.memberships.get(slot));
  const n = (counts.get(scope) ?? 0) + change;
  if (n === 0) counts.delete(scope);
  else counts.set(scope, n);
  if (counts.size === 0) state.memberships.delete(slot);
  else state.memberships.set(slot, counts);
}

/** What one phase does to members of scopes; as with users, it is reported at the phase's end. */
export class ScopePhase {
  /** Scope → user → whether it was there before. */
  readonly #was = new Map<string, Map<string, boolean>>();
  readonly #causes = new Map<string, Map<string, ChangeCause>>();

  /** Before the first step on a member. */
  meet(state: Projection, scope: string, user: string): void {
    const users = this.#was.get(scope) ?? new Map<string, boolean>();
    if (!users.has(user)) users.set(user, state.scopes.get(scope)?.has(user) === true);
    this.#was.set(scope, users);
  }

  cause(scope: string, user: string, cause: ChangeCause): void {
    const causes = this.#causes.get(scope) ?? new Map<string, ChangeCause>();
    this.#causes.set(scope, causes.set(user, cause));
  }

  remove(state: Projection, { scope, user }: Pick<Lingerer, "scope" | "user">, cause: ChangeCause): void {
    this.meet(state, scope, user);
    setMember(state, scope, user, undefined);
    this.cause(scope, user, cause);
  }

  /** Nobody lingers in a scope who is not in the whole. `own`: scopes in which the record itself made the user linger. */
  removeLingering(
    state: Projection,
    user: string,
    cause: ChangeCause,
    own: ReadonlySet<string> = new Set(),
  ): void {
    const all = lingerersOf(state, user);
    const others = all.filter(({ scope }) => !own.has(scope)).slice(0, GONE_WITH_USER_MAX);
    for (const one of [...all.filter(({ scope }) => own.has(scope)), ...others])
      this.remove(state, one, cause);
  }

  /** The transitions in scopes that are told; and scopes without anybody are told no longer. */
  end(state: Projection): MovedEntry {
    const entry = new Map<string, Map<ChangeCause, string[]>>();
    for (const [scope, users] of this.#was) {
      const moved = new Map<ChangeCause, string[]>();
      const add = (cause: ChangeCause, user: string) => moved.set(cause, [...(moved.get(cause) ?? []), user]);
      for (const [user, was] of users) {
        if (user === "") continue;
        const is = state.scopes.get(scope)?.has(user) === true;
        if (is && !was) add("connect", user);
        if (was && !is) add(this.#causes.get(scope)!.get(user)!, user);
      }
      if (state.told.has(scope) && moved.size > 0) entry.set(scope, moved);
      if (!state.scopes.has(scope)) state.told.delete(scope);
    }
    return entry;
  }
}
