/** What scopes hold as plain objects: what a test reads from Redis, and the vectors have. */
import type { ChangeCause } from "../src/core/change.ts";
import { type MovedEntry, sumsOfScope } from "./scopes.ts";
import type { Projection } from "./state.ts";

/** In the order of the names, so that equal states have equal text. */
export function plain<T>(pairs: Iterable<readonly [string, T]>): Record<string, T> {
  return Object.fromEntries([...pairs].sort(([a], [b]) => (a < b ? -1 : 1)));
}

export interface PlainScopes {
  /** `users`: id → slot → sockets; "" are anonymous ones, and without a slot a user is in grace. */
  readonly scopes: Record<
    string,
    { users: Record<string, Record<string, number>>; sockets: number; told: boolean }
  >;
  /** Member of `lingering` → deadline. */
  readonly lingering: Record<string, number>;
  /** Slot → scope → memberships. */
  readonly memberships: Record<string, Record<string, number>>;
  readonly tracks: readonly string[];
}

export function plainScopes(state: Projection): PlainScopes {
  const numbers = (counts: ReadonlyMap<number, number>) => plain([...counts].map(([s, n]) => [String(s), n]));
  return {
    scopes: plain(
      [...state.scopes].map(([scope, users]) => [
        scope,
        {
          users: plain([...users].map(([id, slots]) => [id, numbers(slots)])),
          sockets: sumsOfScope(users).sockets,
          told: state.told.has(scope),
        },
      ]),
    ),
    lingering: plain([...state.lingering].map(([member, { deadline }]) => [member, deadline])),
    memberships: plain([...state.memberships].map(([slot, counts]) => [String(slot), plain(counts)])),
    tracks: state.tracks,
  };
}

/** The transitions of one call, however they are split into entries: scope → cause → users in their order. */
export function plainMoves(entries: readonly MovedEntry[]): Record<string, Record<string, string[]>> {
  const all = new Map<string, Map<ChangeCause, string[]>>();
  for (const entry of entries)
    for (const [scope, causes] of entry) {
      const sum = all.get(scope) ?? new Map<ChangeCause, string[]>();
      all.set(scope, sum);
      for (const [cause, users] of causes) sum.set(cause, [...(sum.get(cause) ?? []), ...users]);
    }
  return plain(
    [...all].map(([scope, causes]) => [
      scope,
      plain([...causes].map(([cause, users]) => [cause, [...users].sort()])),
    ]),
  );
}

/** Only what there is: before scopes were used, a state has none of these names. */
export function withoutEmpty(state: PlainScopes): Partial<PlainScopes> {
  return Object.fromEntries(Object.entries(state).filter(([, value]) => Object.keys(value).length > 0));
}
