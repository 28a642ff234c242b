/**
 * Goal: a decoded reply is what its type says; any other is refused with what was asked and what kind of thing came.
 * Method: replies of RESP2 and RESP3, and one wrong of each kind.
 */
import { expect, it } from "vitest";
import type { PresenceError } from "../../../src/core/errors.ts";
import * as decode from "../../../src/redis/decode.ts";
import { streamsOf } from "../../../src/redis/entries.ts";

const refused = (message: string | RegExp) =>
  expect.objectContaining({
    name: "PresenceError",
    code: "REPLY_INVALID",
    message: expect.stringMatching(message) as string,
  }) as PresenceError;

it("whole numbers come as numbers and in decimal", () => {
  expect([0, "0", "-1", 12, "1732643337000"].map((reply) => decode.integer(reply, "X"))).toEqual([
    0, 0, -1, 12, 1_732_643_337_000,
  ]);
});

it.each([
  [""],
  [" "],
  ["x"],
  ["1.5"],
  ["1e400"],
  ["NaN"],
  [null],
  [undefined],
  [[]],
  [Number.NaN],
  [2 ** 53],
])("%j is no whole number", (reply) => {
  expect(() => decode.integer(reply, "XLEN of records")).toThrow(
    refused(/^XLEN of records: expected a whole number, got (text|nothing|a list of 0|a number);/),
  );
});

it("null is no text and no number, where it may be there", () => {
  expect(decode.textOrNull(null, "X")).toBeNull();
  expect(decode.integerOrNull(null, "X")).toBeNull();
  expect(decode.timeOrNull(null, "X")).toBeNull();
  expect(() => decode.text(null, "X")).toThrow(refused("expected text, got nothing"));
});

it("a time is one that a Date can hold", () => {
  expect(new Date(decode.timeOrNull("8640000000000000", "X")!).toISOString()).toBe(
    "+275760-09-13T00:00:00.000Z",
  );
  expect(() => decode.timeOrNull("8640000000000001", "X")).toThrow(refused("expected a time in ms"));
});

it("scores come flat in RESP2 and with their members in RESP3", () => {
  const expected = [
    ["p", 2000],
    ["q", 0],
  ];
  expect(decode.scored(["p", "2000", "q", "0"], "X")).toEqual(expected);
  expect(decode.scored([["p", 2000], ["q", 0]], "X")).toEqual(expected); // prettier-ignore
  expect(() => decode.scored(["p", "2000", "q"], "X")).toThrow(refused("names with values, got a list of 3"));
});

it("fields are as many as were asked for", () => {
  expect(decode.fieldsOf(["1", null], "X", 2)).toEqual(["1", null]);
  expect(() => decode.fieldsOf(["1"], "HMGET of users", 2)).toThrow(
    refused("HMGET of users: expected a list of 2, got a list of 1"),
  );
});

it("entries have an id of a stream and text", () => {
  expect(decode.entriesOf([["5-0", ["online", "alice"]]], "X")).toEqual([
    { id: "5-0", fields: ["online", "alice"] },
  ]);
  expect(() => decode.entriesOf([["five", []]], "X")).toThrow(refused("expected a stream id, got text"));
  expect(() => decode.entriesOf([["5-0"]], "X")).toThrow(refused("expected a list of 2"));
  expect(() => decode.entriesOf([["5-0", null]], "X")).toThrow(refused("expected a list, got nothing"));
});

it("streams come as pairs or as a flat map; none when nothing came", () => {
  const entries = [["5-0", ["a", "b"]]];
  const expected = [["s", [{ id: "5-0", fields: ["a", "b"] }]]];
  expect(streamsOf([["s", entries]])).toEqual(expected);
  expect(streamsOf(["s", entries])).toEqual(expected);
  expect(streamsOf(null)).toEqual([]);
  expect(() => streamsOf("OK")).toThrow(refused("XREAD: expected a list, got text"));
});

it("no value is quoted: one may be a user's id", () => {
  const secret = "alice@example.com";
  for (const wrong of [
    () => decode.integer(secret, "X"),
    () => decode.list(secret, "X"),
    () => decode.streamId(secret, "X"),
  ])
    expect(wrong).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(secret) as string }) as Error,
    );
});
