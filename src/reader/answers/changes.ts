/** `changes()` and GET /v1/changes. */
import * as v from "valibot";
import { type Change, CHANGE_CAUSES, CHANGE_TYPES } from "../../core/change.ts";
import { schemaOf, time } from "./schema.ts";

/** The changes after a cursor. */
export interface ChangesAnswer {
  /** In the order in which they happened; changes of different users at the same moment are in any order. */
  readonly changes: readonly Change[];
  /** The cursor to continue from. */
  readonly next: string;
  /**
   * Some or all changes after the cursor are no longer available: take a snapshot and continue from its cursor. The answer
   * has no changes then, and `next` is the current position.
   */
  readonly gap: boolean;
  /** More changes are available now. */
  readonly more: boolean;
}

/** The interface is in src/core/change.ts, which has no dependency. */
export const changeSchema = schemaOf<Change>()(
  v.strictObject({
    user: v.string(),
    type: v.picklist(CHANGE_TYPES),
    cause: v.picklist(CHANGE_CAUSES),
    at: time,
    id: v.string(),
  }),
);

/** JSON of ChangesAnswer. */
export const changesAnswerSchema = schemaOf<ChangesAnswer>()(
  v.strictObject({
    changes: v.array(changeSchema),
    next: v.pipe(v.string(), v.description("The cursor to continue from.")),
    gap: v.pipe(
      v.boolean(),
      v.description(
        "Changes after the cursor are no longer available: take a snapshot and continue from its cursor.",
      ),
    ),
    more: v.pipe(v.boolean(), v.description("More changes are available now.")),
  }),
);
