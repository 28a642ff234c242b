/** The statuses this bridge answers with instead of a result. */
export type FailureStatus = 400 | 401 | 405 | 413 | 503 | 504;

/** A request that gets no result: the message is what the client reads in `{ "error": … }`. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: FailureStatus;

  constructor(status: FailureStatus, message: string) {
    super(message);
    this.status = status;
  }
}

/** A bridge that cannot start as asked. The message says which option to change, and how. */
export class BridgeError extends Error {
  override readonly name = "BridgeError";
}
