/** What a webhook does with deliveries: sends them, signed, and says what becomes of them. */
import { CLOSE_MS } from "../core/limits.ts";
import type { GuardedSink } from "../core/telemetry.ts";
import { utf8Length } from "../core/utf8.ts";
import { batchesOf, messageOf, verdictOf, type WebhookMessage } from "../core/webhook.ts";
import { DeliveryError } from "../subscriber/delivery-error.ts";
import type { HandleBatch } from "../subscriber/options.ts";
import { processRuntime } from "../time/runtime.ts";
import type { ResolvedWebhook } from "./options.ts";
import type { Answered, Send } from "./send.ts";
import { signerOf } from "./sign.ts";

export interface HandlerInternals {
  /** Called before each request. */
  readonly onSend?: (() => void) | undefined;
  readonly telemetry?: GuardedSink | undefined;
}

export function webhookHandler(
  { url, secrets, batch, timeout, userAgent }: ResolvedWebhook,
  send: Send,
  { onSend, telemetry }: HandlerInternals = {},
): HandleBatch {
  const signer = signerOf(secrets);

  async function post({ id, body }: WebhookMessage, signal: AbortSignal): Promise<void> {
    const now = Date.now();
    const seconds = Math.floor(now / 1_000);
    const posting = telemetry?.begin("post", {
      host: url.hostname,
      port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
      bytes: utf8Length(body),
    });
    const headers = {
      // First, so that none of ours can be replaced.
      ...posting?.headers(),
      "content-type": "application/json",
      "user-agent": userAgent,
      "webhook-id": id,
      "webhook-timestamp": String(seconds),
      "webhook-signature": await signer.sign(id, seconds, body),
    };
    onSend?.();
    const call = () => send({ url, headers, body }, signal);
    const sent = posting === undefined ? call() : posting.within(call);
    const { status, retryAfter } = await sent.catch((error: unknown): Answered => {
      posting?.failed(signal.aborted ? "timeout" : codeOf(error));
      throw new DeliveryError(
        signal.aborted ? `no answer within ${timeout} ms` : `no answer: ${whyOf(error)}`,
      );
    });
    posting?.done({ status });
    const verdict = verdictOf(status, retryAfter, Date.now());
    if (verdict.outcome === "gone")
      throw new DeliveryError("answered with status 410: it wants no more", { disable: true });
    if (verdict.outcome === "failed")
      throw new DeliveryError(`answered with status ${status}`, { retryAfter: verdict.retryAfter });
  }

  return async (deliveries, { signal: outer }) => {
    const messages = batch === 1 ? deliveries.map(messageOf) : batchesOf(deliveries);
    const late = new AbortController();
    const abort = () => late.abort();
    const cancels = [processRuntime.after(timeout, abort)];
    // What is under way may end: its receiver has it already, and would get it a second time.
    const onEnd = () => void cancels.push(processRuntime.after(CLOSE_MS, abort));
    outer.addEventListener("abort", onEnd, { once: true });
    try {
      for (const message of messages) {
        outer.throwIfAborted();
        await post(message, late.signal);
      }
    } finally {
      outer.removeEventListener("abort", onEnd);
      for (const cancel of cancels) cancel();
    }
  };
}

/** `error.type`: the code of what the system or TLS reports. */
function codeOf(error: unknown): string {
  const why = whyOf(error);
  return /^[A-Z][A-Z0-9_]{1,63}$/.test(why) ? why : "_OTHER";
}

/** The code of what the system or TLS reports, or our own text: other texts may name the URL. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return "failed";
  const { code } = error as { code?: unknown };
  if (typeof code === "string") return code;
  const { cause } = error;
  if (cause instanceof Error && "code" in cause && typeof cause.code === "string") return cause.code;
  return /^(?:the host |closed$)/.test(error.message) ? error.message : error.name;
}
