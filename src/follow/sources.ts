/**
 * The two streams of changes: that of the whole, which is about one view, and that of scopes, each entry of which is about some of
 * many. What is read beside them to compare with. Pure.
 */
import { type Change, decodeChanges, decodeMoves } from "../core/change.ts";
import type { ShardKeys } from "../core/keys.ts";
import { SCOPE_UNIT } from "../core/limits.ts";
import type { View } from "../core/view.ts";
import { fieldsOf, integer, integerOrNull, list } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";

/** How many users a view has in one shard, and whether its changes are in the stream. */
export interface Level {
  readonly users: number;
  readonly isTold: boolean;
}

export interface Source {
  readonly name: "changes" | "moves";
  readonly stream: (keys: ShardKeys) => string;
  /** The changes of an entry, by scope, of those scopes that are `wanted`. Undefined is the whole. */
  readonly decode: (
    id: string,
    fields: readonly string[],
    wanted: (scope: string | undefined) => boolean,
  ) => Iterable<readonly [scope: string | undefined, changes: readonly Change[]]>;
  /** What says how large these views are, and how their replies do. */
  readonly levels: (keys: ShardKeys, views: readonly View[]) => readonly ReadCommand[];
  readonly levelsOf: (replies: readonly Reply[], count: number) => readonly Level[];
}

export const OF_THE_WHOLE: Source = {
  name: "changes",
  stream: (keys) => keys.changes,
  *decode(id, fields) {
    yield [undefined, decodeChanges(id, fields)];
  },
  levels: ({ totals }) => [["HMGET", totals, "users"]],
  levelsOf([reply]) {
    const asked = "HMGET of the totals";
    const [users = null] = fieldsOf(reply, asked, 1);
    return [{ users: integerOrNull(users, asked) ?? 0, isTold: true }];
  },
};

export const OF_SCOPES: Source = {
  name: "moves",
  stream: (keys) => keys.moves,
  decode: decodeMoves,
  levels: ({ scopes, told }, views) => {
    const names = views.map(({ scope }) => scope!);
    return names.length === 0
      ? []
      : [
          ["ZMSCORE", scopes, ...names],
          ["SMISMEMBER", told, ...names],
        ];
  },
  levelsOf([scores, told], count) {
    if (count === 0) return [];
    const isTold = list(told, "SMISMEMBER of told", count);
    return list(scores, "ZMSCORE of scopes", count).map((score, i) => ({
      users: Math.floor((integerOrNull(score, "ZMSCORE of scopes") ?? 0) / SCOPE_UNIT),
      isTold: integer(isTold[i], "SMISMEMBER of told") === 1,
    }));
  },
};
