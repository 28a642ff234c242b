/**
 * The edge API: what the Reader knows, over HTTP, and no way to write. Only Web standards, so the same app runs in a
 * Worker and on Node; functions/ composes it with a client and an environment.
 *
 *   GET  /health             open       the process answers
 *   GET  /v1/counts          open*      users, sockets, connections          * unless `counts: "closed"`
 *   GET  /ready              token      200, or 503 when Redis or the projector is not well
 *   GET  /v1/users           token      a page: ?cursor=&limit=
 *   GET  /v1/users/:id       token      one user, `online: false` for one who is absent
 *   POST /v1/users/lookup    token      {"ids": [...]}, at most 1,000
 *   GET  /v1/processes       token      the Socket.IO processes and their leases
 */
import { Hono } from "hono";
import { matchedRoutes } from "hono/route";
import { methodNotAllowed } from "hono/method-not-allowed";
import { PresenceError } from "../core/errors.ts";
import { requireToken } from "./auth.ts";
import { within } from "./deadline.ts";
import { crossOrigin, noStoreByDefault, securityHeaders } from "./headers.ts";
import { type AppOptions, resolveAppOptions } from "./options.ts";
import { Problem, problemOf } from "./problem.ts";
import { describeFailure } from "./report.ts";
import { addProtected, type Ask, countsRoute, healthRoute, readyRoute } from "./routes.ts";

export type { AppOptions };

/** Throws PresenceError OPTIONS_INVALID. Requests never throw: whatever happens is answered with a problem. */
export function createApp(options: AppOptions): Hono {
  const { reader, tokens, counts: access, origins, timeout, logger } = resolveAppOptions(options);
  const ask: Ask = (question) => within(timeout, question(reader));
  const app = new Hono();

  app.use(securityHeaders(), noStoreByDefault());
  if (origins.length > 0) app.use(crossOrigin(origins));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (_, methods) => notAllowed(methods) }));

  app.get("/health", healthRoute);
  if (access === "open") app.get("/v1/counts", countsRoute(ask, access));

  // What stands above is open. Everything below needs a token, the paths that do not exist included.
  app.use(requireToken(tokens));

  if (access === "closed") app.get("/v1/counts", countsRoute(ask, access));
  app.get("/ready", readyRoute(ask));
  addProtected(app, ask);

  app.notFound(() => new Problem(404, "NOT_FOUND", "there is nothing at this path").toResponse());
  app.onError((error, c) => {
    // Whoever goes away while sending a body gets no answer, and nobody is to blame.
    const ours = error instanceof Problem || error instanceof PresenceError;
    if (!ours && c.req.raw.signal.aborted) {
      return new Problem(400, "BODY_INVALID", "the request ended before its body did").toResponse();
    }
    const problem = problemOf(error);
    if (problem.status >= 500) {
      // Guards match as well, with a pattern for everything.
      const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith("*"))?.path ?? "*";
      logger[problem.status === 503 ? "warn" : "error"](describeFailure(c.req.method, route, problem));
    }
    return problem.toResponse();
  });
  return app;
}

function notAllowed(methods: readonly string[]): Response {
  const allow = methods.join(", ");
  return new Problem(405, "METHOD_NOT_ALLOWED", `this path takes ${allow}`, {
    headers: { allow },
  }).toResponse();
}
