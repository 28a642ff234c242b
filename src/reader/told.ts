/** Whether the changes of a scope are told. */
import { PresenceError } from "../core/errors.ts";
import { isTold } from "../core/scope-patterns.ts";
import { fieldsOf, integer, list } from "../redis/decode.ts";
import type { ReaderContext } from "./context.ts";
import { patternsOf } from "./tracked.ts";

/** Throws SCOPE_UNTRACKED where the changes of a scope are not told: no answer would say that there were none. */
export async function checkTold(
  { keys, askPlain, tracks: ours }: ReaderContext,
  scope: string,
): Promise<void> {
  const parts = await Promise.all(
    keys.map(async (own) => {
      const [told, totals] = await askPlain([
        ["SMISMEMBER", own.told, scope],
        ["HMGET", own.totals, "tracks"],
      ]);
      const [tracks = null] = fieldsOf(totals, "HMGET of the totals", 1);
      return { isTold: integer(list(told, "SMISMEMBER of told", 1)[0], "SMISMEMBER of told") === 1, tracks };
    }),
  );
  if (parts.some(({ isTold }) => isTold) || isTold([...patternsOf(parts), ...ours], scope) === "yes") return;
  const message =
    "the changes of this namespace or room are not told: add it to `changes` in createPresence, on all servers";
  throw new PresenceError("SCOPE_UNTRACKED", message);
}
