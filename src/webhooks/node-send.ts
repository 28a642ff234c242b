/**
 * Sending on Node: to an address that was checked, and to no other.
 *
 * The name is resolved once an attempt, all its addresses are checked, and the connection is made with them: nothing resolves the name a
 * second time. A connection serves one request, so none outlives the check, and no proxy of the environment is used.
 */
import { lookup } from "node:dns/promises";
import { request as requestHttp, type IncomingMessage, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { WEBHOOK_ANSWER_BYTES, WEBHOOK_ANSWER_MS } from "../core/limits.ts";
import { type Allowed, hostOf, hostProblem, isReachable } from "../core/webhook-address.ts";
import type { Answered, Send } from "./send.ts";

export interface Resolved {
  readonly address: string;
  readonly family: number;
}

/** All addresses of a name, at least one, in the order in which they are tried. */
export type Resolve = (host: string) => Promise<readonly Resolved[]>;

export interface NodeSendOptions {
  readonly allowed: Allowed;
  readonly resolve?: Resolve | undefined;
  /** A certificate authority to trust instead of the usual ones, PEM. */
  readonly ca?: string | undefined;
}

const systemResolve: Resolve = (host) => lookup(host, { all: true });

export function nodeSend({ allowed, resolve = systemResolve, ca }: NodeSendOptions): Send {
  /** Undefined: the host is an address itself. */
  async function resolved(host: string, signal: AbortSignal): Promise<LookupFunction | undefined> {
    const problem = hostProblem(host, allowed);
    if (problem !== null) throw new Error(`the host ${problem}`);
    if (isIP(host) !== 0) return undefined;
    const addresses = await aborted(signal, resolve(host));
    if (addresses.length === 0) throw new Error("the host has no address");
    if (!addresses.every(({ address }) => isReachable(host, address, allowed)))
      throw new Error("the host has a private or reserved address");
    return (_host, { all }, callback) => {
      if (all === true) callback(null, [...addresses]);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    };
  }

  return async ({ url, headers, body }, signal) => {
    const own = await resolved(hostOf(url.hostname), signal);
    const options: RequestOptions & { ca?: string; rejectUnauthorized: boolean } = {
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
      agent: false,
      signal,
      // Whatever the environment says.
      rejectUnauthorized: true,
      ...(own !== undefined && { lookup: own }),
      ...(ca !== undefined && { ca }),
    };
    return new Promise<Answered>((done, fail) => {
      const request = (url.protocol === "https:" ? requestHttps : requestHttp)(url, options);
      request.on("response", (response) => {
        done({ status: response.statusCode ?? 0, retryAfter: response.headers["retry-after"] ?? null });
        release(response);
      });
      request.on("error", fail);
      // Also where it ends without any error: after an answer that switches protocols, for example.
      request.on("close", () => fail(new Error("closed")));
      request.end(body);
    });
  };
}

/** Reads the rest of a short answer, so that the receiver can end it; cuts a long or slow one. */
function release(response: IncomingMessage): void {
  const cut = () => void response.destroy();
  const timer = setTimeout(cut, WEBHOOK_ANSWER_MS);
  timer.unref();
  let bytes = 0;
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > WEBHOOK_ANSWER_BYTES) cut();
  });
  response.on("error", () => {});
  response.on("close", () => clearTimeout(timer));
}

async function aborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const over = Promise.withResolvers<never>();
  const onAbort = () => over.reject(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, over.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
