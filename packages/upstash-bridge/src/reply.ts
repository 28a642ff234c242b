/**
 * Encodes replies for HTTP: JSON, JSON with base64 strings, or RESP2 as a TCP client reads it.
 */

/**
 * A RESP2 reply from the connection: a Buffer for a string, decimal digits for an integer (so that 64 bits are exact), null,
 * an Error inside an array, or an array.
 */
export type Reply = Buffer | string | null | Error | readonly Reply[];

/** The result or error of one command. */
export type Outcome =
  | { readonly result: Reply }
  | { readonly error: string; readonly status: 400 | 413 | 503 | 504 };

/** The reply format a client requests with the headers Upstash-Response-Format and Upstash-Encoding. */
export interface ReplyFormat {
  readonly resp2: boolean;
  readonly base64: boolean;
}

const OK = Buffer.from("OK");

/** `{ "result": … }` or `{ "error": … }` for one command, or a list of them. */
export function toJson(outcome: Outcome | readonly Outcome[], base64: boolean): string {
  return JSON.stringify(
    isList(outcome) ? outcome.map((one) => envelope(one, base64)) : envelope(outcome, base64),
  );
}

/** One reply, or the replies of a pipeline in sequence. */
export function toResp2(outcome: Outcome | readonly Outcome[]): Buffer {
  const parts: Buffer[] = [];
  for (const one of isList(outcome) ? outcome : [outcome]) {
    if ("error" in one) parts.push(resp2Error(one.error));
    else if (isOk(one.result)) parts.push(Buffer.from("+OK\r\n"));
    else writeResp2(one.result, parts);
  }
  return Buffer.concat(parts);
}

function envelope(outcome: Outcome, base64: boolean): unknown {
  if ("error" in outcome) return { error: outcome.error };
  // The status OK is not encoded in base64; the client expects that. Inside arrays everything is encoded.
  if (isOk(outcome.result)) return { result: "OK" };
  return { result: jsonValue(outcome.result, base64) };
}

function jsonValue(reply: Reply, base64: boolean): unknown {
  if (Buffer.isBuffer(reply)) return reply.toString(base64 ? "base64" : "utf8");
  if (typeof reply === "string") return integer(reply);
  if (reply instanceof Error) return reply.message;
  if (reply === null) return null;
  return reply.map((item) => jsonValue(item, base64));
}

/** JSON allows integers of any size; JavaScript's numbers are exact only up to 2^53. */
function integer(digits: string): unknown {
  const number = Number(digits);
  if (Number.isSafeInteger(number)) return number;
  return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits);
}

function writeResp2(reply: Reply, parts: Buffer[]): void {
  if (Buffer.isBuffer(reply)) {
    parts.push(Buffer.from(`$${reply.byteLength}\r\n`), reply, Buffer.from("\r\n"));
  } else if (typeof reply === "string") {
    parts.push(Buffer.from(`:${reply}\r\n`));
  } else if (reply === null) {
    parts.push(Buffer.from("$-1\r\n"));
  } else if (reply instanceof Error) {
    parts.push(resp2Error(reply.message));
  } else {
    parts.push(Buffer.from(`*${reply.length}\r\n`));
    for (const item of reply) writeResp2(item, parts);
  }
}

function resp2Error(message: string): Buffer {
  return Buffer.from(`-${message.replaceAll(/[\r\n]+/g, " ")}\r\n`);
}

function isOk(reply: Reply): boolean {
  return Buffer.isBuffer(reply) && reply.equals(OK);
}

function isList(outcome: Outcome | readonly Outcome[]): outcome is readonly Outcome[] {
  return Array.isArray(outcome);
}
