/** How old an answer is. */
import * as v from "valibot";
import { count, schemaOf, time } from "./schema.ts";

/** How far the projector is behind the log. */
export interface Lag {
  /** Records appended and not folded yet. Heartbeats count, so an idle system has a few. */
  readonly records: number;
  /** Age of the oldest of them, ms; 0 if there are none. */
  readonly ms: number;
}

/** How old an answer is, and its position in `changes`. With several shards: the age of the oldest part. */
export interface AsOf {
  /** When it was read. All times are on Redis's clock, or on this machine's until a projector has run. */
  readonly now: Date;
  /** When the projector last ran (with several shards, the one longest ago); null: never. */
  readonly projectedAt: Date | null;
  /** Ids of the last record folded, one per shard, joined by "_"; "0-0" before the first. */
  readonly record: string;
  readonly lag: Lag;
  /** Work for a projector has waited for longer than `staleAfter`, or none ever ran. The HTTP API also sets it when Redis does not answer. */
  readonly stale: boolean;
  /** The position of this answer in `changes`: continue from here and no change is missed. Opaque. */
  readonly cursor: string;
}

const lag = v.strictObject({
  records: v.pipe(count, v.description("Records appended and not folded yet.")),
  ms: v.pipe(count, v.description("Age of the oldest of them.")),
});

/** JSON of AsOf. */
export const asOfSchema = schemaOf<AsOf>()(
  v.strictObject({
    now: v.pipe(time, v.description("When it was read, on Redis's clock.")),
    projectedAt: v.pipe(v.nullable(time), v.description("When the projector last ran; null: never.")),
    record: v.pipe(v.string(), v.description("Ids of the last record folded, one per shard.")),
    lag,
    stale: v.pipe(v.boolean(), v.description("The projector is overdue, or Redis did not answer.")),
    cursor: v.pipe(v.string(), v.description("Opaque. The position in `changes`.")),
  }),
);
