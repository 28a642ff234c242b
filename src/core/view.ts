/**
 * What is looked at: all sockets of a prefix, or those in one scope. Everything that answers about users or follows them takes a view, so
 * one code serves the whole, a namespace and a room. Pure.
 */
import { type Change, decodeChanges, decodeMoves } from "./change.ts";
import { markOf } from "./cursor.ts";
import { scopeKey, type ShardKeys } from "./keys.ts";
import { utf8Length } from "./utf8.ts";

export interface View {
  /** Undefined: the whole. */
  readonly scope: string | undefined;
  /** What its cursors begin with (cursor.ts). */
  readonly mark: string;
  /** The hash of its users. */
  readonly users: (keys: ShardKeys) => string;
  /** The sorted set of the deadlines of its users in grace, and how it names a user. */
  readonly deadlines: (keys: ShardKeys) => string;
  readonly memberOf: (user: string) => string;
  /** The stream of its changes. */
  readonly changes: (keys: ShardKeys) => string;
  /** Fields of the totals: the id of the last entry of that stream; before which id entries were removed. */
  readonly last: "change" | "moved";
  readonly cut: "cut" | "moved_cut";
  /** Its changes in an entry of that stream. */
  readonly decode: (id: string, fields: readonly string[]) => Change[];
  /** Whether a field of its hash is a user: in a scope, the empty one has the anonymous sockets. */
  readonly isUser: (field: string) => boolean;
}

export const WHOLE: View = {
  scope: undefined,
  mark: markOf(undefined),
  users: (keys) => keys.users,
  deadlines: (keys) => keys.leaving,
  memberOf: (user) => user,
  changes: (keys) => keys.changes,
  last: "change",
  cut: "cut",
  decode: decodeChanges,
  isUser: () => true,
};

export function viewOf(scope: string): View {
  return {
    scope,
    mark: markOf(scope),
    users: (keys) => scopeKey(keys, scope),
    deadlines: (keys) => keys.lingering,
    memberOf: (user) => `${utf8Length(user)}:${user}${scope}`,
    changes: (keys) => keys.moves,
    last: "moved",
    cut: "moved_cut",
    decode: (id, fields) =>
      [...decodeMoves(id, fields, (one) => one === scope)].flatMap(([, changes]) => changes),
    isUser: (field) => field !== "",
  };
}
