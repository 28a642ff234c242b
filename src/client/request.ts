/** How the client sends a request: with the token, within a time limit. */
import { TIMER_MS_MAX } from "../core/limits.ts";
import { invalid, type Known, refuseUnknown, whole } from "../core/options.ts";

export interface ClientOptions {
  /** Sent as `Authorization: Bearer`. A function is called for each request, and once more when the answer is 401, so a token can be replaced. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** How long an answer may take, ms; for a stream, until it begins. 1 to 2,147,483,647, default 10,000. */
  readonly timeout?: number | undefined;
  /** Default: the runtime's own. */
  readonly fetch?: typeof fetch | undefined;
}

const CLIENT_OPTIONS: Known<ClientOptions> = { token: true, timeout: true, fetch: true };

const TIMEOUT_MS = 10_000;

export type Request = (input: string | URL | globalThis.Request, init?: RequestInit) => Promise<Response>;

/** Takes the listener off a signal that outlives many responses. */
const bodies = new FinalizationRegistry<() => void>((unlink) => unlink());

/** The error of a runtime would quote the token. Throws PresenceError OPTIONS_INVALID. */
function checkBearer(token: string): string {
  return /^[\x21-\x7e]+$/.test(token)
    ? token
    : invalid("token must be printable ASCII without spaces and line breaks");
}

/** The error of fetch would quote the password. Throws PresenceError OPTIONS_INVALID. */
export function checkBase(url: string): string {
  if (URL.canParse(url) && new URL(url).username + new URL(url).password !== "")
    invalid("url must have no user and no password in it: fetch refuses them; pass `token`");
  return url.replace(/\/+$/, "");
}

/** Throws PresenceError OPTIONS_INVALID. */
export function requester(options: ClientOptions): Request {
  refuseUnknown(options, CLIENT_OPTIONS, "createClient");
  const { token, fetch: own } = options;
  const timeout = whole("timeout", options.timeout ?? TIMEOUT_MS, 1, TIMER_MS_MAX);
  return async function request(input, init = {}) {
    const bearer = typeof token === "function" ? await token() : token;
    const response = await send(input, init, bearer);
    // Whatever else a body is, it may be of no use a second time.
    const isOnce = (init.body ?? "") !== "" && typeof init.body !== "string";
    if (response.status !== 401 || typeof token !== "function" || isOnce) return response;
    const renewed = await token();
    if (renewed === bearer) return response;
    await response.body?.cancel().catch(() => {});
    return send(input, init, renewed);
  };

  async function send(
    input: string | URL | globalThis.Request,
    init: RequestInit,
    bearer: string | undefined,
  ): Promise<Response> {
    const headers = new Headers(init.headers);
    if (bearer !== undefined) headers.set("authorization", `Bearer ${checkBearer(bearer)}`);
    const late = new AbortController();
    // Ends with the headers: a body may go on for any length of time.
    const timer = setTimeout(
      () => late.abort(new DOMException(`no answer within ${timeout} ms`, "TimeoutError")),
      timeout,
    );
    const { signal } = init;
    // Not AbortSignal.any(): after a garbage collection that of Node 24 may not fire.
    const stop = () => late.abort(signal?.reason);
    const unlink = () => signal?.removeEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    signal?.addEventListener("abort", stop);
    try {
      const response = await (own ?? fetch)(input, { ...init, headers, signal: late.signal });
      // The signal ends the body too, for as long as anybody can read it.
      if (signal && response.body !== null) bodies.register(response.body, unlink);
      else unlink();
      return response;
    } catch (error) {
      unlink();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
