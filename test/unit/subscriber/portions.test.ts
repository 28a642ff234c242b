/**
 * Goal: what a process passes again after a failover is not handed over again, and what is noted for its users is what the receiver was told
 * last, whichever of it was.
 * Method: portions of entries, pure.
 */
import { expect, it } from "vitest";
import { Portions } from "../../../src/core/delivery.ts";

const entry = (id: string, kind: "connect" | "leave", user: string) => ({
  id,
  fields: [kind, JSON.stringify([user])],
});

/** What the only portion of these entries hands over and notes. `known`: ids passed before; `states`: by the last of them. */
function portionOf(
  entries: readonly ReturnType<typeof entry>[],
  known: readonly string[],
  states: Readonly<Record<string, boolean>> = {},
) {
  const portions = new Portions({
    source: "changes",
    shard: 0,
    isScoped: false,
    entries,
    place: 0,
    window: "",
    told: new Set(),
    before: { has: (id) => known.includes(id), stateOf: (member) => states[member] },
    wants: () => true,
  });
  const { deliveries, states: noted, isRepeat, passed } = portions.take(10);
  expect(portions.isOver).toBe(true);
  return { ids: deliveries.map(({ id }) => id), noted: Object.fromEntries(noted), isRepeat, passed };
}

const CAME = entry("1-0", "connect", "alice");
const WENT = entry("2-0", "leave", "alice");
const BACK = entry("3-0", "connect", "alice");

it("nothing was passed before: all is handed over, and the last of it noted", () => {
  expect(portionOf([CAME, WENT], [])).toEqual({
    ids: ["0.1-0.0", "0.2-0.0"],
    noted: { alice: false },
    isRepeat: false,
    passed: [
      { id: "0.1-0.0", member: "alice", isOnline: true },
      { id: "0.2-0.0", member: "alice", isOnline: false },
    ],
  });
});

it.each([
  ["the last that was passed", { alice: false }, false],
  ["what it says, where something was given up since", {}, true],
])("what is passed again is not handed over; noted is %s", (_, states: Record<string, boolean>, online) => {
  expect(portionOf([CAME], ["0.1-0.0"], states)).toMatchObject({
    ids: [],
    noted: { alice: online },
    isRepeat: true,
    passed: [],
  });
});

it("of two that are passed again the later one counts", () => {
  expect(portionOf([WENT, BACK], ["0.2-0.0", "0.3-0.0"])).toMatchObject({ ids: [], noted: { alice: true } });
  expect(portionOf([CAME, WENT], ["0.1-0.0", "0.2-0.0"])).toMatchObject({ ids: [], noted: { alice: false } });
});

it("an older one that is handed over only now is what the receiver was told last", () => {
  expect(portionOf([WENT, BACK], ["0.3-0.0"], { alice: true })).toMatchObject({
    ids: ["0.2-0.0"],
    noted: { alice: false },
  });
});
