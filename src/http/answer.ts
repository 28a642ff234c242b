/**
 * An answer as it is sent: its JSON in bytes and their ETag, made once for all who share it. Sending it again costs neither a
 * JSON.stringify nor a digest, and a 304 costs nothing else either.
 */
import type { Context } from "hono";

/** The JSON of an answer. Only these bytes are kept: their length is what an answer weighs. */
export interface Answer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** A strong validator, with its quotes. */
  readonly etag: string;
  /** Header fields of its own, for one that is not JSON. */
  readonly fields?: Fields;
}

const encoder = new TextEncoder();

/** The answer for a value that JSON can express. */
export async function answerOf(value: object): Promise<Answer> {
  return answerOfBytes(encoder.encode(JSON.stringify(value)));
}

/** Text of another type, with its header fields. */
export async function textAnswer(text: string, fields: Fields): Promise<Answer> {
  return { ...(await answerOfBytes(encoder.encode(text))), fields };
}

/** Bytes as they are. */
export async function answerOfBytes(bytes: Answer["bytes"]): Promise<Answer> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return { bytes, etag: `"${btoa(String.fromCharCode(...digest))}"` };
}

/** The value of an answer, after JSON. */
export function valueOf({ bytes }: Answer): Readonly<Record<string, unknown>> {
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}

/**
 * Whether a client that sent this `If-None-Match` has the answer: `*`, or a list that has the tag, strong or weak (RFC 9110,
 * 13.1.2: the comparison is weak).
 */
export function isHeld(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  if (ifNoneMatch.trim() === "*") return true;
  const tags: readonly string[] = ifNoneMatch.match(/"[^"]*"/g) ?? [];
  return tags.includes(etag);
}

/** Header fields, names in lower case. */
export type Fields = Readonly<Record<string, string>>;

/**
 * Sends an answer past the Response object, which costs Node more than everything else about a request. Returns the Response
 * that stands for one that is sent already.
 */
export type Send = (status: number, fields: Fields, bytes: Uint8Array | null) => Response;

/** The name of a Send in the environment of a request, which src/node sets. */
export const SEND: unique symbol = Symbol("rollcall.send");

/** Apps made by createApp and not wrapped by another: nothing changes an answer after they gave it. */
const direct = new WeakSet<object>();

/** Remembers that answers of this app may be sent with SEND. */
export function markDirect(app: object): void {
  direct.add(app);
}

/** Whether a server may pass a Send to this app. */
export function isDirect(app: object): boolean {
  return direct.has(app);
}

/** Responses that have all of their headers. */
const complete = new WeakSet<Response>();

/** Whether a response has all of its headers and may not be changed. */
export function isComplete(response: Response): boolean {
  return complete.has(response);
}

/** Gives an answer with exactly these header fields. */
export function give(c: Context, status: number, fields: Fields, bytes: Answer["bytes"] | null): Response {
  const env = c.env as { readonly [SEND]?: Send } | undefined;
  const send = env?.[SEND];
  // A Worker would compress what is compressed already.
  const init = { status, headers: fields, ...("content-encoding" in fields && { encodeBody: "manual" }) };
  const response = send === undefined ? new Response(bytes, init) : send(status, fields, bytes);
  complete.add(response);
  return response;
}
