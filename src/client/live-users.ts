/** The loop behind live(): list, follow from there, and list again when changes were missed. */
import { eventsOf, jittered, type Told, waitAfter } from "./follow.ts";
import { ask, errorOf, isFinal, onAbort, type Pairs, stalenessAfter } from "./ask.ts";
import type { Users, UsersPage } from "./client.ts";
import type { LiveState } from "./live.ts";
import { pause } from "../time/pause.ts";
import { ProblemError } from "./problem.ts";
import type { Request } from "./request.ts";
import { type Live, Store, unlessEqual } from "./store.ts";

export interface Question {
  readonly request: Request;
  readonly where: Pairs;
  /** The users asked for; undefined: all. Called for each list. */
  readonly ids: (() => readonly string[]) | undefined;
  readonly max: number;
  readonly relist: number;
  readonly silence: number;
  readonly signal?: AbortSignal | undefined;
}

export interface LiveUsers extends Live<LiveState> {
  /** `ids` returns others now: looks them up and follows them. */
  again(): void;
}

/** Users a page, and ids a lookup: the API's maximum. */
const PAGE = 1_000;
/** Most users that a stream is limited to, and most characters of their names in a URL; beyond these it brings all changes. */
const FILTER_MAX = 100;
const FILTER_CHARACTERS = 6_000;
/** A truncated list is tried again when so many of `max` are online. */
const FEW = 0.9;
/** A list that served so long, ms, was no failure, whatever ended it. */
const LASTING_MS = 10_000;

export const USERS_CONNECTING: LiveState = {
  status: "connecting",
  users: new Set(),
  asked: null,
  count: 0,
  truncated: false,
  asOf: null,
  stale: null,
  error: undefined,
};

export function followUsers(question: Question): LiveUsers {
  const { request, where, ids, max, relist, silence } = question;
  const closing = new AbortController();
  /** Ends with what was listed: the list is to be read again. */
  let round = new AbortController();
  let online = new Set<string>();
  let isKnown = false;
  let current = USERS_CONNECTING;

  const store = new Store<LiveState>(current, (before) => {
    const users = isEqual(before.users, online) ? before.users : new Set(online);
    const isSame = before.asked !== null && current.asked !== null && isEqual(before.asked, current.asked);
    const asked = isSame ? before.asked : current.asked;
    const count = current.truncated ? current.count : users.size;
    return unlessEqual(before, { ...current, users, asked, count, status: statusNow() });
  });
  const statusNow = () => {
    if (closing.signal.aborted) return "closed";
    if (current.stale !== null) return "stale";
    return isKnown ? "live" : "connecting";
  };
  const apply = (next: Partial<LiveState>) => {
    current = { ...current, ...next };
    store.changed();
  };
  const close = (error?: unknown) => {
    if (closing.signal.aborted) return;
    closing.abort();
    round.abort();
    unlink();
    if (error !== undefined) current = { ...current, error: errorOf(error) };
    store.tell();
  };
  let unlink = () => {};
  unlink = onAbort(question.signal, () => close());

  /** Reads who is online. Returns the cursor from which to follow; undefined: they are more than `max`. */
  async function list(asked: readonly string[] | undefined): Promise<string | undefined> {
    const { signal } = closing;
    const found = new Set<string>();
    let oldest: Users["asOf"] | undefined;
    const add = ({ users, asOf }: Users) => {
      // Of several answers the oldest one's cursor counts: what the others include already is only said once more. An answer that
      // the API shares with other clients may be older than the one before it.
      if (oldest === undefined || asOf.now < oldest.now) oldest = asOf;
      for (const { id, online: isOnline } of users) if (isOnline) found.add(id);
    };
    if (asked === undefined) {
      let next: string | null = null;
      do {
        const query = queryOf([
          ...where,
          ["limit", `${PAGE}`],
          ...(next === null ? [] : [["cursor", next] as const]),
        ]);
        const page: UsersPage = await ask(request, `/v1/users${query}`, { signal });
        add(page);
        next = page.next;
      } while (next !== null && found.size <= max);
    } else {
      for (let i = 0; i < asked.length; i += PAGE) {
        const body = JSON.stringify({ ids: asked.slice(i, i + PAGE) });
        const headers = { "content-type": "application/json" };
        add(
          await ask(request, `/v1/users/lookup${queryOf(where)}`, { method: "POST", headers, body, signal }),
        );
      }
    }
    const truncated = asked === undefined && found.size > max;
    online = truncated ? new Set() : found;
    isKnown = true;
    apply({
      truncated,
      count: found.size,
      asked: asked === undefined ? null : new Set(asked),
      asOf: oldest?.now ?? null,
      stale: null,
      error: undefined,
    });
    return truncated ? undefined : oldest?.cursor;
  }

  /** Follows what was listed, until the round or the list is over. Returns whether that is because of a gap. */
  async function followFrom(after: string, asked: readonly string[] | undefined): Promise<boolean> {
    const { signal } = round;
    const isAsked = asked === undefined ? undefined : new Set(asked);
    const filter = [...where, ...filterOf(asked)];
    for await (const told of eventsOf("/v1/changes", request, { after, filter, silence, signal })) {
      if (signal.aborted) return false;
      if (told.event === "gap") {
        apply({ stale: { cause: "gap", since: current.asOf } });
        return true;
      }
      for (const { user, type } of told.changes ?? []) {
        if (isAsked?.has(user) === false) continue;
        if (type === "online") online.add(user);
        else online.delete(user);
      }
      if (isAsked === undefined && online.size > max) return false;
      notice(told);
    }
    return false;
  }

  /** Follows the number alone, until there are few enough to list them. */
  async function count(): Promise<void> {
    const { signal } = round;
    const events = eventsOf("/v1/counts", request, { filter: where, silence, signal, resumes: false });
    for await (const told of events) {
      if (signal.aborted) return;
      const users = told.counts?.["users"];
      if (typeof users === "number") current = { ...current, count: users };
      notice(told);
      if (typeof users === "number" && users <= max * FEW) return;
    }
  }

  function notice({ event, changes, stale, error }: Told): void {
    const asOf = changes?.at(-1)?.at ?? current.asOf;
    if (error !== undefined)
      apply({ stale: stalenessAfter(error, stale?.since ?? asOf), error: errorOf(error) });
    else if (event === undefined) apply({ stale, error: undefined });
    else apply({ asOf });
  }

  async function run(): Promise<void> {
    /** Rounds that ended soon, one after another. */
    let failures = 0;
    // What asks in the same turn, asks together.
    await Promise.resolve();
    while (!closing.signal.aborted) {
      const here = (round = new AbortController());
      const began = performance.now();
      const failed = () => (failures = performance.now() - began < LASTING_MS ? failures + 1 : 1);
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        const asked = ids?.();
        const cursor = await list(asked);
        if (relist > 0 && cursor !== undefined) timer = setTimeout(() => here.abort(), jittered(relist));
        const isLost = cursor === undefined ? (await count(), true) : await followFrom(cursor, asked);
        // After a gap all pages would list at the same moment.
        if (isLost) await pause(waitAfter(failed(), undefined), closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        // A cursor of another time is as good as none: the next list has a new one.
        const isLost = error instanceof ProblemError && error.code === "CURSOR_INVALID";
        if (isFinal(error) && !isLost) return close(error);
        const stale = isKnown ? (current.stale ?? stalenessAfter(error, current.asOf)) : null;
        apply({ stale, error: errorOf(error) });
        await pause(waitAfter(failed(), error), closing.signal);
      } finally {
        clearTimeout(timer);
        here.abort();
      }
    }
  }
  run().catch(close);
  return {
    getState: store.getState,
    subscribe: store.subscribe,
    close: () => close(),
    again: () => round.abort(),
  };
}

const queryOf = (pairs: Pairs): string =>
  pairs.length === 0 ? "" : `?${new URLSearchParams(pairs.map(([name, value]) => [name, value]))}`;

/** The parameters that limit a stream to these users; none when that would be too long for a URL. */
function filterOf(asked: readonly string[] | undefined): Pairs {
  if (asked === undefined || asked.length > FILTER_MAX) return [];
  const pairs = asked.map((id) => ["user", id] as const);
  return queryOf(pairs).length > FILTER_CHARACTERS ? [] : pairs;
}

function isEqual(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((id) => b.has(id));
}
