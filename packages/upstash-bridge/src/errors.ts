/** The statuses of error answers. */
export type FailureStatus = 400 | 401 | 405 | 413 | 503 | 504;

/** A request that fails. The client gets the message as `{ "error": … }`. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly status: FailureStatus;

  constructor(status: FailureStatus, message: string) {
    super(message);
    this.status = status;
  }
}

/** The bridge cannot start. The message says which option to change, and how. */
export class BridgeError extends Error {
  override readonly name = "BridgeError";
}
