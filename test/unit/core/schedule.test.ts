/**
 * Goal: one schedule decides when to call the projector: at once when the state is unknown, at deadlines on Redis's clock, and
 * never before the end of a hold when only reaping is left (INV-6).
 * Method: a simple clock; answers and looks like a projector's.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TIMER_MS_MAX } from "../../../src/core/limits.ts";
import { earlier, hasCome, type Moment, Schedule, waitUntil } from "../../../src/core/schedule.ts";

const HOLD = 3_000;
/** Redis's clock in these tests is this far ahead of ours, ms. */
const AHEAD = 1_000_000;

const schedule = (options: Partial<ConstructorParameters<typeof Schedule>[0]> = {}) =>
  new Schedule({ hold: HOLD, soonest: 5, spread: 0, ...options });
const answer = (now: number, due: number | null, held = 0) => ({
  now: now + AHEAD,
  due: due === null ? null : due + AHEAD,
  held,
});

describe("a moment", () => {
  const moments = fc.oneof(
    fc.constant<Moment>("now"),
    fc.constant<Moment>("never"),
    fc.integer({ min: 0, max: 1_000 }),
  );

  it("earlier() picks the earlier of two in either order, and hasCome() compares with the clock", () => {
    fc.assert(
      fc.property(moments, moments, fc.integer({ min: 0, max: 1_000 }), (a, b, now) => {
        expect(earlier(a, b)).toBe(earlier(b, a));
        expect(hasCome(earlier(a, b), now)).toBe(hasCome(a, now) || hasCome(b, now));
        expect(waitUntil(a, now) === 0).toBe(hasCome(a, now));
      }),
    );
  });

  it("waitUntil() never returns more than a timer can wait", () => {
    expect(waitUntil("never", 0)).toBe(TIMER_MS_MAX);
    expect(waitUntil(1e12, 0)).toBe(TIMER_MS_MAX);
    expect(waitUntil("now", 7)).toBe(0);
  });
});

describe("the next call", () => {
  it("is at once while nothing is known, and never when only a record can bring work", () => {
    const s = schedule();
    expect(s.next).toBe("now");
    s.answered(answer(100, null), 100, 0);
    expect(s.next).toBe("never");
    s.callNow();
    expect(s.next).toBe("now");
  });

  it("is at the deadline, on this machine's clock", () => {
    const s = schedule();
    s.answered(answer(100, 400), 100, 0);
    expect(s.next).toBe(400);
  });

  it("is not at once for a deadline that another clock reported slightly early", () => {
    const s = schedule();
    s.answered(answer(100, 99), 100, 0);
    expect(s.next).toBe(105);
  });

  it("is spread out when several callers wait for the same deadline", () => {
    const s = schedule({ spread: 100 });
    s.answered(answer(100, 400), 100, 0.5);
    expect(s.next).toBe(450);
  });

  it("is no later than appended records require, and an earlier one stays", () => {
    const s = schedule();
    s.answered(answer(100, 400), 100, 0);
    s.callBy(200);
    s.callBy(300);
    expect(s.next).toBe(200);
    s.callNow();
    s.callBy(300);
    expect(s.next).toBe("now");
  });

  it("after a failure is at the caller's time, not before", () => {
    const s = schedule();
    s.failed(100, 1_600);
    expect(s.next).toBe(1_600);
  });
});

describe("a call that goes along with what is sent anyway", () => {
  it("may come from the deadline on, before what is spread out, while nobody else calls", () => {
    const s = schedule({ spread: 100 });
    s.answered(answer(100, 400), 100, 0.5);
    expect(s.along).toBe(400);
    s.answered({ ...answer(400, 700), shared: true }, 400, 0.5);
    expect(s.along).toBe("never");
    expect(s.next).toBe(750);
  });

  it("may not where a look found the deadline served, nor after a failure, nor one time in eight", () => {
    const s = schedule({ spread: 100 });
    s.answered(answer(100, 400), 100, 0.5);
    expect(s.seen({ due: 900 + AHEAD, ran: 399 + AHEAD }, 450, 0.5)).toBe(true);
    expect(s.along).toBe("never");
    s.answered(answer(950, 1_400), 950, 0.9);
    expect(s.along).toBe("never");
    s.answered(answer(1_500, 1_900), 1_500, 0.1);
    expect(s.along).toBe(1_900);
    s.failed(1_900, 2_400);
    expect(s.along).toBe("never");
  });

  it("waits for the end of a hold", () => {
    const s = schedule();
    s.lost(1_000);
    s.answered(answer(1_200, 1_100, 1), 1_200, 0);
    expect(s.along).toBe(1_000 + HOLD);
  });
});

describe("a hold", () => {
  it("INV-6: starts at a loss and lasts its full time; the latest loss counts", () => {
    const s = schedule();
    expect(s.mayReap(0)).toBe(true);
    s.lost(undefined);
    expect(s.mayReap(0)).toBe(true);
    s.lost(1_000);
    s.lost(500);
    expect(s.mayReap(1_000 + HOLD - 1)).toBe(false);
    expect(s.mayReap(1_000 + HOLD)).toBe(true);
    s.failed(9_000, 9_100);
    expect(s.mayReap(9_100)).toBe(false);
  });

  it("of length 0 delays nothing", () => {
    const s = schedule({ hold: 0 });
    s.lost(1_000);
    expect(s.mayReap(1_000)).toBe(true);
  });

  it("delays reaping until it ends, and nothing else", () => {
    const s = schedule();
    s.lost(1_000);
    s.answered(answer(1_200, 1_100, 1), 1_200, 0);
    expect(s.next).toBe(1_000 + HOLD);
    s.answered(answer(1_200, 1_300), 1_200, 0);
    expect(s.next).toBe(1_300);
  });
});

describe("a look instead of a call", () => {
  it("requires Redis's clock, and a deadline as the reason", () => {
    const s = schedule();
    expect(s.mayLook).toBe(false);
    s.answered(answer(100, 400), 100, 0);
    expect(s.mayLook).toBe(true);
    s.callNow();
    expect(s.mayLook).toBe(false);
  });

  it("waits for the next deadline when another process served this one", () => {
    const s = schedule();
    s.answered(answer(100, 400), 100, 0);
    expect(s.seen({ due: 900 + AHEAD, ran: 399 + AHEAD }, 400, 0)).toBe(true);
    expect(s.next).toBe(900);
  });

  it("leads to a call when the deadline is unchanged, or none is known", () => {
    const s = schedule();
    s.answered(answer(100, 400), 100, 0);
    expect(s.seen({ due: 400 + AHEAD, ran: 100 + AHEAD }, 400, 0)).toBe(false);
    expect(s.seen({ due: null, ran: 100 + AHEAD }, 400, 0)).toBe(false);
    expect(schedule().seen({ due: 900, ran: null }, 400, 0)).toBe(false);
  });

  it("follows Redis's clock when it jumps ahead", () => {
    const s = schedule();
    s.answered(answer(100, 400), 100, 0);
    // Another process's run shows that an hour has passed: the deadline that seems far away has passed.
    const hour = 3_600_000;
    expect(s.seen({ due: 900 + AHEAD, ran: 400 + AHEAD + hour }, 400, 0)).toBe(false);
  });
});
