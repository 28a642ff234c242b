/**
 * The routes. Each is one question to the Reader, and its answer as it is: the field names of the API are those of the
 * Reader's types, and JSON writes their dates in ISO 8601.
 */
import type { Context, Handler, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Reader } from "../reader.ts";
import { Problem, retryAfter } from "./problem.ts";
import { LOOKUP_BYTES_MAX, parseLookup, parseNoQuery, parsePageQuery, parseUserPath } from "./schemas.ts";

/** Asks the Reader, for as long as a request may wait. */
export type Ask = <T>(question: (reader: Reader) => Promise<T>) => Promise<T>;

/** How long an open answer may be shared, s: it keeps a crowd from Redis, and `asOf` says how old it is. */
const OPEN_MAX_AGE_S = 1;

/** GET /health: the process answers. Asks nobody, so a Redis that is away does not get it restarted. */
export const healthRoute: Handler = (c) => c.json({ status: "ok" });

/** GET /v1/counts → { users, sockets, connections, asOf }. */
export function countsRoute(ask: Ask, access: "open" | "closed"): Handler {
  const headers: Record<string, string> =
    access === "open" ? { "cache-control": `public, max-age=${OPEN_MAX_AGE_S}` } : {};
  return async function counts(c) {
    parseNoQuery(c.req.url);
    return c.json(await ask((reader) => reader.counts()), 200, headers);
  };
}

/** GET /ready → { status, asOf }, or 503: REDIS_UNAVAILABLE, PROJECTOR_STALE. */
export function readyRoute(ask: Ask): Handler {
  return async function ready(c) {
    const { asOf } = await ask((reader) => reader.counts());
    if (asOf.stale) {
      const detail =
        asOf.projectedAt === null ? "no projector has run on this prefix yet" : "the projector is overdue";
      throw new Problem(503, "PROJECTOR_STALE", detail, { headers: retryAfter, members: { asOf } });
    }
    return c.json({ status: "ready", asOf });
  };
}

/** GET /v1/users, /v1/users/:id and /v1/processes, POST /v1/users/lookup. */
export function addProtected(app: Hono, ask: Ask): void {
  app.get("/v1/users", async function page(c) {
    const query = parsePageQuery(c.req.url);
    return c.json(await ask((reader) => reader.page(query)));
  });

  app.get("/v1/users/:id", async function user(c) {
    parseNoQuery(c.req.url);
    const id = parseUserPath(c.req.url);
    return c.json(await ask((reader) => reader.user(id)));
  });

  app.post(
    "/v1/users/lookup",
    bodyLimit({ maxSize: LOOKUP_BYTES_MAX, onError: tooLarge }),
    async function lookup(c) {
      parseNoQuery(c.req.url);
      checkMediaType(c);
      const ids = parseLookup(await c.req.arrayBuffer());
      return c.json(await ask((reader) => reader.lookup(ids)));
    },
  );

  app.get("/v1/processes", async function processes(c) {
    parseNoQuery(c.req.url);
    return c.json(await ask((reader) => reader.processes()));
  });
}

function checkMediaType(c: Context): void {
  const type = c.req.header("content-type") ?? "";
  if (!/^application\/json *(;|$)/i.test(type)) {
    throw new Problem(415, "MEDIA_TYPE_UNSUPPORTED", "send the body as Content-Type: application/json");
  }
  if (c.req.header("content-encoding") !== undefined) {
    throw new Problem(415, "MEDIA_TYPE_UNSUPPORTED", "send the body without a Content-Encoding");
  }
}

function tooLarge(): never {
  throw new Problem(413, "BODY_TOO_LARGE", `the body may have at most ${LOOKUP_BYTES_MAX} bytes`);
}
