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
  /** Only where `from` or `to` was given: whether all changes of that time are still kept. If not, these are those that are. */
  readonly exact?: boolean;
  /** Only where `from` was given: from when on all changes are kept. */
  readonly since?: Date;
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
    exact: v.exactOptional(
      v.pipe(
        v.boolean(),
        v.description("With `from` or `to`: whether all changes of that time are still kept."),
      ),
    ),
    since: v.exactOptional(v.pipe(time, v.description("With `from`: from when on all changes are kept."))),
  }),
);
