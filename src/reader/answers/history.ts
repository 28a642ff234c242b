/** `history()` and GET /v1/history; `distinct()`. */
import * as v from "valibot";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf, time } from "./schema.ts";

/** One number over a stretch of time, as the projection had it. */
export interface Measured {
  /** At its end, or now. */
  readonly last: number;
  /** Least and most in it. With several shards they are bounds: the true ones lie between them. */
  readonly min: number;
  readonly max: number;
}

/** A minute, an hour, a day, or several. */
export interface HistoryPoint {
  /** Its start. */
  readonly at: Date;
  /** Users present; null: a gap, in which no projector ran, or none that keeps a history. */
  readonly users: Measured | null;
  /** Open sockets. */
  readonly sockets: Measured | null;
  /** How many different users were present in it, to within about 1 %; null: a gap, a day that is not kept any more, or a step that is not in days. */
  readonly distinct: number | null;
}

/** Numbers over time. */
export interface HistoryAnswer {
  /** The length of a point, ms. */
  readonly step: number;
  /** The start of the first point, and where the last one ends. */
  readonly from: Date;
  readonly to: Date;
  /** Whether `min` and `max` are bounds only: there are several shards. */
  readonly bounds: boolean;
  /** Oldest first, without holes. The last one may go on. */
  readonly points: readonly HistoryPoint[];
  readonly asOf: AsOf;
}

/** How many different users were present on some days. */
export interface DistinctAnswer {
  /** The first and last of these days, as `2026-03-01`, in UTC. */
  readonly from: string;
  readonly to: string;
  /** To within about 1 % (one standard deviation is 0.81 %). */
  readonly distinct: number;
  readonly asOf: AsOf;
}

const measured = v.nullable(v.strictObject({ last: count, min: count, max: count }));

/** JSON of HistoryAnswer. */
export const historyAnswerSchema = schemaOf<HistoryAnswer>()(
  v.strictObject({
    step: v.pipe(count, v.description("The length of a point, ms.")),
    from: time,
    to: time,
    bounds: v.pipe(v.boolean(), v.description("`min` and `max` are bounds only: there are several shards.")),
    points: v.array(
      v.strictObject({
        at: v.pipe(time, v.description("Its start.")),
        users: v.pipe(measured, v.description("Null: a gap.")),
        sockets: measured,
        distinct: v.pipe(
          v.nullable(count),
          v.description("Different users present, to within about 1 %. Null where the step is not in days."),
        ),
      }),
    ),
    asOf: asOfSchema,
  }),
);
