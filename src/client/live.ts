/** Who is online, as it changes: a state to render. */
import { abortSignal, invalid, type Known, refuseUnknown, whole } from "../core/options.ts";
import { TIMER_MS_MAX } from "../core/limits.ts";
import { checkUser } from "../core/user.ts";
import { type LiveScope, type LiveStaleness, type LiveStatus, requestOf, scopePairs } from "./ask.ts";
import type { Client } from "./client.ts";
import { silenceOf } from "./follow.ts";
import { followUsers } from "./live-users.ts";
import type { Live } from "./store.ts";

export interface LiveOptions extends LiveScope {
  /** Only these users, 1 to 1,000. Default: all who are online. */
  readonly users?: readonly string[] | undefined;
  /** Most users that are kept. With more online, `truncated` is true and only `count` is known. 1 to 100,000, default 10,000. */
  readonly max?: number | undefined;
  /**
   * How often the list is read again and compared, ms, in case a change was missed; between half of it and all of it, so that pages do not ask
   * together. 1,000 to 2,147,483,647, default 300,000; 0: never.
   */
  readonly relist?: number | undefined;
  /** As in follow(). */
  readonly silence?: number | undefined;
  /** Closes it. */
  readonly signal?: AbortSignal | undefined;
}

export interface LiveState {
  readonly status: LiveStatus;
  /** Who is online: of all, or of those asked for. Another set whenever one comes or goes, and the same one otherwise. */
  readonly users: ReadonlySet<string>;
  /** The users that `users` is about; null: all. */
  readonly asked: ReadonlySet<string> | null;
  /** How many are online: the size of `users`, unless that is truncated. */
  readonly count: number;
  /** More than `max` are online, so `users` is empty. */
  readonly truncated: boolean;
  /** The time of the last list or change, ISO 8601. */
  readonly asOf: string | null;
  /** Why it may be out of date; null: it is not. */
  readonly stale: LiveStaleness | null;
  /** Why it failed, for good if the status is "closed"; undefined once it works again. */
  readonly error: Error | undefined;
}

const OPTIONS: Known<LiveOptions> = {
  users: true,
  namespace: true,
  room: true,
  max: true,
  relist: true,
  silence: true,
  signal: true,
};

/** Most ids of one lookup. */
export const LOOKUP_MAX = 1_000;
const MAX = 10_000;
const MAX_MAX = 100_000;
export const RELIST_MS = 300_000;
const RELIST_MS_MIN = 1_000;

/**
 * Who is online, kept up to date: lists once, then follows the changes from there. After a gap, and every `relist`, it lists again and
 * changes only what differs. Starts at once, and goes on until close() or the signal. A wrong token, or a namespace or room whose
 * changes are not told, closes it with the error; everything else is tried again. Throws PresenceError OPTIONS_INVALID,
 * USER_INVALID or SCOPE_INVALID.
 */
export function live(client: Client, options: LiveOptions = {}): Live<LiveState> {
  refuseUnknown(options, OPTIONS, "live()");
  const request = requestOf(client, "live()");
  const { users, max = MAX, relist = RELIST_MS, signal } = options;
  abortSignal("signal", signal);
  const ids = users === undefined ? undefined : idsOf(users);
  return followUsers({
    request,
    where: scopePairs(options),
    ids: ids === undefined ? undefined : () => ids,
    max: whole("max", max, 1, MAX_MAX),
    relist: relist === 0 ? 0 : whole("relist", relist, RELIST_MS_MIN, TIMER_MS_MAX),
    silence: silenceOf(options.silence),
    signal,
  });
}

function idsOf(users: readonly string[]): readonly string[] {
  if (!Array.isArray(users)) invalid("users must be a list of ids: leave it out for all users");
  const ids = [...new Set(users)].map(checkUser);
  if (ids.length === 0 || ids.length > LOOKUP_MAX)
    invalid(`users must have 1 to ${LOOKUP_MAX} ids, got ${ids.length}: leave it out for all users`);
  return ids;
}
