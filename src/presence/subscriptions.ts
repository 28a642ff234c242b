/** The durable subscribers that a process serves. */
import { orInternal, PresenceError } from "../core/errors.ts";
import { type Logger, callable, invalid, refuseUnknown } from "../core/options.ts";
import { type GuardedSink, lent } from "../core/telemetry.ts";
import type { RedisInput } from "../redis/connect.ts";
import { nodeWebhookHandler } from "../webhooks/create.ts";
import { OWN_WEBHOOK_OPTIONS, resolveWebhookOptions, type WebhookOptions } from "../webhooks/options.ts";
import { type LoopSubscriber, loopSubscriber } from "../subscriber/loop.ts";
import {
  type Handle,
  type HandleBatch,
  resolveSubscriberOptions,
  type ResolvedSubscriberOptions,
  SUBSCRIBE_OPTIONS,
  type SubscribeOptions,
} from "../subscriber/options.ts";
import { within } from "../time/deadline.ts";

/** A durable subscriber that this process serves, until close(). */
export type Subscription = Omit<LoopSubscriber, "run">;

/** How presence.subscribe() may be called. */
export interface Subscribe {
  (name: string, handle: Handle, options?: SubscribeOptions & { readonly batch?: undefined }): Subscription;
  (name: string, handle: HandleBatch, options: SubscribeOptions & { readonly batch: number }): Subscription;
}

export interface SubscriptionsOptions {
  readonly redis: RedisInput;
  readonly prefix: string;
  readonly shards: number;
  readonly logger: Logger;
  readonly onError: (error: PresenceError) => void;
  readonly telemetry?: GuardedSink | undefined;
}

export class Subscriptions {
  readonly #own: SubscriptionsOptions;
  readonly #open = new Map<string, Subscription>();
  #closed = false;

  constructor(own: SubscriptionsOptions) {
    this.#own = own;
  }

  /** Throws PresenceError OPTIONS_INVALID and CLOSED. */
  subscribe(name: string, handle: Handle | HandleBatch, options: SubscribeOptions = {}): Subscription {
    // What createSubscriber() takes besides is the presence's own here.
    refuseUnknown(options, SUBSCRIBE_OPTIONS, "subscribe()");
    const resolved = resolveSubscriberOptions({ ...options, ...this.#common(), name });
    callable("the second argument of subscribe()", handle, "a function of a delivery");
    return this.#serve(name, handle, resolved);
  }

  /** Throws PresenceError OPTIONS_INVALID and CLOSED. */
  webhook(name: string, options: WebhookOptions): Subscription {
    refuseUnknown(options, OWN_WEBHOOK_OPTIONS, "webhook()");
    const { subscriber, ...webhook } = resolveWebhookOptions({ ...options, ...this.#common(), name });
    return this.#serve(name, nodeWebhookHandler(webhook, { telemetry: this.#own.telemetry }), subscriber);
  }

  #common() {
    const { prefix, shards, logger } = this.#own;
    if (this.#closed) throw new PresenceError("CLOSED", "this presence has been closed");
    return { prefix, shards, logger };
  }

  #serve(name: string, handle: Handle | HandleBatch, resolved: ResolvedSubscriberOptions): Subscription {
    const { redis, onError } = this.#own;
    const telemetry = lent(this.#own.telemetry);
    if (this.#open.has(name))
      invalid(`this process already serves ${JSON.stringify(name)}: close() that subscription first`);
    const served = loopSubscriber(redis, handle, resolved, { onError, telemetry, patient: true });
    const close = async () => {
      this.#open.delete(name);
      await served.close();
    };
    const subscription: Subscription = { ...served, close, [Symbol.asyncDispose]: close };
    this.#open.set(name, subscription);
    // What rejects is final: it has its reason, and nothing is tried again.
    served.run().catch((error: unknown) => onError(orInternal(error)));
    return subscription;
  }

  /** Within about `timeout` ms. */
  async close(timeout: number): Promise<void> {
    this.#closed = true;
    const all = [...this.#open.values()].map((subscription) => subscription.close());
    await within(timeout, Promise.allSettled(all)).catch(() => {});
  }
}
