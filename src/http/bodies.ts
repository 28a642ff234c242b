/** Reads the bodies of lookups: of the right type, of a bounded length, and of a bounded length together. */
import type { Context } from "hono";
import { BODIES_BYTES_MAX } from "../core/limits.ts";
import { Problem, retryAfter } from "./problem.ts";
import { LOOKUP_BYTES_MAX } from "./schemas.ts";

/** Counts the bytes of all bodies that are being read or answered. While Redis is away, each waits for the whole timeout. */
export class Bodies {
  readonly #most: number;
  #held = 0;

  constructor(most = BODIES_BYTES_MAX) {
    this.#most = most;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  /**
   * What `use` makes of the body, which has at most so many bytes. Throws Problem 413 BODY_TOO_LARGE, 415 MEDIA_TYPE_UNSUPPORTED, 503 LOOKUPS_EXHAUSTED, and rejects
   * as `use` does, or when the client goes away.
   */
  async read<T>(c: Context, use: (body: Uint8Array) => Promise<T>, most = LOOKUP_BYTES_MAX): Promise<T> {
    checkMediaType(c);
    let mine = 0;
    const take = (bytes: number) => {
      mine += bytes;
      this.#held += bytes;
      if (mine > most) throw tooLarge(most);
      if (this.#held > this.#most) throw exhausted();
    };
    try {
      return await use(await bodyOf(c, take));
    } finally {
      this.#held -= mine;
    }
  }
}

/** The body, whose bytes `take` counts before they are kept. */
async function bodyOf(c: Context, take: (bytes: number) => void): Promise<Uint8Array> {
  const length = lengthOf(c);
  if (length !== undefined) {
    take(length);
    const body = new Uint8Array(await c.req.arrayBuffer());
    // A server that does not hold senders to their Content-Length.
    if (body.length > length) take(body.length - length);
    return body;
  }
  const chunks: Uint8Array[] = [];
  const reader = c.req.raw.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read();
      if (next === undefined || next.done) break;
      take(next.value.length);
      chunks.push(next.value);
    }
  } catch (error) {
    void reader?.cancel().catch(() => {});
    throw error;
  }
  const body = new Uint8Array(chunks.reduce((sum, { length: bytes }) => sum + bytes, 0));
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.length;
  }
  return body;
}

/** The length that the request announces; undefined: it announces none. */
function lengthOf(c: Context): number | undefined {
  const text = c.req.header("content-length");
  if (text === undefined || c.req.header("transfer-encoding") !== undefined) return undefined;
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** JSON is UTF-8 (RFC 8259), whatever else a charset says. */
const JSON_TYPE = /^application\/json *(;|$)/i;
const CHARSET = /; *charset *= *"?([^";]*)"?/i;

function checkMediaType(c: Context): void {
  const type = c.req.header("content-type") ?? "";
  if (!JSON_TYPE.test(type)) {
    throw new Problem(415, "MEDIA_TYPE_UNSUPPORTED", "send the body as Content-Type: application/json");
  }
  const charset = CHARSET.exec(type)?.[1]?.trim().toLowerCase() ?? "utf-8";
  if (charset !== "utf-8" && charset !== "utf8") {
    throw new Problem(415, "MEDIA_TYPE_UNSUPPORTED", "send the body in UTF-8");
  }
  if (c.req.header("content-encoding") !== undefined) {
    throw new Problem(415, "MEDIA_TYPE_UNSUPPORTED", "send the body without a Content-Encoding");
  }
}

function tooLarge(most: number): Problem {
  return new Problem(413, "BODY_TOO_LARGE", `the body may have at most ${most} bytes`);
}

function exhausted(): Problem {
  return new Problem(503, "LOOKUPS_EXHAUSTED", "too many large lookups at once: try again shortly", {
    headers: retryAfter,
  });
}
