/** `usersAt()` and `sessions()`; GET /v1/users?at= and GET /v1/users/:id/sessions. */
import * as v from "valibot";
import { CHANGE_CAUSES } from "../../core/change.ts";
import type { Session } from "../../core/sessions.ts";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { schemaOf, time } from "./schema.ts";

export type { Session } from "../../core/sessions.ts";

/** Who was present at a moment. */
export interface UsersAtAnswer {
  /** Their ids, sorted; null where it is not exact: no list that looks right. */
  readonly users: readonly string[] | null;
  /** The moment that was asked about. */
  readonly at: Date;
  /** Whether all changes since then are still kept. */
  readonly exact: boolean;
  /** From when on such answers are exact; of a namespace or room, at the latest. */
  readonly since: Date;
  /** How old the listing is that was walked back. */
  readonly asOf: AsOf;
}

/** Some presences of one user. */
export interface SessionsAnswer {
  readonly user: string;
  /** In order. Those that overlap the time asked about, whole: they may begin before it and end after it. */
  readonly sessions: readonly Session[];
  /** The time that was asked about: without `from`, from the beginning of what is kept; at the latest until now. */
  readonly from: Date;
  readonly to: Date;
  /** Whether everything about this time is still kept. If not, `since` says from when on; a session whose beginning is lost has `start` null. */
  readonly exact: boolean;
  /** From when on all changes are kept. */
  readonly since: Date;
  /** The cursor of the next page; null after the last. A page may be empty although more follow. */
  readonly next: string | null;
  readonly asOf: AsOf;
}

/** JSON of UsersAtAnswer. */
export const usersAtSchema = schemaOf<UsersAtAnswer>()(
  v.strictObject({
    users: v.pipe(v.nullable(v.array(v.string())), v.description("Sorted ids; null where it is not exact.")),
    at: time,
    exact: v.pipe(v.boolean(), v.description("Whether all changes since then are still kept.")),
    since: v.pipe(time, v.description("From when on such answers are exact.")),
    asOf: asOfSchema,
  }),
);

const sessionSchema = schemaOf<Session>()(
  v.strictObject({
    start: v.pipe(v.nullable(time), v.description("Null: before what is kept.")),
    end: v.pipe(v.nullable(time), v.description("Null: it has not ended.")),
    cause: v.pipe(v.nullable(v.picklist(CHANGE_CAUSES)), v.description("Why it ended; null: it has not.")),
  }),
);

/** JSON of SessionsAnswer. */
export const sessionsSchema = schemaOf<SessionsAnswer>()(
  v.strictObject({
    user: v.string(),
    sessions: v.pipe(v.array(sessionSchema), v.description("In order; those that overlap the time.")),
    from: time,
    to: time,
    exact: v.pipe(v.boolean(), v.description("Whether everything about this time is still kept.")),
    since: v.pipe(time, v.description("From when on all changes are kept.")),
    next: v.pipe(v.nullable(v.string()), v.description("The cursor of the next page; null after the last.")),
    asOf: asOfSchema,
  }),
);
