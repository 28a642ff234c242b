/** Asks the API for as long as the page is open, and keeps what it says in the state. */
import { type Client, createClient, ProblemError } from "../client/client.ts";
import { firstOf } from "../time/first.ts";
import { pause } from "../time/pause.ts";
import { type Granted, grantedBy } from "./grant.ts";
import { afterChanges, afterLook, type Change, lostBetween } from "./incidents.ts";
import { followCounts } from "./live.ts";
import { type Access, type AsOf, FEED_ROWS, type Link, type Range, RANGES, type State } from "./state.ts";

/** How often, ms. */
const PROCESSES_MS = 1_000;
const SLOWLY_MS = 5_000;
const PAST_MS = 20_000;
/** Whether a history is kept by now, ms. */
const UNTRACKED_MS = 300_000;
/** How long before now the feed begins, ms; and if too much happened since. */
const BEGIN_MS = 900_000;
const BEGIN_BUSY_MS = 20_000;
/** Rooms shown. */
const SCOPES = 12;
/** A server that crashed stays in the table so long, ms, and how many do. */
const CRASHED_MS = 60_000;
const CRASHED = 20;
/** Points from which on a history is worth more than the last minutes. */
const POINTS_MIN = 10;

export class Session {
  readonly state: State;
  readonly #base: string;
  #client: Client;
  #leaving = new AbortController();
  /** Ends waiting for the changes: the API is back. */
  #again = new AbortController();
  #held: Change[] = [];
  #keys = 0;
  #hasChosen = false;
  #isRunning = false;
  #untrackedUntil = 0;

  constructor(state: State, base: string) {
    this.state = state;
    this.#base = base;
    this.#client = createClient(base);
    setInterval(() => this.#tick(), 1_000);
  }

  get client(): Client {
    return this.#client;
  }

  /** Begins with this token, or without one. Asks for it again with `refusal` when the API does not accept it. */
  async begin(token?: string): Promise<void> {
    const { state } = this;
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
      state.refusal.value = "That is not a token: it has no spaces and only plain letters, digits and signs.";
      return;
    }
    const client = createClient(this.#base, token === undefined ? {} : { token });
    state.isChecking.value = true;
    try {
      const access = await accessOf(client, token);
      if (!(access instanceof Error)) return this.#run(client, access);
      // Without a token there may be counts all the same.
      if (!this.#isRunning) this.#run(createClient(this.#base), NOTHING);
      state.refusal.value = access.message;
    } finally {
      state.isChecking.value = false;
    }
  }

  /** Forgets the token and everything that it opened. */
  forget(message: string | null = null): void {
    const { state } = this;
    this.#run(createClient(this.#base), NOTHING);
    state.refusal.value = message;
  }

  choose(range: Range): void {
    this.#hasChosen = true;
    this.state.range.value = range;
    void this.#askPast(this.#leaving.signal);
  }

  /** Holds new changes back, or shows them. */
  pause(isPaused: boolean): void {
    const { feed } = this.state;
    if (isPaused) feed.value = { ...feed.value, held: 0 };
    else {
      const held = this.#held;
      this.#held = [];
      feed.value = { ...feed.value, held: null };
      this.#show(held);
    }
  }

  /** Begins anew: what another token opened is forgotten. */
  #run(client: Client, { access, granted }: Opened): void {
    this.#isRunning = true;
    this.#leaving.abort();
    this.#leaving = new AbortController();
    this.#held = [];
    this.#client = client;
    const { state } = this;
    state.processes.value = null;
    state.crashed.value = [];
    state.scopes.value = null;
    state.subscribers.value = [];
    state.incidents.value = [];
    state.feed.value = { rows: [], held: null, gap: false };
    state.problems.value = {};
    state.granted.value = granted;
    state.access.value = access;
    state.refusal.value = null;
    state.link.value = { state: "connecting" };
    const { signal } = this.#leaving;
    void this.#counts(signal);
    this.#poll("history", PAST_MS, signal, async () => {
      if (Date.now() >= this.#untrackedUntil) await this.#askPast(signal);
    });
    if (state.can("changes")) void this.#changes(signal);
    if (state.can("processes")) this.#lookAtProcesses(client, signal);
    if (state.can("scopes"))
      this.#poll("rooms", SLOWLY_MS, signal, async () => {
        const page = await client.scopes({ limit: SCOPES });
        if (!signal.aborted) state.scopes.value = page;
      });
    if (state.can("subscribers"))
      this.#poll("subscribers", SLOWLY_MS, signal, async () => {
        const { subscribers } = await client.subscribers();
        if (!signal.aborted) state.subscribers.value = subscribers;
      });
  }

  #lookAtProcesses(client: Client, signal: AbortSignal): void {
    const { state } = this;
    this.#poll("processes", PROCESSES_MS, signal, async () => {
      const { processes, asOf } = await client.processes();
      if (signal.aborted) return;
      this.#heardAt(asOf);
      const now = Date.parse(asOf.now);
      for (const { leaseUntil } of processes)
        if (leaseUntil !== null) state.lease = Math.max(state.lease, Date.parse(leaseUntil) - now);
      const before = state.processes.value;
      if (before !== null) {
        state.incidents.value = afterLook(state.incidents.value, before, processes, now, state.lease);
        const crashed = lostBetween(before, processes, now, state.lease).filter(
          ({ kind }) => kind === "crash",
        );
        state.crashed.value = [...state.crashed.value, ...crashed]
          .filter(({ at }) => at > now - CRASHED_MS)
          .slice(-CRASHED);
      }
      state.processesAt = now;
      state.processes.value = processes;
    });
  }

  /** Asks again and again while somebody looks. What fails is kept under its name until it works. */
  #poll(name: string, every: number, signal: AbortSignal, ask: () => Promise<void>): void {
    const { problems } = this.state;
    const run = async () => {
      while (!signal.aborted) {
        await seen(signal);
        try {
          await ask();
          this.#solved(name);
        } catch (error) {
          if (signal.aborted) return;
          if (this.#isRevoked(error)) return;
          problems.value = { ...problems.value, [name]: asError(error) };
        }
        await this.#pause(every, signal);
      }
    };
    void run();
  }

  #solved(name: string): void {
    const { problems } = this.state;
    if (!(name in problems.value)) return;
    const { [name]: _, ...others } = problems.value;
    problems.value = others;
  }

  /** The API does not accept the token any more. */
  #isRevoked(error: unknown): boolean {
    if (!(error instanceof ProblemError) || this.state.access.value === "nothing") return false;
    if (error.status !== 401 && error.code !== "SCOPE_MISSING" && error.code !== "TOKENS_NOT_SET")
      return false;
    this.forget(`The API no longer accepts this token: ${error.message}.`);
    return true;
  }

  async #counts(signal: AbortSignal): Promise<void> {
    const { state } = this;
    const { link, ring } = state;
    /** As an event said. */
    let told: Link | null = null;
    /** As the last answer says of itself. */
    let isOld = false;
    const alive = () => {
      const isBack = link.value.state === "lost";
      link.value = told ?? (isOld ? { state: "stale", cause: "projector" } : { state: "live" });
      if (isBack) this.#retryNow();
    };
    try {
      await followCounts(
        this.#client,
        {
          counts: (counts) => {
            const now = Date.parse(counts.asOf.now);
            this.#heardAt(counts.asOf);
            // Old numbers come first when Redis is away already: they are shown, and marked.
            isOld = counts.asOf.stale;
            state.counts.value = counts;
            ring.tell(now, told === null && !isOld ? counts : null);
            alive();
          },
          alive,
          stale: (stale) => {
            told =
              stale === null
                ? null
                : {
                    state: "stale",
                    cause: stale.cause,
                    since: stale.since === null ? Date.now() : Date.parse(stale.since) - state.skew,
                  };
            if (told === null) isOld = false;
            ring.tell(Date.now() + state.skew, told === null ? state.counts.value : null);
            alive();
          },
          lost: (error, retryAt) => {
            const since = link.value.state === "lost" ? link.value.since! : Date.now();
            if (link.value.state !== "lost") ring.tell(Date.now() + state.skew, null);
            link.value = { state: "lost", cause: causeOf(error), since, retryAt };
          },
        },
        signal,
      );
    } catch (error) {
      if (this.#isRevoked(error)) return;
      const isClosed = error instanceof ProblemError && (error.status === 401 || error.status === 403);
      link.value = isClosed
        ? { state: "closed" }
        : { state: "lost", cause: causeOf(error), since: Date.now() };
      ring.tell(Date.now() + state.skew, null);
    }
  }

  /** First what happened lately, then what happens. */
  async #changes(signal: AbortSignal): Promise<void> {
    const client = this.#client;
    const { state } = this;
    const isOfAll = state.granted.value === null || state.granted.value.users === "*";
    let after: string | undefined;
    while (!signal.aborted) {
      try {
        // Lists of the past are for those who may see everybody.
        if (after === undefined && !isOfAll) after = (await client.changes()).next;
        if (after === undefined) {
          let page = await client.changes({ from: new Date(state.now.value - BEGIN_MS) });
          if (page.more) page = await client.changes({ from: new Date(state.now.value - BEGIN_BUSY_MS) });
          if (signal.aborted) return;
          this.#heard(page.changes);
          // More than a page in a moment: the feed begins now.
          after = page.more ? (await client.changes()).next : page.next;
        }
        this.#solved("changes");
        const either = firstOf(signal, this.#again.signal);
        try {
          for await (const { changes, cursor, gap } of client.follow({ after, signal: either.signal })) {
            after = cursor ?? after;
            if (gap) state.feed.value = { ...state.feed.value, gap: true };
            if (changes.length > 0) this.#heard(changes);
          }
        } finally {
          either.release();
        }
      } catch (error) {
        if (signal.aborted || this.#isRevoked(error)) return;
        state.problems.value = { ...state.problems.value, changes: asError(error) };
        // What was kept may be gone.
        if (error instanceof ProblemError && error.status === 400) after = undefined;
        await this.#pause(SLOWLY_MS, signal);
      }
    }
  }

  /** Until then, or until the API is back. */
  async #pause(ms: number, signal: AbortSignal): Promise<void> {
    const either = firstOf(signal, this.#again.signal);
    await pause(ms, either.signal);
    either.release();
  }

  /** Requests that wait do so no longer. */
  #retryNow(): void {
    const before = this.#again;
    this.#again = new AbortController();
    before.abort();
  }

  #heard(changes: readonly Change[]): void {
    const { state } = this;
    state.incidents.value = afterChanges(state.incidents.value, changes);
    if (changes.some(({ user }) => user === state.watched)) state.touched.value++;
    const { held } = state.feed.value;
    if (held === null) return this.#show(changes);
    this.#held = [...this.#held, ...changes].slice(-FEED_ROWS);
    state.feed.value = { ...state.feed.value, held: held + changes.length };
  }

  #show(changes: readonly Change[]): void {
    const { feed } = this.state;
    const fresh = changes.slice(-FEED_ROWS).map((change) => ({ ...change, key: this.#keys++ }));
    feed.value = { ...feed.value, rows: [...fresh.toReversed(), ...feed.value.rows].slice(0, FEED_ROWS) };
  }

  async #askPast(signal: AbortSignal): Promise<void> {
    const { state } = this;
    // Before the first answer: whether there is a history, and how old it is.
    const range = state.range.value === "live" ? "hour" : state.range.value;
    if (state.range.value === "live" && state.past.value !== null && this.#hasChosen) return;
    const { step, ms } = RANGES[range];
    try {
      const { points, step: length } = await this.#client.history({
        step,
        from: new Date(Date.now() + state.skew - ms),
      });
      if (signal.aborted) return;
      state.pastProblem.value = null;
      state.past.value = { range, points, step: length };
      const known = points.filter(({ users }) => users !== null).length;
      if (!this.#hasChosen && known >= POINTS_MIN) state.range.value = "hour";
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ProblemError)) throw error;
      state.pastProblem.value =
        error.code === "HISTORY_UNTRACKED"
          ? "No numbers over time are kept: set the option history of createPresence."
          : error.message;
      if (error.code === "HISTORY_UNTRACKED") this.#untrackedUntil = Date.now() + UNTRACKED_MS;
      if (error.code !== "HISTORY_UNTRACKED" && error.status !== 401 && error.status !== 403) throw error;
      state.range.value = "live";
    }
  }

  #heardAt(asOf: AsOf): void {
    const { state } = this;
    const now = Date.parse(asOf.now);
    const known = state.asOf.value;
    if (known !== null && Date.parse(known.now) > now) return;
    state.asOf.value = asOf;
    // An answer may be as old as answers are reused, so the clock is the furthest ahead that was seen; it follows slowly.
    const ahead = now - Date.now();
    state.skew = known === null || ahead > state.skew ? ahead : state.skew + (ahead - state.skew) / 50;
  }

  #tick(): void {
    const { state } = this;
    const now = Date.now() + state.skew;
    if (state.link.value.state !== "connecting") state.ring.tick(now);
    state.now.value = now;
  }
}

/** What a token opens. */
interface Opened {
  readonly access: Access;
  readonly granted: Granted | null;
}

const NOTHING: Opened = { access: "nothing", granted: null };

/** What a token opens, or why it opens nothing. */
async function accessOf(client: Client, token: string | undefined): Promise<Opened | Error> {
  if (token === undefined) return NOTHING;
  const granted = grantedBy(token);
  const opened: Opened = { access: granted === null ? "users" : "granted", granted };
  try {
    await client.processes();
    return opened;
  } catch (error) {
    if (!(error instanceof ProblemError)) return new Error("The API cannot be reached. Try again.");
    if (error.status === 503) return opened;
    if (granted !== null && error.code === "ACTION_NOT_GRANTED") return opened;
    if (error.code === "SCOPE_MISSING") return { access: "counts", granted: null };
    if (error.code === "TOKEN_EXPIRED")
      return new Error("That token has expired. Make a new one and try again.");
    if (error.code === "TOKEN_INVALID" && granted === null)
      return new Error("That token is not one of the API's. Check it and try again.");
    return new Error(`The API does not accept it: ${error.message}.`);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function causeOf(error: unknown): string {
  if (error instanceof ProblemError) return error.message;
  if (error instanceof DOMException && error.name === "TimeoutError") return error.message;
  return "no connection";
}

/** Resolves when the page can be seen. */
function seen(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look);
  });
}
