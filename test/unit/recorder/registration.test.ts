/**
 * Goal: the check of a registration finds whatever happened to it, and never treats a process as lost that is not (INV-6).
 * Method: replies as Redis gives them, passed to `Watch`; no Redis.
 */
import { describe, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { type Registration, registrationCommands, Watch } from "../../../src/recorder/registration.ts";
import { ReplyError } from "../../../src/redis/port.ts";

/** A look after the record `seq` was appended as `id`. */
function see(
  watch: Watch,
  { folded, state, seq, id, process = "p1" }: {
    folded: string | null; state: string | null; seq: number; id: string; process?: string;
  }, // prettier-ignore
): Registration {
  return watch.see([[folded, "1"], [state]], { process, seq, id }).registration;
}

const live = (seq: number) => `live ${seq} 0 0 0 1 0`;

it("reads how far the log is folded before the state, so that a fold in between makes no process look lost", () => {
  const keys = keysOf("p", 0, 1);
  expect(registrationCommands(keys, "p1")).toEqual([
    ["HMGET", keys.totals, "folded", "shards", "mac"],
    ["HMGET", keys.states, "p1"],
  ]);
});

it("a live process is believed, up to its seq", () => {
  const watch = new Watch();
  expect(see(watch, { folded: "5-0", state: live(2), seq: 2, id: "5-0" })).toEqual({
    is: "believed",
    seq: 2,
  });
  // Its last record is not folded yet.
  expect(see(watch, { folded: "5-0", state: live(2), seq: 3, id: "6-0" })).toEqual({
    is: "believed",
    seq: 2,
  });
});

it("a process is unknown while none of its records is folded", () => {
  const watch = new Watch();
  expect(see(watch, { folded: null, state: null, seq: 2, id: "5-0" })).toEqual({ is: "unknown" });
  expect(see(watch, { folded: "4-9", state: null, seq: 3, id: "6-0" })).toEqual({ is: "unknown" });
});

describe("is over", () => {
  it.each(["fenced", "ended"])("when it is %s", (state) => {
    expect(see(new Watch(), { folded: null, state: `${state} 1 0 0 0 1 0`, seq: 2, id: "5-0" })).toEqual({
      is: "over",
      state,
    });
  });

  it.each([
    ["is not there", null],
    ["is behind", live(1)],
  ])("when its record is folded and its seq %s", (_, state) => {
    const look = see(new Watch(), { folded: "5-0", state, seq: 2, id: "5-0" });
    expect(look).toEqual({ is: "over", state: null });
  });

  it("when that is so for an earlier record, since the last is never folded at the moment it is appended", () => {
    const watch = new Watch();
    expect(see(watch, { folded: "4-0", state: null, seq: 2, id: "5-0" })).toEqual({ is: "unknown" });
    // Always a record behind, and the one that is watched stays until it is passed.
    expect(see(watch, { folded: "4-0", state: null, seq: 3, id: "6-0" })).toEqual({ is: "unknown" });
    expect(see(watch, { folded: "5-0", state: null, seq: 4, id: "7-0" })).toEqual({
      is: "over",
      state: null,
    });
  });
});

it("an earlier record of a log that is gone proves nothing: its ids start over", () => {
  const watch = new Watch();
  expect(see(watch, { folded: "9000-0", state: live(1), seq: 2, id: "9001-0" })).toEqual({
    is: "believed",
    seq: 1,
  });
  // Flushed, and the clock had gone back. The projector takes none of it.
  expect(see(watch, { folded: null, state: null, seq: 3, id: "100-0" })).toEqual({ is: "unknown" });
  expect(see(watch, { folded: "100-0", state: null, seq: 4, id: "200-0" })).toEqual({
    is: "over",
    state: null,
  });
});

it("a record of an earlier incarnation proves nothing about this one", () => {
  const watch = new Watch();
  see(watch, { folded: "4-0", state: live(40), seq: 41, id: "5-0" });
  const look = see(watch, { folded: "6-0", state: live(1), seq: 2, id: "7-0", process: "p2" });
  expect(look).toEqual({ is: "believed", seq: 1 });
});

it("an invalid reply decides nothing", () => {
  const seen = new Watch().see([new ReplyError("ERR"), [null]], { process: "p1", seq: 2, id: "5-0" });
  expect(seen).toEqual({ registration: { is: "unread" }, shards: null, mac: "" });
});

describe("a glance at the state alone", () => {
  const glance = (watch: Watch, state: string | null, seq: number, process = "p1") =>
    watch.glance([state], { process, seq, id: `${seq}-0` });
  const watching = () => {
    const watch = new Watch();
    see(watch, { folded: "5-0", state: live(5), seq: 5, id: "5-0" });
    return watch;
  };

  it("believes a state that has reached the record of the look before", () => {
    const watch = watching();
    expect(glance(watch, live(5), 8)).toEqual({ is: "believed", seq: 5 });
    // That one is watched now.
    expect(glance(watch, live(7), 9)).toBeUndefined();
    expect(glance(watch, live(8), 9)).toEqual({ is: "believed", seq: 8 });
  });

  it.each(["fenced", "ended"])("is over when it is %s", (state) => {
    expect(glance(watching(), `${state} 5 0 0 0 1 0`, 8)).toEqual({ is: "over", state });
  });

  it("tells nothing of a state that is gone, nor of another incarnation, nor before a look", () => {
    expect(glance(watching(), null, 8)).toBeUndefined();
    expect(glance(watching(), live(8), 8, "p2")).toBeUndefined();
    expect(glance(new Watch(), live(8), 8)).toBeUndefined();
    expect(watching().glance(new ReplyError("ERR"), { process: "p1", seq: 8, id: "8-0" })).toBeUndefined();
  });
});
