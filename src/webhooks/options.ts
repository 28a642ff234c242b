/** The options of webhooks, and their checks. */
import type { ChangeType } from "../core/change.ts";
import type { ChangeDelivery } from "../core/delivery.ts";
import { KEY_OPTIONS, type KeyOptions } from "../core/key-options.ts";
import {
  WEBHOOK_AGENT_MAX,
  WEBHOOK_BATCH_MAX,
  WEBHOOK_MS,
  WEBHOOK_MS_MAX,
  WEBHOOK_MS_MIN,
  WEBHOOK_RETRIES_MS,
  WEBHOOK_URL_MAX,
} from "../core/limits.ts";
import { invalid, type Known, type Logger, oneOf, refuseUnknown, whole } from "../core/options.ts";
import type { TelemetryOptions } from "../core/telemetry.ts";
import { VERSION } from "../core/version.ts";
import { checkSecrets, WEBHOOK_TYPES, type WebhookType } from "../core/webhook.ts";
import { type Allowed, checkAllow, hostOf, hostProblem, isNamed } from "../core/webhook-address.ts";
import {
  type DeliveryFilter,
  resolveSubscriberOptions,
  SUBSCRIBE_OPTIONS,
  type SubscribeOptions,
} from "../subscriber/options.ts";

/** What webhook() of presence takes besides the name. */
export interface WebhookOptions extends Omit<SubscribeOptions, "filter" | "batch"> {
  /**
   * Where events are sent, at most 2,048 characters: https, without user and password. http only to a host that `allow` names. Redirects are
   * not followed. It is never logged.
   */
  readonly url: string;
  /**
   * What requests are signed with: 1 to 3 of `whsec_` and the base64 of 24 to 64 bytes. Each signs, so that a receiver can change from one to
   * the next (docs/webhooks.md). Create one with: `echo whsec_$(openssl rand -base64 32)`. Never logged.
   */
  readonly secrets: readonly string[];
  /** Which events are sent: `user.*`, or with `scopes` `scope.*`. Default: all. `presence.gap` always is: without it a receiver would not know that it has missed some. */
  readonly types?: readonly WebhookType[] | undefined;
  /** Which changes are sent besides, as for a subscriber: by `causes` and `users`, or by a function. Default: all. */
  readonly filter?: Omit<DeliveryFilter, "types"> | ((change: ChangeDelivery) => boolean) | undefined;
  /**
   * Most events of one request, 1 to 100. 1, the default: each by itself. From 2 on every request is a `presence.batch`, with a body of at
   * most 20 kB.
   */
  readonly batch?: number | undefined;
  /** How long an attempt may take, ms, until the status of the answer is there. 100 to 60,000, default 20,000. */
  readonly timeout?: number | undefined;
  /**
   * The waits before a failed attempt is repeated, ms; then it is a dead letter. All later changes of the shard wait too. Default: 5 s, 5 min,
   * 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, as Standard Webhooks suggests. Up to a tenth is added at random. Retry-After makes it longer.
   */
  readonly retries?: readonly number[] | undefined;
  /**
   * Hosts, addresses and networks that may be reached although they are private, and hosts that may be reached over http: up to 100. A name
   * allows that host wherever it is. An address or a network allows what a name resolves to; http only where the URL has the address itself.
   *
   *   allow: ["hooks.internal", "10.1.0.0/16"]
   */
  readonly allow?: readonly string[] | undefined;
  /** The header `user-agent`: 1 to 256 visible ASCII characters and spaces. Default: `Rollcall/<version>`. */
  readonly userAgent?: string | undefined;
}

/** The options of createWebhook(), besides `redis`. */
export interface NamedWebhookOptions extends KeyOptions, WebhookOptions, TelemetryOptions {
  /** As of a subscriber: 1 to 64 letters, digits, dots, dashes and underscores. All processes that use one name share the work. */
  readonly name: string;
  /** As for a recorder: a line when sending begins to fail, and one when it works again. False: silent. Default: `console`. */
  readonly logger?: Logger | false | undefined;
}

/** The option names of presence.webhook(). */
export const OWN_WEBHOOK_OPTIONS: Known<WebhookOptions> = {
  ...SUBSCRIBE_OPTIONS,
  url: true,
  secrets: true,
  types: true,
  allow: true,
  userAgent: true,
};

const WEBHOOK_OPTIONS: Known<NamedWebhookOptions> = {
  ...KEY_OPTIONS,
  ...OWN_WEBHOOK_OPTIONS,
  name: true,
  logger: true,
  telemetry: true,
};
const FILTER: Known<Omit<DeliveryFilter, "types">> = { causes: true, users: true };

/** The option names of createWebhook(). */
export const WEBHOOK_INPUT = { redis: true, ...WEBHOOK_OPTIONS } as const;

/** Throws PresenceError OPTIONS_INVALID, which does not show the URL: it may contain a secret. */
export function checkWebhookUrl(text: unknown, allowed: Allowed): URL {
  const url = typeof text === "string" && text.length <= WEBHOOK_URL_MAX ? parsed(text) : null;
  if (url === null) return invalid(`url must be an https:// URL of at most ${WEBHOOK_URL_MAX} characters`);
  if (url.username !== "" || url.password !== "") invalid("url must not contain a user or a password");
  const host = hostOf(url.hostname);
  const problem = hostProblem(host, allowed);
  if (problem !== null) invalid(`the host of url ${problem}: name it in allow if it is meant`);
  if (url.protocol === "http:" && !isNamed(host, allowed))
    invalid("url must be https://: http:// only to a host that allow names");
  return url;
}

function parsed(text: string): URL | null {
  const url = URL.parse(text);
  return url?.protocol === "https:" || url?.protocol === "http:" ? url : null;
}

/** Throws PresenceError OPTIONS_INVALID. `isScoped`: whether `scopes` is set. */
export function checkWebhookTypes(types: unknown, isScoped = false): readonly WebhookType[] {
  if (types === undefined) return WEBHOOK_TYPES;
  if (!Array.isArray(types) || types.length === 0) return invalid("types must be a list of at least one");
  const list = (types as unknown[]).map((type, i) => oneOf(`types[${i}]`, type, WEBHOOK_TYPES));
  const [wrong, set] = isScoped ? ["user.", "not with scopes"] : ["scope.", "only with scopes"];
  const found = list.find((type) => type.startsWith(wrong));
  if (found !== undefined) invalid(`types: ${found} is sent ${set}`);
  return list;
}

function filterOf(
  types: readonly WebhookType[],
  kind: "user" | "scope",
  filter: WebhookOptions["filter"] = {},
): SubscribeOptions["filter"] {
  const wanted: ReadonlySet<WebhookType> = new Set(types);
  const changes = (["online", "offline"] as const).filter((type: ChangeType) =>
    wanted.has(`${kind}.${type}`),
  );
  if (typeof filter === "function") return (change) => wanted.has(`${kind}.${change.type}`) && filter(change);
  refuseUnknown(filter, FILTER, "a webhook", "filter");
  return changes.length === 0 ? () => false : { ...filter, types: changes };
}

function checkAgent(agent: unknown): string {
  if (typeof agent === "string" && agent.length <= WEBHOOK_AGENT_MAX && /^[!-~](?:[ -~]*[!-~])?$/.test(agent))
    return agent;
  return invalid(`userAgent must be 1 to ${WEBHOOK_AGENT_MAX} visible ASCII characters and spaces`);
}

/** Throws PresenceError OPTIONS_INVALID. */
export function resolveWebhookOptions(input: NamedWebhookOptions) {
  refuseUnknown(input, WEBHOOK_OPTIONS, "a webhook");
  const { url, secrets, types, filter, batch, timeout, allow, userAgent, retries, ...rest } = input;
  const allowed = checkAllow(allow);
  const own = {
    url: checkWebhookUrl(url, allowed),
    secrets: checkSecrets(secrets),
    allowed,
    batch: whole("batch", batch ?? 1, 1, WEBHOOK_BATCH_MAX),
    timeout: whole("timeout", timeout ?? WEBHOOK_MS, WEBHOOK_MS_MIN, WEBHOOK_MS_MAX),
    userAgent: checkAgent(userAgent ?? `Rollcall/${VERSION}`),
  };
  return {
    ...own,
    subscriber: resolveSubscriberOptions({
      ...rest,
      filter: filterOf(
        checkWebhookTypes(types, rest.scopes !== undefined),
        rest.scopes === undefined ? "user" : "scope",
        filter,
      ),
      batch: own.batch,
      // The handler has a time limit of its own, and says so.
      timeout: own.timeout * 2,
      retries: retries ?? WEBHOOK_RETRIES_MS,
    }),
  };
}

export type ResolvedWebhook = Omit<ReturnType<typeof resolveWebhookOptions>, "subscriber">;
