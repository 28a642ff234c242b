/** What the page knows. Everything here is bounded: lists by number, the rest by the API's own limits. */
import type { Counts, History, Processes, ProblemError, ScopesPage, Subscribers } from "../client/client.ts";
import type { GrantAction } from "../core/grant.ts";
import { Cell } from "./cell.ts";
import type { Granted } from "./grant.ts";
import type { Change, Incident, Lost } from "./incidents.ts";
import { Ring } from "./ring.ts";

/** What the token opens; "granted": what a browser token grants. */
export type Access = "nothing" | "counts" | "granted" | "users";

/** How the numbers come. */
export interface Link {
  readonly state: "connecting" | "live" | "stale" | "lost" | "closed";
  /** Why they are stale: `redis` or `projector`; why there is no connection, for people. */
  readonly cause?: string;
  /** Since when, ms on this machine's clock. */
  readonly since?: number;
  readonly retryAt?: number;
}

/** Rows kept and shown. */
export const FEED_ROWS = 200;

export interface Feed {
  /** Newest first. */
  readonly rows: readonly (Change & { readonly key: number })[];
  /** Null: not paused; else how many changes have come since. */
  readonly held: number | null;
  /** Some changes are lost. */
  readonly gap: boolean;
}

/** Ranges of the chart: `live` is the last five minutes as the stream told them. */
export const RANGES = {
  live: { label: "5 min", title: "the last 5 minutes", ms: 300_000, step: null },
  hour: { label: "Hour", title: "the last hour", ms: 3_600_000, step: "minute" },
  day: { label: "Day", title: "the last day", ms: 86_400_000, step: "5m" },
  week: { label: "Week", title: "the last week", ms: 604_800_000, step: "hour" },
} as const;
export type Range = keyof typeof RANGES;

export interface Past {
  readonly range: Range;
  readonly points: History["points"];
  readonly step: number;
}

export type AsOf = Counts["asOf"];

export class State {
  readonly access = new Cell<Access>("nothing");
  /** Of a browser token. */
  readonly granted = new Cell<Granted | null>(null);
  /** The last refusal of a token, for people; null: none. */
  readonly refusal = new Cell<string | null>(null);
  readonly isChecking = new Cell(false);
  readonly link = new Cell<Link>({ state: "connecting" });
  readonly counts = new Cell<Counts | null>(null);
  /** The latest of any answer. */
  readonly asOf = new Cell<AsOf | null>(null);
  /** Redis's clock, ms; moves once a second. */
  readonly now = new Cell(Date.now());
  /** Redis's clock ahead of this machine's, ms. */
  skew = 0;
  readonly ring = new Ring();
  readonly range = new Cell<Range>("live");
  readonly past = new Cell<Past | null>(null);
  /** Why there is no history; null: there is, or nobody knows yet. */
  readonly pastProblem = new Cell<string | null>(null);
  readonly incidents = new Cell<readonly Incident[]>([]);
  readonly processes = new Cell<Processes["processes"] | null>(null);
  /** Servers that crashed lately; they stay in the table for a minute. */
  readonly crashed = new Cell<readonly Lost[]>([]);
  /** When it was so, ms on Redis's clock. */
  processesAt = 0;
  /** The longest lease seen, ms: about the `ttl`. */
  lease = 0;
  readonly scopes = new Cell<ScopesPage | null>(null);
  readonly subscribers = new Cell<Subscribers["subscribers"]>([]);
  readonly feed = new Cell<Feed>({ rows: [], held: null, gap: false });
  /** What a part of the page could not get, by its name. */
  readonly problems = new Cell<Readonly<Record<string, ProblemError | Error>>>({});
  /** Rises with each change of the user who is looked at. */
  readonly touched = new Cell(0);
  watched: string | null = null;

  /** Whether the token opens what this action is for. */
  can(action: GrantAction): boolean {
    return this.access.value === "users" || this.granted.value?.actions.has(action) === true;
  }
}
