/** `user()`, `lookup()`, `page()` and `users()`; GET /v1/users, GET /v1/users/:id and POST /v1/users/lookup. */
import * as v from "valibot";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf } from "./schema.ts";

/** One user: an item of a list. */
export interface UserPresence {
  readonly id: string;
  /** Has an open socket, or is in grace. */
  readonly online: boolean;
  /** Open sockets across all processes; 0 for a user in grace. */
  readonly sockets: number;
}

/** A process on which a user has sockets. */
export interface UserProcess {
  /** As in `processes()`. */
  readonly id: string;
  /** Of this user, open on it. */
  readonly sockets: number;
}

/** The answer about one user. */
export interface UserAnswer extends UserPresence {
  /** Where the user's sockets are, sorted by id; empty for a user who is absent or in grace. */
  readonly processes: readonly UserProcess[];
  readonly asOf: AsOf;
}

/** Users in the order requested, repeats included. */
export interface UsersAnswer {
  readonly users: readonly UserPresence[];
  readonly asOf: AsOf;
}

/** Some of the users present. */
export interface UsersPage extends UsersAnswer {
  /** The cursor of the next page; null after the last. Valid as long as the prefix keeps its number of shards. */
  readonly next: string | null;
}

const fields = {
  id: v.string(),
  online: v.boolean(),
  sockets: v.pipe(count, v.description("Across all processes; 0 for a user in grace.")),
};

/** JSON of UserPresence. */
export const userPresenceSchema = schemaOf<UserPresence>()(v.strictObject(fields));

const userProcessSchema = schemaOf<UserProcess>()(
  v.strictObject({ id: v.string(), sockets: v.pipe(count, v.description("Of this user, on this process.")) }),
);

/** JSON of UserAnswer. */
export const userAnswerSchema = schemaOf<UserAnswer>()(
  v.strictObject({
    ...fields,
    processes: v.pipe(
      v.array(userProcessSchema),
      v.description("Where the sockets are, sorted by id; empty for a user who is absent or in grace."),
    ),
    asOf: asOfSchema,
  }),
);

const users = v.array(userPresenceSchema);

/** JSON of UsersAnswer. */
export const usersAnswerSchema = schemaOf<UsersAnswer>()(v.strictObject({ users, asOf: asOfSchema }));

/** JSON of UsersPage. */
export const usersPageSchema = schemaOf<UsersPage>()(
  v.strictObject({
    users,
    next: v.pipe(v.nullable(v.string()), v.description("The cursor of the next page; null after the last.")),
    asOf: asOfSchema,
  }),
);
