/** How the client sends a request: with the token, within a time. */
export interface ClientOptions {
  /** Sent as `Authorization: Bearer`; a function is asked for each request, so a token can be replaced. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** How long an answer may take, ms; a stream: until it begins. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Default: that of the runtime. */
  readonly fetch?: typeof fetch | undefined;
}

const TIMEOUT_MS = 10_000;

export type Request = (input: string | URL | globalThis.Request, init?: RequestInit) => Promise<Response>;

export function requester({ token, timeout = TIMEOUT_MS, fetch: own }: ClientOptions): Request {
  return async function request(input, init = {}) {
    const headers = new Headers(init.headers);
    const bearer = typeof token === "function" ? await token() : token;
    if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);
    const late = new AbortController();
    // Ends with the headers: a body may go on for as long as it likes.
    const timer = setTimeout(
      () => late.abort(new DOMException(`no answer within ${timeout} ms`, "TimeoutError")),
      timeout,
    );
    const signals = [late.signal, ...(init.signal ? [init.signal] : [])];
    try {
      return await (own ?? fetch)(input, { ...init, headers, signal: AbortSignal.any(signals) });
    } finally {
      clearTimeout(timer);
    }
  };
}
