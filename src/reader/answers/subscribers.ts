/** `subscribers()` and GET /v1/subscribers. */
import * as v from "valibot";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf, time } from "./schema.ts";

/** A durable subscriber, over all shards. */
export interface SubscriberStatus {
  readonly name: string;
  /** Nobody serves it: its turn was not renewed for two minutes longer than it lasts. */
  readonly stale: boolean;
  /** When a process last renewed its turn, on Redis's clock; of several shards the earliest. */
  readonly servedAt: Date;
  /** For how long the oldest change that is not handled yet has waited, ms; 0: none waits. */
  readonly behind: number;
  /** How often what comes next has failed; 0: it has not. */
  readonly attempt: number;
  /** When it is tried again; null: nothing has failed. */
  readonly retryAt: Date | null;
  /** Why it is disabled; null: it is not. */
  readonly disabled: string | null;
  /** Whether it is being compared with who is present, after a gap or at its beginning. */
  readonly comparing: boolean;
  readonly deadLetters: number;
  /** Deliveries that were handled, attempts that failed, and gaps, since it began. */
  readonly handled: number;
  readonly failed: number;
  readonly gaps: number;
}

/** All durable subscribers, by name. */
export interface SubscribersAnswer {
  readonly subscribers: readonly SubscriberStatus[];
  readonly asOf: AsOf;
}

const subscriberSchema = schemaOf<SubscriberStatus>()(
  v.strictObject({
    name: v.string(),
    stale: v.boolean(),
    servedAt: time,
    behind: count,
    attempt: count,
    retryAt: v.nullable(time),
    disabled: v.nullable(v.string()),
    comparing: v.boolean(),
    deadLetters: count,
    handled: count,
    failed: count,
    gaps: count,
  }),
);

/** JSON of SubscribersAnswer. */
export const subscribersAnswerSchema = schemaOf<SubscribersAnswer>()(
  v.strictObject({ subscribers: v.array(subscriberSchema), asOf: asOfSchema }),
);
