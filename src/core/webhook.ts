/**
 * Webhooks as Standard Webhooks 1.0 has them, as far as no runtime is needed: events, bodies, ids, secrets, and what an answer says.
 * docs/webhooks.md describes them for receivers.
 */
import type { ChangeCause } from "./change.ts";
import type { Delivery, GapReason } from "./delivery.ts";
import {
  RETRY_MS_MAX,
  WEBHOOK_BODY_BYTES,
  WEBHOOK_SECRET_BYTES_MAX,
  WEBHOOK_SECRET_BYTES_MIN,
  WEBHOOK_SECRETS_MAX,
} from "./limits.ts";
import { invalid } from "./options.ts";
import { utf8Length } from "./utf8.ts";

/** What a webhook may report. */
export const WEBHOOK_TYPES = [
  "user.online",
  "user.offline",
  /** Of namespaces and rooms: with `scopes` instead of those of users. */
  "scope.online",
  "scope.offline",
  "presence.gap",
] as const;

/** One of WEBHOOK_TYPES. */
export type WebhookType = (typeof WEBHOOK_TYPES)[number];

/** One event, as JSON. By itself it is the body of a request. */
export type WebhookEvent =
  | {
      /** The same in every attempt, and of no other event of this webhook: duplicates are found by it. */
      readonly id: string;
      readonly type: "user.online" | "user.offline";
      /** When it was folded, or found after a gap, on Redis's clock; ISO 8601, UTC. */
      readonly timestamp: string;
      readonly data: { readonly user: string; readonly cause: ChangeCause };
    }
  | {
      readonly id: string;
      readonly type: "scope.online" | "scope.offline";
      readonly timestamp: string;
      /** Without `room`: the namespace as a whole. */
      readonly data: {
        readonly user: string;
        readonly cause: ChangeCause;
        readonly namespace: string;
        readonly room?: string | undefined;
      };
    }
  | {
      readonly id: string;
      readonly type: "presence.gap";
      readonly timestamp: string;
      readonly data: { readonly reason: GapReason };
    };

/** The body of a request with `batch`: 1 to 100 events, in order. */
export interface WebhookBatch {
  readonly id: string;
  readonly type: "presence.batch";
  /** Of its first event. */
  readonly timestamp: string;
  readonly data: { readonly events: readonly WebhookEvent[] };
}

/** One request. */
export interface WebhookMessage {
  /** For `webhook-id`: without dots, which separate what is signed. */
  readonly id: string;
  readonly body: string;
}

export function eventOf(delivery: Delivery): WebhookEvent {
  const id = delivery.id.replaceAll(".", "_");
  const timestamp = delivery.at.toISOString();
  if (delivery.type === "gap")
    return { id, type: "presence.gap", timestamp, data: { reason: delivery.reason } };
  const { user, cause, namespace, room } = delivery;
  if (namespace === undefined) return { id, type: `user.${delivery.type}`, timestamp, data: { user, cause } };
  const data = { user, cause, namespace, ...(room !== undefined && { room }) };
  return { id, type: `scope.${delivery.type}`, timestamp, data };
}

/** One request for each delivery. */
export function messageOf(delivery: Delivery): WebhookMessage {
  const event = eventOf(delivery);
  return { id: event.id, body: JSON.stringify(event) };
}

/**
 * As few requests as keep within `most` bytes a body, in order. The id of one is that of its first event with the number of events: a later
 * attempt may hold more of them, and a receiver that knows the first must not drop the rest.
 */
export function batchesOf(deliveries: readonly Delivery[], most = WEBHOOK_BODY_BYTES): WebhookMessage[] {
  const messages: WebhookMessage[] = [];
  let events: WebhookEvent[] = [];
  let texts: string[] = [];
  let bytes = 0;
  const end = () => {
    const [first] = events;
    if (first === undefined) return;
    messages.push({ id: batchIdOf(first, events.length), body: bodyOf(first, texts) });
    [events, texts, bytes] = [[], [], 0];
  };
  for (const delivery of deliveries) {
    const event = eventOf(delivery);
    const text = JSON.stringify(event);
    const size = utf8Length(text) + 1;
    if (bytes + size + utf8Length(bodyOf(events[0] ?? event, [])) > most) end();
    events.push(event);
    texts.push(text);
    bytes += size;
  }
  end();
  return messages;
}

function batchIdOf({ id }: WebhookEvent, count: number): string {
  return `${id}_${count}`;
}

function bodyOf(first: WebhookEvent, texts: readonly string[]): string {
  const id = JSON.stringify(batchIdOf(first, texts.length));
  const timestamp = JSON.stringify(first.timestamp);
  return `{"id":${id},"type":"presence.batch","timestamp":${timestamp},"data":{"events":[${texts.join(",")}]}}`;
}

const SECRET_PREFIX = "whsec_";
const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/;

/** The secrets as base64, without `whsec_`. Throws PresenceError OPTIONS_INVALID, which does not show them. */
export function checkSecrets(secrets: unknown): readonly string[] {
  const form = `"${SECRET_PREFIX}" and the base64 of ${WEBHOOK_SECRET_BYTES_MIN} to ${WEBHOOK_SECRET_BYTES_MAX} bytes`;
  if (!Array.isArray(secrets) || secrets.length === 0 || secrets.length > WEBHOOK_SECRETS_MAX)
    return invalid(`secrets must be a list of 1 to ${WEBHOOK_SECRETS_MAX}, each ${form}`);
  const list = (secrets as unknown[]).map((secret, i) => {
    const text =
      typeof secret === "string" && secret.startsWith(SECRET_PREFIX)
        ? secret.slice(SECRET_PREFIX.length)
        : "";
    const bytes = BASE64.test(text)
      ? (text.length / 4) * 3 - (text.length - text.replaceAll("=", "").length)
      : 0;
    if (bytes < WEBHOOK_SECRET_BYTES_MIN || bytes > WEBHOOK_SECRET_BYTES_MAX)
      invalid(`secrets[${i}] must be ${form}`);
    return text;
  });
  if (new Set(list).size !== list.length) invalid("secrets must not contain the same one twice");
  return list;
}

/** What a signature is computed over. Neither id nor time contains a dot. */
export function textToSign(id: string, seconds: number, body: string): string {
  return `${id}.${seconds}.${body}`;
}

/** What an answer means. */
export interface Verdict {
  readonly outcome: "done" | "failed" | "gone";
  /** Try again not before this many ms. */
  readonly retryAfter: number;
}

/** Statuses by which a receiver asks for less. */
const THROTTLED: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** `now` and the result in ms; `header` is Retry-After. */
export function verdictOf(status: number, header: string | null, now: number): Verdict {
  if (status >= 200 && status <= 299) return { outcome: "done", retryAfter: 0 };
  if (status === 410) return { outcome: "gone", retryAfter: 0 };
  const retryAfter = THROTTLED.has(status) && header !== null ? retryAfterOf(header, now) : 0;
  return { outcome: "failed", retryAfter };
}

/** Seconds or an HTTP date; 0 for anything else. At most a day. */
function retryAfterOf(header: string, now: number): number {
  const text = header.trim();
  const ms = /^\d{1,10}$/.test(text)
    ? Number(text) * 1_000
    : /^[A-Z][a-z]{2}/.test(text)
      ? Date.parse(text) - now
      : 0;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), RETRY_MS_MAX) : 0;
}
