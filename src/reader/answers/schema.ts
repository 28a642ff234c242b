/**
 * Keeps an answer's type and schema in step. Each file in this folder has an interface, with the documentation of its
 * fields, and below it the valibot schema of its JSON. `schemaOf` ties the two: the code does not compile when they differ in
 * a key or a type.
 *
 * Only src/http loads these files at run time. Everything else imports only their types, so `rollcall` and
 * `rollcall/client` do not need valibot.
 */
import * as v from "valibot";
import type { Json } from "./json.ts";

/** The same type without `readonly` and with its intersections joined, so that two of them can be compared. */
type Bare<T> = T extends string | number | boolean | null | undefined | Date
  ? T
  : T extends readonly (infer Item)[]
    ? Bare<Item>[]
    : { -readonly [Key in keyof T]: Bare<T[Key]> };

/** Whether A and B are the same type. A key that only one of them has makes them different, even if it is optional. */
// Two generic functions are assignable only if their conditions are identical: the strictest comparison of types there is.
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
 * Ties a schema to the interface whose JSON it describes; returns the schema unchanged.
 *
 *   export const lagSchema = schemaOf<Lag>()(v.strictObject({ records: count, ms: count }));
 *
 * Two calls, because TypeScript infers all type parameters of a call or none.
 */
export function schemaOf<T>() {
  return <Schema extends v.GenericSchema>(schema: Schema & Tied<T, Schema>): Schema => schema;
}

/** A whole number from 0. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A whole number, of either sign. */
export const whole = v.pipe(v.number(), v.integer());
/** A time in ISO 8601: a Date after JSON. */
export const time = v.pipe(v.string(), v.isoTimestamp());
