/**
 * What the routes answer, for /openapi.json. The field names are those of the Reader's types; JSON writes their dates in
 * ISO 8601. A test holds every answer to these.
 */
import * as v from "valibot";

const whole = v.pipe(v.number(), v.integer());
const count = v.pipe(whole, v.minValue(0));
const time = v.pipe(v.string(), v.isoTimestamp());
const cursor = v.pipe(v.string(), v.description("Opaque. Where `changes` stands."));

function named<S extends v.GenericSchema>(ref: string, schema: S) {
  return v.pipe(schema, v.metadata({ ref }));
}

const asOf = named(
  "AsOf",
  v.strictObject({
    now: v.pipe(time, v.description("When it was read, on the reader's clock.")),
    projectedAt: v.pipe(v.nullable(time), v.description("When the projector last ran; null: never.")),
    record: v.pipe(v.string(), v.description("Id of the last record folded, shard by shard.")),
    lag: v.strictObject({
      records: v.pipe(count, v.description("Records appended and not folded yet.")),
      ms: v.pipe(count, v.description("Age of the oldest of them.")),
    }),
    stale: v.pipe(v.boolean(), v.description("The projector is overdue, or Redis did not answer.")),
    cursor,
  }),
);

const countFields = { users: count, sockets: count, connections: count };

const userFields = {
  id: v.string(),
  online: v.boolean(),
  sockets: v.pipe(count, v.description("Across all processes; 0 for a user in grace.")),
};

export const counts = named("Counts", v.strictObject({ ...countFields, asOf }));

export const user = named("User", v.strictObject({ ...userFields, asOf }));

const users = v.array(named("UserPresence", v.strictObject(userFields)));

export const usersAnswer = named("Users", v.strictObject({ users, asOf }));

export const usersPage = named(
  "UsersPage",
  v.strictObject({
    users,
    next: v.pipe(v.nullable(v.string()), v.description("The cursor of the next page; null after the last.")),
    asOf,
  }),
);

export const processesAnswer = named(
  "Processes",
  v.strictObject({
    processes: v.array(
      v.strictObject({
        id: v.string(),
        state: v.picklist(["live", "fenced", "ended"]),
        sockets: count,
        connections: count,
        leaseUntil: v.nullable(time),
        startedAt: v.nullable(time),
        host: v.nullable(v.string()),
        pid: v.nullable(count),
        version: v.nullable(v.string()),
      }),
    ),
    asOf,
  }),
);

export const change = named(
  "Change",
  v.strictObject({
    user: v.string(),
    type: v.picklist(["online", "offline"]),
    cause: v.picklist(["connect", "disconnect", "leave", "grace", "bye", "reap", "replace", "repair"]),
    at: time,
    id: v.string(),
  }),
);

export const changesAnswer = named(
  "Changes",
  v.strictObject({
    changes: v.array(change),
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

export const health = v.strictObject({ status: v.literal("ok") });

export const ready = v.strictObject({ status: v.literal("ready"), asOf });

export const problem = named(
  "Problem",
  v.looseObject({
    type: v.string(),
    title: v.string(),
    status: whole,
    detail: v.string(),
    code: v.pipe(v.string(), v.description("To branch on.")),
  }),
);
