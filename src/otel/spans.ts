/**
 * The spans: their names, kinds and attributes, after OpenTelemetry's semantic conventions 1.45 (messaging and http) where these have a
 * name, under `rollcall.` otherwise. Pure. docs/operations.md lists them.
 */
import { type Attributes, SpanKind } from "@opentelemetry/api";
import { isErrorStatus } from "../core/measures.ts";
import type { Begun, Done, OperationName } from "../core/telemetry.ts";

export interface SpanShape<Name extends OperationName> {
  readonly kind: SpanKind;
  readonly name: (prefix: string) => string;
  readonly begun: (begun: Begun<Name>, prefix: string) => Attributes;
  readonly done: (done: Done<Name>) => Attributes;
  /** `error.type`, if what was done is an error all the same. */
  readonly error?: (done: Done<Name>) => string | undefined;
}

const REDIS: Attributes = { "messaging.system": "redis", "db.system.name": "redis" };
const partition = (shard: number) => ({ "messaging.destination.partition.id": String(shard) });

export const SPANS: { readonly [Name in OperationName]: SpanShape<Name> } = {
  append: {
    kind: SpanKind.PRODUCER,
    name: (prefix) => `append ${prefix}:records`,
    begun: ({ shard, operations, bytes }, prefix) => ({
      ...REDIS,
      "messaging.operation.name": "append",
      "messaging.operation.type": "send",
      "messaging.destination.name": `${prefix}:records`,
      ...partition(shard),
      "messaging.message.body.size": bytes,
      "rollcall.operations": operations,
    }),
    done: () => ({}),
  },
  fold: {
    kind: SpanKind.CONSUMER,
    name: (prefix) => `fold ${prefix}:records`,
    begun: ({ shard }, prefix) => ({
      ...REDIS,
      "messaging.operation.name": "fold",
      "messaging.operation.type": "process",
      "messaging.destination.name": `${prefix}:records`,
      ...partition(shard),
    }),
    done: ({ records, operations, rejected, fenced, reaped, changes }) => ({
      "messaging.batch.message_count": records,
      "rollcall.operations": operations,
      "rollcall.rejected": rejected,
      "rollcall.fenced": fenced,
      "rollcall.reaped": reaped,
      "rollcall.changes": changes,
    }),
  },
  register: {
    kind: SpanKind.INTERNAL,
    name: () => "register",
    begun: ({ shard, reason }) => ({ "rollcall.shard": shard, "rollcall.reason": reason }),
    done: () => ({}),
  },
  resync: {
    kind: SpanKind.INTERNAL,
    name: () => "resync",
    begun: ({ shard, stream, reason }) => ({
      "rollcall.shard": shard,
      "rollcall.stream": stream,
      "rollcall.reason": reason,
    }),
    done: () => ({}),
  },
  deliver: {
    kind: SpanKind.CONSUMER,
    name: (prefix) => `deliver ${prefix}:changes`,
    begun: ({ shard, subscriber, deliveries, attempt }, prefix) => ({
      "messaging.system": "redis",
      "messaging.operation.name": "deliver",
      "messaging.operation.type": "process",
      "messaging.destination.name": `${prefix}:changes`,
      "messaging.destination.subscription.name": subscriber,
      ...partition(shard),
      "messaging.batch.message_count": deliveries,
      "rollcall.attempt": attempt,
    }),
    done: () => ({}),
  },
  post: {
    kind: SpanKind.CLIENT,
    name: () => "POST",
    // No `url.full`, though the conventions ask for it: a webhook's URL may contain a secret.
    begun: ({ host, port, bytes }) => ({
      "http.request.method": "POST",
      "server.address": host,
      "server.port": port,
      "http.request.body.size": bytes,
    }),
    done: ({ status }) => ({ "http.response.status_code": status }),
    error: ({ status }) => (isErrorStatus(status) ? String(status) : undefined),
  },
};
