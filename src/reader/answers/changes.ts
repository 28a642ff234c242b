/** `changes()` and GET /v1/changes. */
import * as v from "valibot";
import { type Change, CHANGE_CAUSES, CHANGE_TYPES } from "../../core/change.ts";
import { schemaOf, time } from "./schema.ts";

/** What changed after a cursor. */
export interface ChangesAnswer {
  /** In the order in which they happened; of different users at the same moment, in any order. */
  readonly changes: readonly Change[];
  /** The cursor to go on from. */
  readonly next: string;
  /**
   * What came after the cursor is no longer kept, all of it or a part: take a snapshot, and go on from its cursor. The
   * answer has no changes then, and `next` is where `changes` stands now.
   */
  readonly gap: boolean;
  /** There are more already. */
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
    next: v.pipe(v.string(), v.description("The cursor to go on from.")),
    gap: v.pipe(
      v.boolean(),
      v.description(
        "Some of what came after the cursor is not kept any more: take a snapshot and go on from its cursor.",
      ),
    ),
    more: v.pipe(v.boolean(), v.description("There are more already.")),
  }),
);
