/** An error by which a handler says what is to become of its delivery. */

export interface DeliveryErrorOptions {
  /** Try again not before this many ms; at most a day. */
  readonly retryAfter?: number | undefined;
  /** Do not try again: it becomes a dead letter at once. */
  readonly giveUp?: boolean | undefined;
  /** Nothing can be delivered any more: the subscriber is disabled until enable(), and this delivery waits. */
  readonly disable?: boolean | undefined;
  readonly cause?: unknown;
}

/**
 * Thrown by a handler, it says when to try again, or not to.
 *
 *   throw new DeliveryError("the mail server is full", { retryAfter: 60_000 });
 */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly retryAfter: number;
  readonly giveUp: boolean;
  readonly disable: boolean;

  constructor(message: string, options: DeliveryErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    const { retryAfter = 0, giveUp = false, disable = false } = options;
    this.retryAfter = Number.isFinite(retryAfter) ? Math.max(0, retryAfter) : 0;
    this.giveUp = giveUp;
    this.disable = disable;
  }
}
