/** The options of durable subscribers and their methods, and their checks. */
import type { ChangeCause, ChangeType } from "../core/change.ts";
import { CHANGE_CAUSES, CHANGE_TYPES } from "../core/change.ts";
import type { ChangeDelivery, Delivery } from "../core/delivery.ts";
import { type Duration, resolveDuration } from "../core/keep.ts";
import { KEY_OPTIONS, type KeyOptions, resolveKeyOptions } from "../core/key-options.ts";
import {
  BATCH_MAX,
  DEAD_LETTERS_KEPT_MS,
  DELIVER_MS,
  DELIVERY_SCOPES_MAX,
  HANDLE_MS,
  HANDLE_MS_MIN,
  LETTERS_PAGE_DEFAULT,
  LETTERS_PAGE_MAX,
  RETRIES_MAX,
  RETRIES_MS,
  RETRY_MS_MAX,
  SUBSCRIBER_NAME_MAX,
  SUBSCRIBER_TURN_MS,
  SUBSCRIBER_TURN_MS_MAX,
  SUBSCRIBER_TURN_MS_MIN,
  SWEEP_REQUESTS_MAX,
  TIMER_MS_MAX,
} from "../core/limits.ts";
import {
  abortSignal,
  invalid,
  type Known,
  type Logger,
  loggerOr,
  oneOf,
  refuseUnknown,
  whole,
} from "../core/options.ts";
import { checkScope, scopeOf } from "../core/scope.ts";
import { isStreamId } from "../core/stream-id.ts";
import { resolveTelemetry, type TelemetryOptions } from "../core/telemetry.ts";
import { CONSOLE } from "../time/console.ts";

/** What a handler is told of a delivery. */
export interface DeliveryInfo {
  /** The id of the delivery, of a batch that of its first: the same in every attempt and from every process. */
  readonly id: string;
  /** From 1 on. After a crash between handling and noting one, it may be the same number again. */
  readonly attempt: number;
  /**
   * Fires when the time is over (`timeout`), when this process has lost its turn, so that another may be handling the same, and when the
   * subscriber is closed.
   */
  readonly signal: AbortSignal;
}

/** Handles one delivery: done when it returns, or when the promise that it returns resolves. */
export type Handle = (delivery: Delivery, info: DeliveryInfo) => unknown;
/** Handles several deliveries, in order: all are done, or all are tried again. */
export type HandleBatch = (deliveries: readonly Delivery[], info: DeliveryInfo) => unknown;

/** Which changes are delivered; those that match all that is given. Gaps always are. */
export interface DeliveryFilter {
  readonly types?: readonly ChangeType[] | undefined;
  readonly causes?: readonly ChangeCause[] | undefined;
  readonly users?: readonly string[] | undefined;
}

/** A namespace, or a room in one; without `namespace` the main one. */
export interface DeliveryScope {
  readonly namespace?: string | undefined;
  /** Undefined: the namespace itself. */
  readonly room?: string | undefined;
}

/** What subscribe() of presence takes besides name and handler. */
export interface SubscribeOptions {
  /**
   * Where a subscriber begins that Redis does not know yet. "now", the default: with the next change. "start": with the oldest that is
   * kept. One that is known goes on where it stands.
   */
  readonly from?: "now" | "start" | undefined;
  /**
   * Which changes are delivered: those that match all of `types`, `causes` and `users`, or for which a function returns true. It must be the
   * same in every process. Gaps are always delivered. Default: all.
   *
   *   filter: { types: ["offline"] }
   */
  readonly filter?: DeliveryFilter | ((change: ChangeDelivery) => boolean) | undefined;
  /**
   * Delivers who comes and goes in namespaces and rooms, instead of in the whole: those of this list, all (true), or those for which a function
   * returns true. Their changes must be told: the option `changes` of createPresence. Deliveries have `namespace` and `room`. The same in every
   * process; a name is used with it or without it, never both. Default: the whole.
   *
   *   scopes: [{ namespace: "/chat" }, { room: "news" }]
   */
  readonly scopes?:
    | true
    | readonly DeliveryScope[]
    | ((scope: { readonly namespace: string; readonly room: string | undefined }) => boolean)
    | undefined;
  /** Most deliveries handed over at once. 1 to 1,000. Set, the handler gets a list; by default one delivery. */
  readonly batch?: number | undefined;
  /** How long the handler may take, ms, before its signal fires and the attempt has failed. 10 to 600,000, default 30,000. */
  readonly timeout?: number | undefined;
  /**
   * The waits before a failed delivery is tried again, ms; then it is a dead letter. All later changes of the shard wait too. Up to 100 of 0
   * to a day. Default: 11 from a second to 8 hours, 16 hours in all. Up to a tenth is added at random. A handler that throws a
   * DeliveryError with `retryAfter` waits at least so long.
   *
   *   retries: [1_000, 10_000, 60_000]
   */
  readonly retries?: readonly number[] | undefined;
  /**
   * How long a process has the turn after it last renewed it, ms: after a crash nothing is delivered for up to this long. 1,000 to 600,000,
   * default 30,000.
   */
  readonly turn?: number | undefined;
  /** How long dead letters are kept: they name users. `"1m"` to `"3650d"`, default `"30d"`; and about 10,000 at most. */
  readonly keepDeadLetters?: Duration | undefined;
}

/** The options of createSubscriber(), besides `redis` and `handle`. */
export interface SubscriberOptions extends KeyOptions, SubscribeOptions, TelemetryOptions {
  /** 1 to 64 letters, digits, dots, dashes and underscores. All processes that use one name share the work. */
  readonly name: string;
  /** As for a recorder: a line when delivering begins to fail, and one when it works again. False: silent. Default: `console`. */
  readonly logger?: Logger | false | undefined;
}

export const SUBSCRIBE_OPTIONS: Known<SubscribeOptions> = {
  from: true,
  filter: true,
  scopes: true,
  batch: true,
  timeout: true,
  retries: true,
  turn: true,
  keepDeadLetters: true,
};

const SUBSCRIBER_OPTIONS: Known<SubscriberOptions> = {
  ...KEY_OPTIONS,
  ...SUBSCRIBE_OPTIONS,
  name: true,
  logger: true,
  telemetry: true,
};

/** The option names of createSubscriber(). */
export const SUBSCRIBER_INPUT = { redis: true, handle: true, ...SUBSCRIBER_OPTIONS } as const;

const FILTER: Known<DeliveryFilter> = { types: true, causes: true, users: true };

export function checkSubscriberName(name: unknown): string {
  if (typeof name === "string" && name.length <= SUBSCRIBER_NAME_MAX && /^[\w.-]+$/.test(name)) return name;
  return invalid(
    `name must be 1 to ${SUBSCRIBER_NAME_MAX} letters, digits, dots, dashes and underscores, got ${typeof name === "string" ? JSON.stringify(name) : typeof name}`,
  );
}

function listOf<T extends string>(name: string, value: unknown, choices?: readonly T[]): ReadonlySet<T> {
  if (!Array.isArray(value) || value.length === 0)
    invalid(`${name} must be a list of at least one, got ${Array.isArray(value) ? "none" : typeof value}`);
  for (const [i, item] of (value as unknown[]).entries()) {
    if (choices !== undefined) oneOf(`${name}[${i}]`, item, choices);
    else if (typeof item !== "string" || item === "") invalid(`${name}[${i}] must be a user id`);
  }
  return new Set(value as T[]);
}

function resolveFilter(filter: SubscribeOptions["filter"]): (change: ChangeDelivery) => boolean {
  if (filter === undefined) return () => true;
  if (typeof filter === "function") return (change) => filter(change);
  refuseUnknown(filter, FILTER, "a subscriber", "filter");
  const types = filter.types === undefined ? undefined : listOf("filter.types", filter.types, CHANGE_TYPES);
  const causes =
    filter.causes === undefined ? undefined : listOf("filter.causes", filter.causes, CHANGE_CAUSES);
  const users = filter.users === undefined ? undefined : listOf("filter.users", filter.users);
  return ({ type, cause, user }) =>
    (types?.has(type) ?? true) && (causes?.has(cause) ?? true) && (users?.has(user) ?? true);
}

const SCOPE: Known<DeliveryScope> = { namespace: true, room: true };

/** Null: the whole. */
function resolveScopes(scopes: SubscribeOptions["scopes"]): ((change: ChangeDelivery) => boolean) | null {
  if (scopes === undefined) return null;
  if (scopes === true) return () => true;
  if (typeof scopes === "function")
    return ({ namespace = "/", room }) => (scopes as (scope: object) => boolean)({ namespace, room });
  if (!Array.isArray(scopes) || scopes.length === 0)
    return invalid("scopes must be true, a function, or a list of at least one namespace or room");
  if (scopes.length > DELIVERY_SCOPES_MAX)
    invalid(`scopes must be at most ${DELIVERY_SCOPES_MAX}, got ${scopes.length}: use true or a function`);
  const wanted = new Set(
    (scopes as readonly DeliveryScope[]).map((scope, i) => {
      refuseUnknown(scope, SCOPE, "a subscriber", `scopes[${i}]`);
      return checkScope(scope.namespace ?? "/", scope.room);
    }),
  );
  return ({ namespace = "/", room }) => wanted.has(scopeOf(namespace, room));
}

function resolveRetries(retries: unknown = RETRIES_MS): readonly number[] {
  if (!Array.isArray(retries)) invalid(`retries must be a list of waits in ms, got ${typeof retries}`);
  if (retries.length > RETRIES_MAX)
    invalid(`retries must be at most ${RETRIES_MAX} waits, got ${retries.length}`);
  return (retries as unknown[]).map((wait, i) => whole(`retries[${i}]`, wait, 0, RETRY_MS_MAX));
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveSubscriberOptions(input: SubscriberOptions) {
  refuseUnknown(input, SUBSCRIBER_OPTIONS, "a subscriber");
  const { name, logger, from, filter, scopes, batch, timeout, retries, turn, keepDeadLetters } = input;
  return {
    ...resolveKeyOptions(input),
    name: checkSubscriberName(name),
    logger: loggerOr(CONSOLE, logger),
    telemetry: resolveTelemetry(input.telemetry),
    from: oneOf("from", from ?? "now", ["now", "start"] as const),
    filter: resolveFilter(filter),
    scopes: resolveScopes(scopes),
    batch: batch === undefined ? null : whole("batch", batch, 1, BATCH_MAX),
    timeout: whole("timeout", timeout ?? HANDLE_MS, HANDLE_MS_MIN, SUBSCRIBER_TURN_MS_MAX),
    retries: resolveRetries(retries),
    turn: whole("turn", turn ?? SUBSCRIBER_TURN_MS, SUBSCRIBER_TURN_MS_MIN, SUBSCRIBER_TURN_MS_MAX),
    keep: resolveDuration("keepDeadLetters", keepDeadLetters ?? DEAD_LETTERS_KEPT_MS),
  };
}

export type ResolvedSubscriberOptions = ReturnType<typeof resolveSubscriberOptions>;

export interface DeliverOptions {
  /**
   * When to stop: `ms` after the start, 0 to a day, default 30,000; `requests` to Redis and by the handler, one each time it is called, 4 to
   * 1,000,000, default no limit; `deliveries`, from 1 on, default no limit.
   */
  readonly budget?:
    | {
        readonly ms?: number | undefined;
        readonly requests?: number | undefined;
        readonly deliveries?: number | undefined;
      }
    | undefined;
  /** Ends it after the delivery that is under way. */
  readonly signal?: AbortSignal | undefined;
}

const DELIVER_OPTIONS: Known<DeliverOptions> = { budget: true, signal: true };
const DELIVER_BUDGET: Known<NonNullable<DeliverOptions["budget"]>> = {
  ms: true,
  requests: true,
  deliveries: true,
};

export function resolveDeliverOptions(options: DeliverOptions) {
  refuseUnknown(options, DELIVER_OPTIONS, "deliver()");
  const { budget = {}, signal } = options;
  refuseUnknown(budget, DELIVER_BUDGET, "deliver()", "budget");
  return {
    ms: whole("budget.ms", budget.ms ?? DELIVER_MS, 0, RETRY_MS_MAX),
    requests:
      budget.requests === undefined
        ? Infinity
        : whole("budget.requests", budget.requests, 4, SWEEP_REQUESTS_MAX),
    deliveries:
      budget.deliveries === undefined
        ? Infinity
        : whole("budget.deliveries", budget.deliveries, 1, TIMER_MS_MAX),
    signal: abortSignal("signal", signal),
  };
}

export interface DeadLettersOptions {
  /** The id of the last letter of the page before; default: from the oldest. */
  readonly after?: string | undefined;
  /** 1 to 1,000, default 100. */
  readonly limit?: number | undefined;
}

const LETTERS_OPTIONS: Known<DeadLettersOptions> = { after: true, limit: true };
/** `<shard>.<id>`. */
const LETTER = /^(\d{1,4})\.(\d+-\d+)$/;

export function resolveLettersOptions(options: DeadLettersOptions) {
  refuseUnknown(options, LETTERS_OPTIONS, "list()");
  return {
    after: options.after,
    limit: whole("limit", options.limit ?? LETTERS_PAGE_DEFAULT, 1, LETTERS_PAGE_MAX),
  };
}

/** Throws PresenceError OPTIONS_INVALID. */
export function letterOf(id: unknown, shards: number): { readonly shard: number; readonly entry: string } {
  const [, shard, entry = ""] = typeof id === "string" ? (LETTER.exec(id) ?? []) : [];
  if (Number(shard) < shards && isStreamId(entry)) return { shard: Number(shard), entry };
  return invalid("the id of a dead letter must come from list()");
}
