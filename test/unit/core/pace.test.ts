/**
 * Goal: under load one process folds for all, the others append at the beat, and no record is left unfolded (eight rules).
 * Method: the pure schedule, with times and replies chosen.
 */
import { describe, expect, it } from "vitest";
import {
  CHECK_FOLDED_MS,
  FOLD_AFTER_BEAT_MS,
  LISTENED_MS,
  PACE_UNHEARD,
  TURN_MS,
} from "../../../src/core/limits.ts";
import { Pace } from "../../../src/core/pace.ts";

const ME = "web-1";
/** A call was answered: its turn has ended by 1,000, if it was another's. */
const answered = (holder: string, listenedLeft = LISTENED_MS, { now = 0, turnLeft = 0 } = {}) => ({
  now,
  holder,
  turnLeft,
  listenedLeft,
});

/** One whose clock is that of Redis, less `behind`. */
function paceAt(behind: number, every = 20): Pace {
  const pace = new Pace(every);
  pace.clock(behind - 0.5, 0, 0);
  return pace;
}

describe("while no process holds the turn", () => {
  it("each record is sent at once, together with its fold", () => {
    const pace = new Pace(20);
    expect(pace.state).toBe("alone");
    expect(pace.untilAppend(1_234)).toBe(0);
    expect(pace.along(1_234)).toBe("fold");
    expect(pace.foldAt).toBeUndefined();
  });
});

describe("while another process holds the turn", () => {
  it("records are sent at multiples of the pace on Redis's clock, whatever our clock says", () => {
    for (const behind of [0, 7, -7, 1_790_000_000_013]) {
      const pace = paceAt(behind);
      pace.answered(answered("other"), ME, 1_001);
      for (const now of [0, 3, 19, 100.5]) {
        const wait = pace.untilAppend(now);
        expect(wait).toBeGreaterThan(0);
        expect(wait).toBeLessThanOrEqual(20);
        expect(Math.abs(Math.round((now + behind + wait) / 20) * 20 - (now + behind + wait))).toBeLessThan(
          0.001,
        );
      }
    }
  });

  it("a record that was appended during the turn is left to its holder, and checked after a second", () => {
    const pace = paceAt(0);
    pace.answered(answered("other"), ME, 1_001);
    expect(pace.appended("1000-0", 1_000, { ends: 1_050, folded: "990-0", listened: 2_000 })).toBe(false);
    expect(pace.foldAt).toBe(1_000 + CHECK_FOLDED_MS);
    expect(pace.isFolded("999-0")).toBe(false);
    expect(pace.isFolded("1000-0")).toBe(true);
    expect(pace.foldAt).toBeUndefined();
  });

  it("a turn that is known to last is not read again", () => {
    const pace = paceAt(0);
    pace.answered(answered("other", 0, { now: 1_000, turnLeft: TURN_MS }), ME, 1_000);
    expect(pace.along(1_080)).toBe("nothing");
    expect(pace.along(1_096)).toBe("turn");
    pace.appended("1096-0", 1_096, { ends: 1_160, folded: "1060-0", listened: 0 });
    expect(pace.along(1_140)).toBe("nothing");
    expect(pace.along(1_156)).toBe("turn");
  });

  it("a record sent without reading the turn is checked after a second too, and folded at once when it came too late", () => {
    const pace = paceAt(0);
    pace.answered(answered("other", 0, { now: 1_000, turnLeft: TURN_MS }), ME, 1_000);
    expect(pace.trusted("1080-0", 1_081)).toBe(false);
    expect(pace.foldAt).toBe(1_081 + CHECK_FOLDED_MS);
    expect(pace.trusted("1090-0", 1_091)).toBe(false);
    expect(pace.foldAt).toBe(1_081 + CHECK_FOLDED_MS);
    expect(pace.trusted("1100-0", 1_101)).toBe(true);
    expect(pace.state).toBe("alone");
  });

  it("a turn further ahead than one can last, since the clock went back, is not trusted", () => {
    const pace = paceAt(0);
    pace.answered(answered("other", 0, { now: 1_000, turnLeft: TURN_MS }), ME, 1_000);
    expect(pace.trusted("999-0", 1_001)).toBe(true);
  });

  it("nothing is trusted while the clock is not known", () => {
    const pace = new Pace(20);
    pace.answered(answered("other", 0, { now: 1_000, turnLeft: TURN_MS }), ME, 0);
    expect(pace.along(1_000)).toBe("turn");
  });

  it("the check comes a second after the first record that is not folded, however many follow", () => {
    const pace = paceAt(0);
    pace.answered(answered("other"), ME, 1_001);
    // The clock went back, so that ids stand still, and the holder died: its turn seems to last.
    for (let n = 0; n < 40; n++)
      pace.appended(`1000-${n}`, 1_000 + n * 20, { ends: 1_050, folded: "990-0", listened: 2_000 });
    expect(pace.foldAt).toBe(1_000 + CHECK_FOLDED_MS);
    // The first ones are folded, and so is what was appended then.
    pace.appended("1000-40", 1_800, { ends: 1_050, folded: "1000-39", listened: 2_000 });
    expect(pace.foldAt).toBe(1_800 + CHECK_FOLDED_MS);
    pace.appended("1000-41", 1_820, { ends: 1_050, folded: "1000-41", listened: 2_000 });
    expect(pace.foldAt).toBeUndefined();
  });

  it("a record that a failed primary took with it is not looked for after a call", () => {
    const pace = paceAt(0);
    pace.answered(answered("other"), ME, 1_001);
    pace.appended("1000-0", 1_000, { ends: 1_050, folded: "990-0", listened: 2_000 });
    pace.answered(answered("other"), ME, 2_001);
    expect(pace.foldAt).toBeUndefined();
  });

  it.each([
    ["ended", 1_000],
    ["lasts longer than a turn can, since the clock went back", 1_001 + TURN_MS],
    ["was given back", 0],
  ])("a turn that %s has no holder: we fold at once, and for ourselves from then on", (_, ends) => {
    const pace = paceAt(0);
    pace.answered(answered("other"), ME, 1_001);
    expect(pace.appended("1000-0", 1_000, { ends, folded: "990-0", listened: 2_000 })).toBe(true);
    expect(pace.state).toBe("alone");
  });
});

describe("while no process listens to changes", () => {
  /** How far apart beats are, ms. */
  function beats(pace: Pace): number {
    const first = pace.untilAppend(0);
    return pace.untilAppend(first) === first ? first : NaN;
  }

  it("only every second beat is used, by who follows and who holds", () => {
    for (const [listenedLeft, every] of [
      [0, 20 * PACE_UNHEARD],
      [1, 20],
    ] as const) {
      const pace = paceAt(0);
      pace.answered(answered("other", listenedLeft), ME, 1_001);
      expect(beats(pace)).toBe(every);
      pace.answered(answered(ME, listenedLeft), ME, 1_004);
      expect(pace.foldAt).toBe(1_000 + every + FOLD_AFTER_BEAT_MS);
    }
  });

  it("the totals read with a record tell, and a time further ahead than can be does not count", () => {
    const pace = paceAt(0);
    pace.answered(answered("other"), ME, 1_001);
    for (const [listened, every] of [
      [0, 40],
      [1_000, 40],
      [1_001, 20],
      [1_000 + LISTENED_MS, 20],
      [1_001 + LISTENED_MS, 40],
    ] as const) {
      pace.appended("1000-0", 1_000, { ends: 1_050, folded: "990-0", listened });
      expect(beats(pace), `listened ${listened}`).toBe(every);
    }
  });

  it("a pace that is as long as can be stays, so the holder can renew its turn", () => {
    const pace = paceAt(0, 40);
    pace.answered(answered("other", 0), ME, 1_001);
    expect(beats(pace)).toBe(40);
  });
});

describe("while we hold the turn", () => {
  it("our records are sent with the fold, shortly after the beat of the others", () => {
    const pace = paceAt(0);
    pace.answered(answered(ME), ME, 1_001);
    expect(pace.state).toBe("holds");
    expect(pace.along(1_001)).toBe("fold");
    expect(pace.foldAt).toBe(1_003);
    pace.answered(answered(ME), ME, 1_004);
    expect(pace.foldAt).toBe(1_020 + FOLD_AFTER_BEAT_MS);
    expect(pace.untilAppend(1_010)).toBe(10 + FOLD_AFTER_BEAT_MS);
    expect(pace.untilAppend(1_030)).toBe(0);
  });

  it("until a reply says that another process does, or none", () => {
    const pace = paceAt(0);
    pace.answered(answered(ME), ME, 1_001);
    pace.answered(answered("other"), ME, 1_001);
    expect(pace.state).toBe("follows");
    pace.answered(answered(""), ME, 1_001);
    expect(pace.state).toBe("alone");
  });
});

it("pace 0 never waits and never holds", () => {
  const pace = new Pace(0);
  pace.answered(answered(ME), ME, 1_001);
  expect(pace.state).toBe("alone");
  expect(pace.untilAppend(7)).toBe(0);
});

it("what was lost is lost: after a reset each folds for itself", () => {
  const pace = paceAt(0);
  pace.answered(answered(ME), ME, 1_001);
  pace.reset();
  expect(pace.state).toBe("alone");
  expect(pace.foldAt).toBeUndefined();
});

describe("the clock of Redis", () => {
  /** How far off the next beat is from a multiple of 20 on the clock of Redis. */
  function errorAt(pace: Pace, now: number, ahead: number): number {
    const beat = now + ahead + pace.untilAppend(now);
    return Math.abs(beat - Math.round(beat / 20) * 20);
  }

  it("is known within half a trip and half a ms, by the shortest trip of late", () => {
    const pace = new Pace(20);
    pace.answered(answered("other"), ME, 1_001);
    // The reply of a slow trip, then of a quick one, then slow ones again.
    for (const [sent, trip] of [
      [0, 40],
      [100, 2],
      [200, 30],
      [300, 50],
    ] as const) {
      const there = Math.floor(sent + trip / 2 + 5_000);
      pace.clock(there, sent, sent + trip);
    }
    expect(errorAt(pace, 400, 5_000)).toBeLessThanOrEqual(1.5);
  });

  it("is followed when it jumps, after some replies", () => {
    const pace = new Pace(20);
    pace.answered(answered("other"), ME, 1_001);
    pace.clock(5_001, 0, 2);
    for (let sent = 100; sent < 5_000; sent += 20) pace.clock(sent + 9_001, sent, sent + 3);
    expect(errorAt(pace, 5_000, 9_000)).toBeLessThanOrEqual(2);
  });
});
