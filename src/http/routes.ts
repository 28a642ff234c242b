/**
 * The routes. Each is one question to the Reader, and its answer as it is: the field names of the API are those of the
 * Reader's types, and JSON writes their dates in ISO 8601.
 */
import { type Context, Hono } from "hono";
import * as answers from "./answers.ts";
import { changesEvents, countsEvents, type Pace } from "./events.ts";
import type { Ask } from "./feed.ts";
import { cacheControl } from "./headers.ts";
import { METRICS_TYPE, metricsOf } from "./metrics.ts";
import { about } from "./openapi.ts";
import type { ResolvedAppOptions } from "./options.ts";
import { Problem, retryAfter } from "./problem.ts";
import { lookup, parseUserPath, query } from "./request.ts";
import { changesQuery, noQuery, pageQuery } from "./schemas.ts";
import type { Answers } from "./sharing.ts";
import { type Streams, wantsEvents } from "./streams.ts";

/** How often a stream looks for something new, ms: at most one event in this time. */
const EVERY_MS = 1_000;

export interface RouteParts {
  readonly answers: Answers;
  readonly streams: Streams;
  readonly options: ResolvedAppOptions;
}

/** GET /health and the rest of what app.ts lists. */
export function routesOf({ answers: answered, streams, options }: RouteParts) {
  const { counts: access, reuse } = options;
  const countsScope = access === "open" ? undefined : "counts";
  const countsCache = cacheControl(access === "open" ? "public" : "private", reuse);
  const cached = { "cache-control": cacheControl("private", reuse) };

  return (
    new Hono()
      // Asks nobody, so that a Redis that is away does not get the process restarted.
      .get(
        "/health",
        about({ id: "health", summary: "The process answers.", answer: answers.health, scope: undefined }),
        (c) => c.json({ status: "ok" as const }),
      )
      .get(
        "/ready",
        about({
          id: "ready",
          summary: "Redis answers and the projector is fresh.",
          answer: answers.ready,
          scope: "counts",
          problems: [503],
        }),
        async (c) => {
          const { asOf } = await answered.counts();
          if (asOf.stale) {
            const detail =
              asOf.projectedAt === null
                ? "no projector has run on this prefix yet"
                : "the projector is overdue";
            throw new Problem(503, "PROJECTOR_STALE", detail, { headers: retryAfter, members: { asOf } });
          }
          return c.json({ status: "ready" as const, asOf });
        },
      )
      .get(
        "/metrics",
        about({
          id: "metrics",
          summary: "Counts, lag, leases and what the projector has done, for Prometheus.",
          answer: "text",
          scope: "counts",
          problems: [503],
        }),
        async (c) => c.body(metricsOf(await answered.totals()), 200, { "content-type": METRICS_TYPE }),
      )
      .get(
        "/v1/counts",
        about({
          id: "counts",
          summary: "How many users, sockets and connections.",
          answer: answers.counts,
          scope: countsScope,
          events: "An event `counts` with the same answer when a number changes, at most one a second.",
          problems: [400, 503],
        }),
        query(noQuery),
        async (c) => {
          c.header("vary", "Accept");
          const first = await answered.counts();
          if (wantsEvents(c)) {
            const pace = paceOf(options);
            const ask = () => answered.counts(pace.counting);
            return streams.respond(c, (ended) => countsEvents(ask, first, pace, ended)) as never;
          }
          return c.json(first, 200, { "cache-control": countsCache });
        },
      )
      .get(
        "/v1/users",
        about({
          id: "users",
          summary: "A page of who is present.",
          answer: answers.usersPage,
          scope: "users",
          problems: [400, 503],
        }),
        query(pageQuery),
        async (c) => c.json(await answered.page(c.req.valid("query")), 200, cached),
      )
      .get(
        "/v1/users/:id",
        about({
          id: "user",
          summary: "One user; `online: false` for one who is absent.",
          answer: answers.user,
          scope: "users",
          problems: [400, 503],
        }),
        query(noQuery),
        async (c) => c.json(await answered.user(parseUserPath(c.req.url)), 200, cached),
      )
      .post(
        "/v1/users/lookup",
        about({
          id: "lookup",
          summary: "Which of these users are present, in the order asked.",
          answer: answers.usersAnswer,
          scope: "users",
          problems: [400, 413, 415, 503],
        }),
        query(noQuery),
        lookup(),
        async (c) => c.json(await answered.lookup(c.req.valid("json").ids)),
      )
      .get(
        "/v1/processes",
        about({
          id: "processes",
          summary: "The Socket.IO processes, their leases and counts.",
          answer: answers.processesAnswer,
          scope: "users",
          problems: [400, 503],
        }),
        query(noQuery),
        async (c) => c.json(await answered.processes(), 200, cached),
      )
      .get(
        "/v1/changes",
        about({
          id: "changes",
          summary: "Who came and went since a cursor; without one, where the changes stand.",
          answer: answers.changesAnswer,
          scope: "users",
          events:
            "An event `changes` {changes, next} when there are some, or `gap` {next}. Ids are cursors: `Last-Event-ID` goes on.",
          problems: [400, 503],
        }),
        query(changesQuery),
        async (c) => {
          c.header("vary", "Accept");
          const { after, user = [] } = c.req.valid("query");
          const followed = [user].flat();
          if (!wantsEvents(c)) {
            const { changes, ...rest } = await answered.changes(after);
            const mine =
              followed.length === 0 ? changes : changes.filter((change) => followed.includes(change.user));
            return c.json({ changes: mine, ...rest }, 200, cached);
          }
          const pace = paceOf(options);
          const first = await answered.changes(lastEventId(c) ?? after, pace.counting);
          const ask = answered.askWith(pace.counting);
          return streams.respond(c, (ended) =>
            changesEvents(answered.feed, ask, first, followed, pace, ended),
          ) as never;
        },
      )
  );
}

/** What it was given last: a browser sends it when it comes back, and it is newer than the address. */
function lastEventId(c: Context): string | undefined {
  const id = c.req.header("last-event-id");
  return id === undefined || id === "" ? undefined : id;
}

interface CountedPace extends Pace {
  /** Has each request to Redis counted that this stream makes for all. */
  readonly counting: (ask: Ask) => Ask;
}

function paceOf({ streams }: ResolvedAppOptions): CountedPace {
  let requests = 0;
  return {
    every: EVERY_MS,
    heartbeat: streams.heartbeat,
    isSpent: () => requests >= streams.requests,
    counting: (ask) => (question) => (requests++, ask(question)),
  };
}
