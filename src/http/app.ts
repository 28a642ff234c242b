/**
 * The edge API: the Reader over HTTP, read-only. It uses only Web standards, so the same app runs in a Worker and on Node;
 * functions/ combines it with a client and an environment.
 *
 *   GET  /                   open       the dashboard, if the option `dashboard` is on; what it shows takes a token
 *   GET  /health             open       the process answers
 *   GET  /openapi.json       open       this list, machine-readable
 *   GET  /docs               open       the same as a page, unless `docs` is false
 *   GET  /v1/counts          open*      users, sockets, connections; also as events     * unless `counts: "closed"`; of a
 *                                       namespace or room `counts`, unless `counts: "open"`
 *   POST /v1/counts/lookup   counts     {"scopes": [...]}, at most 1,000
 *   GET  /v1/history         open*      numbers over time: ?from=&to=&step=
 *   GET  /v1/scopes          users      namespaces and rooms: ?namespace=&prefix=&cursor=&limit=
 *   GET  /serving            open       200 when requests are to be sent here: for balancers
 *   GET  /ready              counts*    200, or 503 when Redis is unreachable or the projector is overdue
 *   GET  /metrics            counts*    for Prometheus                                  * unless `probes: "open"`
 *   GET  /v1/users           users      a page: ?cursor=&limit=; or who was there: ?at=, also as CSV
 *   GET  /v1/users/:id       users      one user, `online: false` for one who is absent
 *   GET  /v1/users/:id/sessions  users  when one user was present: ?from=&to=&cursor=&limit=; also as CSV
 *   POST /v1/users/lookup    users      {"ids": [...]}, at most 1,000
 *   GET  /v1/processes       users      the Socket.IO processes and their leases
 *   GET  /v1/subscribers     users      the durable subscribers
 *   GET  /v1/changes         users      changes since a cursor: ?after=&user=; also as events; or ?from=&to=, also as CSV
 *
 * The middle column is the required scope of a server's token; what a browser token covers, it says itself (core/grant.ts). The counts, users and changes take ?namespace=&room= too.
 */
import { type Context, Hono } from "hono";
import { matchedRoutes } from "hono/route";
import { methodNotAllowed } from "hono/method-not-allowed";
import { PresenceError } from "../core/errors.ts";
import { type Known, refuseUnknown } from "../core/options.ts";
import { delayed } from "../time/delayed.ts";
import { requireScope, type Scope, Tokens } from "./auth.ts";
import { type Answer, answerOf, markDirect } from "./answer.ts";
import { Bodies } from "./bodies.ts";
import { Browsers } from "./browsers.ts";
import { frameOf, preflightOf, tellerOf } from "./headers.ts";
import { CoalescedReader } from "./coalesced-reader.ts";
import { docsOf } from "./docs/serve.ts";
import { documentOf } from "./openapi.ts";
import { type AppOptions, type ResolvedAppOptions, resolveAppOptions } from "./options.ts";
import { Own } from "./own.ts";
import { Problem, problemOf } from "./problem.ts";
import { describeFailure } from "./report.ts";
import { checkAddress } from "./request.ts";
import { guarded, type Route, type RouteParts } from "./route.ts";
import { probesOf, routesOf } from "./routes.ts";
import { Streams } from "./streams.ts";

export type { AppOptions };

/** Open: it describes the API and contains no user data. */
const DOCUMENT_PATH = "/openapi.json";
/** The same for people. */
const DOCS_PATH = "/docs";

/**
 * The API as a Hono app: `app.fetch` takes a Request and returns a Response.
 *
 *   export default createApp({ reader, tokens: [env.TOKEN] });
 *
 * Throws PresenceError OPTIONS_INVALID. Requests never throw: every failure is answered with a problem document.
 */
export function createApp(input: AppOptions): Hono {
  const options = resolveAppOptions(input);
  return composed(options, routesOf, "users");
}

/** What an app of createProbes() depends on; all as for createApp(). */
export type ProbesOptions = Pick<AppOptions, "reader" | "timeout" | "reuse" | "signal" | "logger">;

/**
 * /health, /serving, /ready and /metrics without a token, and nothing else: for a port that only Kubernetes, balancers and Prometheus
 * can reach. Throws PresenceError OPTIONS_INVALID.
 *
 *   await serve(createProbes({ reader, signal }), { port: 9090, signal });
 */
export function createProbes(input: ProbesOptions): Hono {
  refuseUnknown(input, PROBES_OPTIONS, "createProbes");
  return composed(resolveAppOptions({ ...input, probes: "open", docs: false }), probesOf, undefined);
}

const PROBES_OPTIONS: Known<ProbesOptions> = {
  reader: true,
  timeout: true,
  reuse: true,
  signal: true,
  logger: true,
};

/** `otherwise`: the scope of what no open route answers. */
function composed(
  options: ResolvedAppOptions,
  choose: (parts: RouteParts) => readonly Route[],
  otherwise: Scope | undefined,
): Hono {
  const { origins, browserTokens, logger } = options;
  const withCookies = browserTokens?.cookie !== undefined;
  const app = new Hono();

  /** Answers below 500 are the caller's errors and are not logged. */
  function report(problem: Problem, c: Context): void {
    if (problem.status < 500 || problem.code === "SHUTTING_DOWN") return;
    // Middleware matches too, with a pattern that ends in "*".
    const route = matchedRoutes(c).findLast(({ path }) => !path.endsWith("*"))?.path ?? "*";
    logger[problem.status === 503 ? "warn" : "error"](describeFailure(c.req.method, route, problem));
  }

  const onError = (error: unknown, c: Context) => report(problemOf(error), c);
  const onSuspicion = (message: string) => logger.warn(message);
  // Streams that ended at once would come back here: balancers do not know yet.
  const ending = options.signal && delayed(options.signal, options.drain);
  const streams = new Streams({ ...options.streams, signal: ending, onError, onSuspicion });
  const bodies = new Bodies();
  const reader = new CoalescedReader(options);
  const browsers = browserTokens && new Browsers(browserTokens, origins);
  const tokens = new Tokens(options.tokens, options.countsTokens, browsers);
  const own = new Own(browserTokens, options.reader.shards, (subject) => browsers?.take(subject) !== false);
  const routes = choose({ reader, streams, bodies, tokens, own, options });

  app.use(frameOf(origins, withCookies));
  if (origins.length > 0) app.use(preflightOf(origins, withCookies));
  app.use(checkAddress());
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (_, methods) => notAllowed(methods) }));
  app.use(requireScope(tokens, requirementsOf(routes, otherwise, options.docs)));

  for (const { method, path, respond } of routes.map(guarded)) app.on(method, path, respond);
  let document: Answer | undefined;
  let docs: Answer | undefined;
  const tell = tellerOf(options, { cache: "public, max-age=300" });
  app.get(DOCUMENT_PATH, async (c) => tell(c, (document ??= await answerOf(documentOf(routes)))));
  if (options.docs) app.get(DOCS_PATH, async (c) => tell(c, (docs ??= await docsOf(documentOf(routes)))));

  app.notFound(() => new Problem(404, "NOT_FOUND", "no route at this path").toResponse());
  app.onError((error, c) => {
    // The client disconnected while sending its body. It gets no answer, and nothing is wrong here.
    const ours = error instanceof Problem || error instanceof PresenceError;
    if (!ours && c.req.raw.signal.aborted) {
      return new Problem(400, "BODY_INVALID", "the request ended before its body did").toResponse();
    }
    const problem = problemOf(error);
    report(problem, c);
    return problem.toResponse();
  });
  markDirect(app);
  return app;
}

/**
 * The scope that a request requires; undefined: none. Anything not listed requires `otherwise`, and so do paths that do not exist: a caller
 * without access does not learn which paths exist. What a browser token has to grant, the routes check (route.ts).
 */
function requirementsOf(
  routes: readonly Route[],
  otherwise: Scope | undefined,
  hasDocs: boolean,
): (method: string, path: string) => Scope | undefined {
  const known = new Map<string, Scope | undefined>([[`GET ${DOCUMENT_PATH}`, undefined]]);
  if (hasDocs) known.set(`GET ${DOCS_PATH}`, undefined);
  for (const { method, path, scope } of routes) known.set(`${method} ${path}`, scope);
  return (method, path) => {
    const key = `${method === "HEAD" ? "GET" : method} ${path}`;
    return known.has(key) ? known.get(key) : otherwise;
  };
}

function notAllowed(methods: readonly string[]): Response {
  const allow = methods.join(", ");
  return new Problem(405, "METHOD_NOT_ALLOWED", `this path accepts ${allow}`, {
    headers: { allow },
  }).toResponse();
}
