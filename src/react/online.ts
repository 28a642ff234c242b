/** Who of some users is online, for all components of a page together: one lookup and one stream for the union of their ids. */
import { requestOf, type LiveScope, scopePairs } from "../client/ask.ts";
import type { Client } from "../client/client.ts";
import { silenceOf } from "../client/follow.ts";
import { type LiveState, RELIST_MS } from "../client/live.ts";
import { followUsers, type LiveUsers, USERS_CONNECTING } from "../client/live-users.ts";
import { checkUser } from "../core/user.ts";
import { sharedSource, type Source } from "./shared.ts";

export interface OnlineState {
  /** As in live(). "connecting" also while one of the ids is not known yet. */
  readonly status: LiveState["status"];
  /** Whether each user is online. Without an entry until it is known. */
  readonly online: ReadonlyMap<string, boolean>;
  readonly stale: LiveState["stale"];
  readonly error: LiveState["error"];
}

export const ONLINE_CONNECTING: OnlineState = {
  status: "connecting",
  online: new Map(),
  stale: null,
  error: undefined,
};

/** Most ids of a page that are asked for; further ones stay unknown. */
const UNION_MAX = 10_000;
/** How long new ids are gathered until they are looked up, ms: a list that scrolls mounts many components. */
const GATHER_MS = 20;

/** The ids that the components of a page want to know about. */
class Wanted {
  readonly #components = new Map<string, number>();
  #asked: ReadonlySet<string> = new Set();
  #live: LiveUsers | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  open(client: Client, scope: LiveScope): LiveUsers {
    this.#asked = new Set();
    const live = followUsers({
      request: requestOf(client, "useOnline()"),
      where: scopePairs(scope),
      ids: () => this.#ids(),
      max: UNION_MAX,
      relist: RELIST_MS,
      silence: silenceOf(),
    });
    this.#live = live;
    const close = () => {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      if (this.#live === live) this.#live = undefined;
      live.close();
    };
    return { ...live, close };
  }

  join(ids: readonly string[]): () => void {
    for (const id of ids) this.#components.set(id, (this.#components.get(id) ?? 0) + 1);
    if (this.#live !== undefined && this.#asked.size > 0 && ids.some((id) => !this.#asked.has(id)))
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#live?.again();
      }, GATHER_MS);
    return () => {
      for (const id of ids) {
        const left = this.#components.get(id)! - 1;
        if (left > 0) this.#components.set(id, left);
        else this.#components.delete(id);
      }
    };
  }

  /** What the next list asks for. An id that nobody wants any more goes with it, not before: leaving costs nothing. */
  #ids(): readonly string[] {
    if (this.#components.size > 0) this.#asked = new Set([...this.#components.keys()].slice(0, UNION_MAX));
    return [...this.#asked];
  }
}

const wantedBy = new WeakMap<Client, Map<string, Wanted>>();

function wantedOf(client: Client, question: string): Wanted {
  const questions = wantedBy.get(client) ?? new Map<string, Wanted>();
  wantedBy.set(client, questions);
  const wanted = questions.get(question) ?? new Wanted();
  questions.set(question, wanted);
  return wanted;
}

/** Of one component. `ids` without repeats. Its state changes only with what it says of these ids. */
export function onlineSource(
  client: Client,
  question: string,
  scope: LiveScope,
  ids: readonly string[],
): Source<OnlineState> {
  const valid = ids.filter(isUser);
  const wanted = () => wantedOf(client, question);
  const shared = sharedSource<LiveState>(client, question, USERS_CONNECTING, () =>
    wanted().open(client, scope),
  );
  let seen: LiveState | undefined;
  let shown = ONLINE_CONNECTING;
  return {
    subscribe(listener) {
      if (valid.length === 0) return () => {};
      const leave = wanted().join(valid);
      const unsubscribe = shared.subscribe(listener);
      return () => {
        unsubscribe();
        leave();
      };
    },
    getSnapshot() {
      const state = shared.getSnapshot();
      if (state === seen) return shown;
      seen = state;
      const next = onlineOf(state, ids, valid);
      if (!isSame(shown, next)) shown = next;
      return shown;
    },
  };
}

function onlineOf(state: LiveState, ids: readonly string[], valid: readonly string[]): OnlineState {
  const known = valid.filter((id) => state.asked?.has(id));
  const answers = new Set(known);
  const online = new Map<string, boolean>();
  for (const id of ids) {
    if (answers.has(id)) online.set(id, state.users.has(id));
    // Nobody can have this id.
    else if (!isUser(id)) online.set(id, false);
  }
  const { stale, error } = state;
  if (valid.length === 0) return { status: "live", online, stale: null, error: undefined };
  const status = state.status === "live" && known.length < valid.length ? "connecting" : state.status;
  return { status, online, stale, error };
}

function isSame(before: OnlineState, next: OnlineState): boolean {
  const { status, online, stale, error } = next;
  if (before.status !== status || before.stale !== stale || before.error !== error) return false;
  return before.online.size === online.size && [...online].every(([id, is]) => before.online.get(id) === is);
}

function isUser(id: string): boolean {
  try {
    checkUser(id);
    return true;
  } catch {
    return false;
  }
}
