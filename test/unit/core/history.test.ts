/**
 * Goal: the option `history` takes true, or up to 20 namespaces and rooms, and refuses the rest by name; callers that name the same say the same.
 * Method: values that are right and wrong.
 */
import { expect, it } from "vitest";
import { historyArgument, resolveHistory } from "../../../src/core/history.ts";
import { HISTORY_SCOPES } from "../../../src/core/limits.ts";

it("names come in one order, and what was resolved can be resolved again", () => {
  const one = resolveHistory({ scopes: ["/b", "/,", "/a,x y", "/a"] });
  expect(one).toEqual({ scopes: ["/,", "/a", "/a,x y", "/b"] });
  expect(resolveHistory(one)).toEqual(one);
  expect(historyArgument(one)).toBe(' history ["/,","/a","/a,x y","/b"]');
  expect([undefined, false, true].map((value) => historyArgument(resolveHistory(value)))).toEqual([
    "",
    "",
    " history",
  ]);
});

const many = (count: number) => Array.from({ length: count }, (_, i) => `/${i}`);

it.each([
  ["on", /^history must be/],
  [null, /^history must be/],
  [["/a"], /^history must be an object/],
  [{}, /^history\.scopes must be a list of 1 to 20/],
  [{ scopes: [] }, /^history\.scopes must be a list/],
  [{ scopes: "/a" }, /^history\.scopes must be a list/],
  [{ scopes: many(HISTORY_SCOPES + 1) }, /^history\.scopes must be a list/],
  [{ scopes: [1] }, /^history\.scopes must be texts/],
  [{ scopes: ["a"] }, /^history\.scopes has no namespace or room: a namespace must start with/],
  [{ scopes: ["/\ud800"] }, /^history\.scopes has no namespace or room/],
  [{ scopes: [`/${"é".repeat(256)}`] }, /^history\.scopes has no namespace or room/],
  [{ scopes: ["/a", "/a"] }, /^history\.scopes names one twice/],
  [{ scope: ["/a"] }, /unknown option history\.scope .*did you mean history\.scopes/],
])("%j is refused", (value, message) => {
  expect(() => resolveHistory(value)).toThrow(
    expect.objectContaining({ code: "OPTIONS_INVALID", message: expect.stringMatching(message) }),
  );
});

it("as many as may be are taken", () => {
  expect(resolveHistory({ scopes: many(HISTORY_SCOPES) })).toMatchObject({ scopes: { length: 20 } });
});
