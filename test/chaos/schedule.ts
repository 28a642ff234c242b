/** The order of the faults, from the seed alone: rounds in which each comes once, shuffled for each round. */
import type { Random } from "../../rig/random.ts";

export function* scheduleOf(names: readonly string[], random: Random): Generator<string, never> {
  for (let round = 0; ; round++) {
    const draw = random.fork(`round ${round}`);
    yield* names
      .map((name) => ({ name, place: draw.next() }))
      .toSorted((a, b) => a.place - b.place)
      .map(({ name }) => name);
  }
}
