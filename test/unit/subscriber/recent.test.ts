/**
 * Goal: a process remembers what it has passed of late, and the last word about each member, within bounds of number, bytes and age.
 * Method: the class alone, its times given.
 */
import { expect, it } from "vitest";
import { RECENT_BYTES_MAX, RECENT_MAX, RECENT_MS } from "../../../src/core/limits.ts";
import { Recent } from "../../../src/subscriber/recent.ts";

/** `+alice` under an id. */
const one = (id: string, said: string) => ({ id, member: said.slice(1), isOnline: said.startsWith("+") });
const stated = (recent: Recent, now: number) =>
  [...recent.states(now)].map(([member, isOnline]) => `${isOnline ? "+" : "-"}${member}`).sort();

it("the last word about each member counts", () => {
  const recent = new Recent();
  recent.add([one("1", "+alice"), one("2", "+bob"), one("3", "-alice")], 0);
  expect(stated(recent, 0)).toEqual(["+bob", "-alice"]);
  expect([recent.stateOf("alice"), recent.stateOf("bob"), recent.stateOf("carol")]).toEqual([
    false,
    true,
    undefined,
  ]);
  expect(["1", "3", "4"].map((id) => recent.has(id))).toEqual([true, true, false]);
});

it("what is too old goes, and those it was about with the last of it", () => {
  const recent = new Recent();
  recent.add([one("1", "+alice"), one("2", "+bob")], 0);
  recent.add([one("3", "-alice")], RECENT_MS - 1);
  expect(stated(recent, RECENT_MS)).toEqual(["-alice"]);
  expect(["1", "2", "3"].map((id) => recent.has(id))).toEqual([false, false, true]);
  expect(stated(recent, 2 * RECENT_MS)).toEqual([]);
});

it("beyond so many the oldest go; what is passed again is the youngest", () => {
  const recent = new Recent();
  for (let i = 0; i < RECENT_MAX; i++) recent.add([one(`${i}`, `+user-${i}`)], 0);
  recent.add([one("0", "+user-0")], 0);
  for (let i = 0; i < 10; i++) recent.add([one(`more-${i}`, "+more")], 0);
  expect(recent.has("0")).toBe(true);
  expect(["1", "10", "11"].map((id) => recent.has(id))).toEqual([false, false, true]);
  expect(recent.states(0).size).toBe(RECENT_MAX - 10 + 1);
});

it("beyond so many bytes the oldest go, counted as UTF-8, and those passed again once", () => {
  const recent = new Recent();
  const names = Array.from({ length: 9 }, (_, i) => `+${i}${"é".repeat(RECENT_BYTES_MAX / 16 - 1)}`);
  for (let i = 0; i < 5; i++)
    recent.add(
      names.slice(0, 7).map((name, k) => one(`${k}`, name)),
      i,
    );
  expect(recent.states(5).size).toBe(7);
  names.forEach((name, k) => recent.add([one(`${k}`, name)], 6));
  expect(names.map((_, k) => recent.has(`${k}`)).indexOf(true)).toBe(1);
});

it("of whom something was given up nothing is stated, until more is passed", () => {
  const recent = new Recent();
  recent.add([one("1", "+alice"), one("2", "+bob")], 0);
  recent.leave([one("3", "-alice")]);
  expect([stated(recent, 0), recent.has("1"), recent.has("3")]).toEqual([["+bob"], true, false]);
  recent.add([one("4", "-alice")], 0);
  expect(stated(recent, 0)).toEqual(["+bob", "-alice"]);
});

it("nothing is left once it is cleared, and there is room for as much", () => {
  const recent = new Recent();
  const all = Array.from({ length: 4 }, (_, i) =>
    one(`${i}`, `+${i}${"x".repeat(RECENT_BYTES_MAX / 4 - 2)}`),
  );
  recent.add(all, 0);
  recent.clear();
  expect([stated(recent, 0), recent.has("1"), recent.stateOf(all[0]!.member)]).toEqual([
    [],
    false,
    undefined,
  ]);
  recent.add(all, 0);
  expect(recent.states(0).size).toBe(4);
});
