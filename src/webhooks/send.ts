/** Sending one request: the port, and its implementation by fetch for platforms without Node. */

export interface Outgoing {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Answered {
  readonly status: number;
  /** Retry-After. */
  readonly retryAfter: string | null;
}

/**
 * Posts, follows no redirect, and resolves as soon as the status is there. Rejects if there is no answer, and when the signal fires.
 * What it rejects with names no secret and not the URL.
 */
export type Send = (outgoing: Outgoing, signal: AbortSignal) => Promise<Answered>;

/** The platform resolves the name: which addresses it lets a request reach is up to it. */
export const sendByFetch: Send = async ({ url, headers, body }, signal) => {
  const response = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal });
  // Nothing of it is of interest, and unread it would hold the connection.
  response.body?.cancel().catch(() => {});
  return { status: response.status, retryAfter: response.headers.get("retry-after") };
};
