import * as v from "valibot";
import { countsSchema } from "../../reader/answers/counts.ts";
import { scopeCountsSchema } from "../../reader/answers/scopes.ts";
import { type AnyCounts, countsEvents, opening, outcomeOf } from "../events.ts";
import { cacheControl, tellerOf } from "../headers.ts";
import { restrictedOf } from "../holder.ts";
import { paceOf } from "../pace.ts";
import { type Route, type RouteParts, routeWithQuery } from "../route.ts";
import { whereQuery } from "../schemas.ts";
import { wantsEvents } from "../streams.ts";
import { whereOf } from "../where.ts";

/**
 * Those of the whole are open unless the option `counts` is "closed". Those of a namespace or room are closed unless it is "open": each name
 * that a stranger makes up is a read, and a room can be named after a person.
 */
export function countsRoute({ reader, streams, tokens, own, options }: RouteParts): Route {
  const isOpen = options.counts !== "closed";
  const scopeNamed = options.counts === "whole" ? "counts" : undefined;
  const teller = (access: "public" | "private") =>
    tellerOf(options, { cache: cacheControl(access, options.reuse), vary: "Accept" });
  const tell = teller(isOpen ? "public" : "private");
  const tellNamed = teller(options.counts === "open" ? "public" : "private");
  return routeWithQuery({
    method: "GET",
    path: "/v1/counts",
    id: "counts",
    summary: "How many users, sockets and connections; users and sockets of a namespace or room.",
    scope: isOpen ? undefined : "counts",
    scopeNamed,
    action: "counts",
    answer: v.union([countsSchema, scopeCountsSchema]),
    events:
      "An event `counts` with the same answer when a number changes, at most one a second. `stale` {cause, since, asOf} when " +
      "the numbers are no longer current, with the cause `redis` or `projector`; `fresh` {since} when they are again.",
    query: whereQuery,
    problems: [400, 404, 429, 503],
    async respond(c, query) {
      const where = whereOf(query);
      if (where !== undefined && scopeNamed !== undefined) tokens.demand(c, scopeNamed);
      const holder = restrictedOf(c);
      if (!wantsEvents(c)) {
        const answer = await own.answer(holder, where, () => reader.countsAnswer(where));
        return (where === undefined ? tell : tellNamed)(c, answer);
      }
      c.header("vary", "Accept");
      return streams.respond(c, async () => {
        const pace = paceOf(options);
        const read = () => reader.countsOf(where, pace.counting);
        const first = outcomeOf(read());
        await opening(first);
        const { freshness, release } = reader.feeds.hold(where);
        const show = holder && ((counts: AnyCounts) => own.shown(holder, where, counts));
        return { events: (ended) => countsEvents(read, first, freshness, pace, ended, show), leave: release };
      });
    },
  });
}
