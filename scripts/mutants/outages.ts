/** Breaks of what is told about failures: one line a state, its first reason, and its end. */
import type { Mutant } from "./mutant.ts";

const OUTAGES = "test/unit/core/outages.test.ts";
const EVENTS = "test/unit/presence/events.test.ts";
const READY = "test/unit/presence/ready.test.ts";

function mutant(name: string, test: string, file: string, find: string, replace: string): Mutant {
  return { name, breaks: "INV-9", tests: [test], edits: [{ file: `src/${file}`, find, replace }] };
}

const states = (name: string, find: string, replace: string) =>
  mutant(name, OUTAGES, "core/outages.ts", find, replace);

export const OUTAGE_MUTANTS: readonly Mutant[] = [
  states(
    "outage-told-by-each-who-sees-it",
    'if (state.isTold || failure.details.reason === "LOST") return [];',
    'if (failure.details.reason === "LOST") return [];',
  ),
  states(
    "outage-told-without-its-reason",
    'if (state.isTold || failure.details.reason === "LOST") return [];',
    "if (state.isTold) return [];",
  ),
  states(
    "outage-told-with-the-lost-connection",
    "Object.assign(state, { isTold: true, reporter, failure });",
    "state.isTold = true;",
  ),
  states("outage-without-a-reason-is-never-told", "(isOver || now >= state.since + PATIENCE_MS)", "isOver"),
  states(
    "outage-over-while-another-fails",
    "if (!state.failing.delete(name) || state.failing.size > 0) return;",
    "if (!state.failing.delete(name)) return;",
  ),
  states(
    "outage-over-at-once",
    "state.endedAt !== undefined && now >= state.endedAt + state.quiet",
    "state.endedAt !== undefined",
  ),
  states(
    "outage-that-returns-is-over",
    "    state.endedAt = undefined;\n    return this.#told",
    "    return this.#told",
  ),
  states(
    "outage-over-although-another-began",
    'this.#leave(state, reporter, now, state.key === "REDIS_UNAVAILABLE");',
    "this.#leave(state, reporter, now, true);",
  ),
  states(
    "outage-hides-a-full-memory",
    "return details.reason === undefined || AWAY.has(details.reason);",
    "return true;",
  ),
  states("outage-of-two-commands-is-one", ": `${failure.code} ${failure.message}`;", ": failure.code;"),
  states(
    "outage-ends-other-states",
    'if (!isAway(failure) && failure.code !== "INTERNAL") {',
    "if (failure) {",
  ),
  states("outages-without-a-bound", "this.#states.size >= OUTAGES_MAX", "this.#states.size >= Infinity"),
  states("outage-lasts-from-its-end", "ms: state.endedAt! - state.since", "ms: now - state.since"),
  states(
    "occurrence-is-over-too-soon",
    "    state.endedAt = now;\n    state.works = true;",
    "    state.endedAt ??= now;\n    state.works = true;",
  ),
  mutant("listener-called-after-off", EVENTS, "presence/events.ts", "if (one.isRemoved) continue;", ""),
  mutant(
    "listener-told-for-each-call",
    EVENTS,
    "presence/events.ts",
    "this.#occurred(reporter.name, reporter, failure, LISTENER_QUIET_MS);",
    "this.#occurred(`${Math.random()}`, reporter, failure, LISTENER_QUIET_MS);",
  ),
  mutant(
    "close-waits-for-what-was-never-there",
    READY,
    "recorder/shard.ts",
    "connection.wasUsable === false) this.#abort.abort();",
    "connection.wasUsable === undefined) this.#abort.abort();",
  ),
  mutant(
    "ready-never-rejects",
    READY,
    "presence/presence.ts",
    "readyTimeout === 0 ? follows : within",
    "readyTimeout >= 0 ? follows : within",
  ),
];
