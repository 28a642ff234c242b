/**
 * Goal: presence agrees with real clients whatever happens to the processes, to Redis and to the network (INV-3,
 * INV-5, INV-6), and the parts of the driver that judge this are right.
 * Method: the judging parts as pure functions; with CHAOS=1, a short run on real processes. `npm run chaos` runs longer.
 */
import { describe, expect, it } from "vitest";
import { Random } from "../../rig/random.ts";
import { FAULTS } from "./faults.ts";
import { History, isFair, type Told } from "./history.ts";
import { Listeners } from "./listeners.ts";
import { Ledger, tableOf } from "./ledger.ts";
import { runChaos } from "./run.ts";
import { scheduleOf } from "./schedule.ts";

const GRACE = 2_000;
const NOW = 100_000;

function offline(cause: Told["cause"]): Told {
  return { user: "alice", type: "offline", cause, at: NOW, id: `${NOW}-0` };
}

/** A user who came long ago; then each step is `[when, what]`, when being relative to the news. */
function historyOf(...steps: [at: number, what: "connect" | "drop" | "leave"][]): History {
  const history = new History(0);
  history.connected(1);
  for (const [at, what] of steps) {
    if (what === "connect") history.connected(NOW + at);
    else history.disconnected(NOW + at, { goodbye: what === "leave", blur: 300 });
  }
  return history;
}

function fair(cause: Told["cause"], history: History, late = GRACE + 300): boolean {
  return isFair(offline(cause), history.absences, { grace: GRACE, slack: 300, late, now: NOW + 5_000 });
}

describe("an offline reported for a user", () => {
  it("is false when the user had a socket all the time", () => {
    expect(fair("reap", historyOf())).toBe(false);
    expect(fair("reap", historyOf([-50, "connect"], [-10, "drop"]))).toBe(false);
  });

  it("is false when the user was back within the grace, and right otherwise", () => {
    expect(fair("grace", historyOf([-1_000, "drop"], [500, "connect"]))).toBe(false);
    expect(fair("grace", historyOf([-2_000, "drop"], [100, "connect"]))).toBe(true);
    expect(fair("grace", historyOf([-2_000, "drop"]))).toBe(true);
  });

  it("is right after a goodbye, however soon the user came back, and after one at the same time as a drop", () => {
    expect(fair("leave", historyOf([-20, "leave"], [10, "connect"]))).toBe(true);
    expect(fair("leave", historyOf([-40, "connect"], [-20, "leave"], [-10, "drop"], [10, "connect"]))).toBe(
      true,
    );
  });

  it("is false when the absence ended long before, unless the report could be that late", () => {
    const history = historyOf([-9_000, "leave"], [-8_000, "connect"]);
    expect(fair("leave", history)).toBe(false);
    expect(fair("leave", history, 8_500)).toBe(true);
  });

  it("is right as a reap of a user who is away at that moment, since there is no grace then", () => {
    const history = historyOf([-500, "drop"], [500, "connect"]);
    expect(fair("reap", history)).toBe(true);
    expect(fair("grace", history)).toBe(false);
  });
});

describe("the schedule", () => {
  const names = FAULTS.map(({ name }) => name);
  function first(seed: string, count: number): string[] {
    const schedule = scheduleOf(names, new Random(seed));
    return Array.from({ length: count }, () => schedule.next().value);
  }

  it("is repeated by its seed", () => {
    expect(first("one", 60)).toEqual(first("one", 60));
    expect(first("one", 60)).not.toEqual(first("two", 60));
  });

  it("has each fault once per round", () => {
    const two = first("one", names.length * 2);
    expect(two.slice(0, names.length).toSorted()).toEqual(names.toSorted());
    expect(two.slice(names.length).toSorted()).toEqual(names.toSorted());
    expect(new Set(names).size).toBe(names.length);
  });
});

describe("what listeners were told", () => {
  const told = (user: string, type: Told["type"]): Told => ({
    user,
    type,
    cause: "connect",
    at: NOW,
    id: `${NOW}-0`,
  });

  it("adds up to who is present, or differs by name, or by the size of the mirror", () => {
    const listeners = new Listeners();
    listeners.started("a");
    listeners.size("a", 2);
    listeners.hear("a", told("alice", "online"));
    listeners.hear("a", told("bob", "online"));
    listeners.hear("a", told("bob", "offline"));
    expect(listeners.difference(["a"], new Set(["alice", "carol"]))).toBe(null);
    expect(listeners.difference(["a"], new Set(["bob", "carol"]))).toMatch(
      /^the listeners of a .*: alice online, bob offline$/,
    );
    expect(listeners.difference(["a"], new Set(["alice"]))).toMatch(
      /^the mirror of a has 2 users, 1 are present$/,
    );
    expect(listeners.difference([], new Set())).toBe(null);
  });

  it("alternates for each user of a process, and begins anew with the process", () => {
    const listeners = new Listeners();
    listeners.started("a");
    expect(listeners.hear("a", told("alice", "online"))).toBe(undefined);
    expect(listeners.hear("a", told("alice", "online"))).toMatch(
      /^a told its listeners twice that alice is online/,
    );
    listeners.started("a");
    expect(listeners.hear("a", told("alice", "online"))).toBe(undefined);
    expect(listeners.difference(["a"], new Set(["alice"]))).toMatch(/^the mirror of a is not complete$/);
  });
});

it("the table shows the worst of each fault", () => {
  const ledger = new Ledger();
  ledger.row("kill").times = 2;
  ledger.healed("kill", 2_940, 4_000);
  ledger.healed("kill", 900, 2_000);
  ledger.off("kill", 3, 17);
  ledger.off("kill", 4, 1);
  ledger.off("between faults", 0, 1);
  ledger.row("kill").excused++;
  expect(tableOf(ledger.rows)).toBe(
    [
      "fault           times  worst heal  bound  users off  sockets off  false offline  excused",
      "kill                2       2.9 s  4.0 s          4           17              0        1",
      "between faults      -           -      -          0            1              0        0",
    ].join("\n"),
  );
});

it.runIf(process.env["CHAOS"] === "1")(
  "INV-3, INV-5: four faults on real processes heal in time, and no user is reported offline who is not",
  { timeout: 90_000 },
  async () => {
    const events: string[] = [];
    const only = ["kill -9 a node", "cut all connections", "FLUSHALL", "rolling restart"];
    const { rows, problems } = await runChaos({
      seed: process.env["CHAOS_SEED"] ?? "short",
      duration: 60_000,
      faults: only.length,
      only,
      users: 40,
      signal: AbortSignal.timeout(80_000),
      onEvent: (text) => events.push(text),
    });
    expect(problems, events.join("\n")).toEqual([]);
    expect(rows.filter(({ times }) => times > 0).length).toBe(only.length);
  },
);
