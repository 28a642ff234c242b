/**
 * Goal: while another process holds the turn, a deadline is looked at together with a record, and not called for: the holder serves it.
 * Method: the schedule of one shard under a chosen clock, without Redis: replies are given to it.
 */
import { expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { LISTENED_MS } from "../../../src/core/limits.ts";
import { OutageLog } from "../../../src/core/outage-log.ts";
import { SILENT } from "../../../src/core/options.ts";
import type { StepResult } from "../../../src/projector/call.ts";
import { resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { type RecordersProjector, ShardProjecting } from "../../../src/recorder/projecting.ts";
import type { Runtime } from "../../../src/time/runtime.ts";

/** Redis's clock is this much ahead of ours, ms. */
const AHEAD = 1_000_000;
const ME = "me";

function projectingAt(clock: { now: number }): ShardProjecting {
  const runtime: Runtime = { now: () => clock.now, random: () => 0, after: () => () => {} };
  const refuse = () => expect.fail("no call is made here");
  const projector: RecordersProjector = {
    caller: ME,
    projector: {} as RecordersProjector["projector"],
    prepare: refuse,
    command: (shard, { says }) => ["EVALSHA", "sha", "0", String(shard), says ?? ""],
    call: refuse,
    settle: (_, reply) => Promise.resolve(reply as unknown as StepResult),
  };
  const onError = refuse;
  return new ShardProjecting({
    shard: 0,
    keys: keysOf("p", 0, 1),
    context: {
      connection: { reconnectedAt: undefined } as never,
      options: resolveRecorderOptions({ prefix: "p" }),
      connections: () => 0,
      onError,
      outages: new OutageLog({ logger: SILENT, onError, runtime }),
    },
    runtime,
    projector,
    signal: new AbortController().signal,
    onRebuilt: refuse,
    onUnheard: refuse,
  });
}

/** The reply of a call: another process holds the turn, and the next deadline is `due` on our clock. */
const answered = (clock: { now: number }, holder: string, due: number | null) =>
  ({
    now: clock.now + AHEAD,
    due: due === null ? null : due + AHEAD,
    holder,
    listenedLeft: LISTENED_MS,
    more: false,
    rebuilt: false,
    held: 0,
    records: 0,
  }) as unknown as StepResult;

it.each([
  ["another process", "other", true],
  ["nobody", "", false],
])("a deadline that has come, while %s holds the turn", async (_, holder, looks) => {
  const clock = { now: 1_000 };
  const projecting = projectingAt(clock);
  const step = { reap: true, check: false, says: "" } as const;
  await projecting.settle(answered(clock, holder, 2_000) as never, step);
  clock.now = 1_500;
  expect(projecting.looksAlong).toBe(false);
  expect(projecting.callWith(false)).toBeUndefined();
  clock.now = 2_500;
  expect(projecting.looksAlong).toBe(looks);
  expect(projecting.callWith(false) === undefined).toBe(looks);
  // A record that has to be folded takes a call along in any case.
  expect(projecting.callWith(true)).toBeDefined();
  if (!looks) return;
  const seen = (at: number, due: number, ran: number) => {
    clock.now = at;
    const id = `${at + AHEAD}-0`;
    projecting.turnSeen(id, [String(at + 90 + AHEAD), id, "0", String(due + AHEAD), String(ran + AHEAD)], at);
  };
  seen(2_500, 9_000, 2_490);
  expect(projecting.next).toBe(9_000);
  // One that nobody has served is called for.
  seen(9_500, 9_000, 8_000);
  expect(projecting.next).toBe("now");
});

it("where no deadline is left although we are registered, the next call is a heartbeat later: leases may have been evicted", async () => {
  const clock = { now: 1_000 };
  const projecting = projectingAt(clock);
  await projecting.settle(answered(clock, "", null) as never, { reap: true, check: false, says: "" });
  expect(projecting.next).toBe(1_000 + resolveRecorderOptions({ prefix: "p" }).heartbeat);
});
