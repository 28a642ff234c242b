/**
 * How an answer's type and schema are held together. Each file beside this one has an interface, with the documentation
 * of its fields, and below it the valibot schema of its JSON. `schemaOf` ties the two: it does not compile when they
 * differ in a key or in a type.
 *
 * Only src/http loads these files at run time. Everything else imports their types, so that `rollcall` and
 * `rollcall/client` do without valibot.
 */
import * as v from "valibot";
import type { Json } from "./json.ts";

/** The same type without `readonly` and with its intersections joined, so that two of them can be compared. */
type Bare<T> = T extends string | number | boolean | null | undefined | Date
  ? T
  : T extends readonly (infer Item)[]
    ? Bare<Item>[]
    : { -readonly [Key in keyof T]: Bare<T[Key]> };

/** Whether A and B are one type; a key that one of them has and the other has not makes them two, optional or not. */
// Two generic functions are assignable when their conditions are identical, which no other comparison of types asks for.
// oxlint-disable typescript/no-unnecessary-type-parameters
type IsSame<A, B> =
  (<T>() => T extends Bare<A> ? 1 : 2) extends <T>() => T extends Bare<B> ? 1 : 2 ? true : false;
// oxlint-enable typescript/no-unnecessary-type-parameters

/** What the compiler shows when a schema and its interface differ. */
interface Drift<Wanted, Found> {
  readonly "the schema and the interface differ": {
    readonly missing: Exclude<keyof Wanted, keyof Found>;
    readonly extra: Exclude<keyof Found, keyof Wanted>;
    readonly wanted: Bare<Wanted>;
    readonly found: Bare<Found>;
  };
}

type Tied<T, Schema extends v.GenericSchema> =
  IsSame<Json<T>, v.InferOutput<Schema>> extends true ? unknown : Drift<Json<T>, v.InferOutput<Schema>>;

/**
 * Ties a schema to the interface whose JSON it describes; returns the schema as it is.
 *
 *   export const lagSchema = schemaOf<Lag>()(v.strictObject({ records: count, ms: count }));
 *
 * Two calls, since TypeScript infers all the type parameters of a call or none.
 */
export function schemaOf<T>() {
  return <Schema extends v.GenericSchema>(schema: Schema & Tied<T, Schema>): Schema => schema;
}

/** A whole number from 0. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A whole number, of either sign. */
export const whole = v.pipe(v.number(), v.integer());
/** A time in ISO 8601: what JSON makes of a Date. */
export const time = v.pipe(v.string(), v.isoTimestamp());
