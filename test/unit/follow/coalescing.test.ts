/**
 * Goal: a listener hears at once of what happens now and then, and under load Redis wakes it half as often.
 * Method: the pure decision, with times chosen.
 */
import { expect, it } from "vitest";
import { COALESCE_BURST, COALESCE_MS, COALESCE_UNDER_MS } from "../../../src/core/limits.ts";
import { Coalescing } from "../../../src/follow/coalescing.ts";

/** The waits after deliveries at these times. */
function waits(times: readonly number[]): number[] {
  const coalescing = new Coalescing(COALESCE_MS);
  return times.map((at) => coalescing.delivered(at));
}

const every = (ms: number, count: number) => Array.from({ length: count }, (_, i) => 1_000 + i * ms);

it("deliveries that are far enough apart are never followed by a wait", () => {
  expect(waits(every(COALESCE_UNDER_MS, 1_000)).every((wait) => wait === 0)).toBe(true);
});

it("a few at once are not either, again and again", () => {
  const few = every(1, COALESCE_BURST);
  const later = few.map((at) => at + (COALESCE_BURST + 1) * COALESCE_UNDER_MS);
  expect(waits([...few, ...later]).every((wait) => wait === 0)).toBe(true);
});

it("many at once are, after the first few, and not for long once they are over", () => {
  const many = every(5, 1_000);
  const all = waits(many);
  expect(all.slice(0, COALESCE_BURST)).toEqual(Array(COALESCE_BURST).fill(0));
  expect(all.slice(2 * COALESCE_BURST).every((wait) => wait === COALESCE_MS)).toBe(true);
  expect(waits([...many, many.at(-1)! + 2 * COALESCE_UNDER_MS]).at(-1)).toBe(0);
});
