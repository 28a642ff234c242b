/**
 * Goal: a decoded reply has its declared type; any other is refused, naming the command and the kind of value.
 * Method: replies of RESP2 and RESP3, and an invalid one of each kind.
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

it("a whole number may be a number or decimal text", () => {
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
])("%j is not a whole number", (reply) => {
  expect(() => decode.integer(reply, "XLEN of records")).toThrow(
    refused(/^XLEN of records: expected a whole number, got (text|nothing|a list of 0|a number);/),
  );
});

it("null is accepted only where it is allowed", () => {
  expect(decode.textOrNull(null, "X")).toBeNull();
  expect(decode.integerOrNull(null, "X")).toBeNull();
  expect(decode.timeOrNull(null, "X")).toBeNull();
  expect(() => decode.text(null, "X")).toThrow(refused("expected text, got nothing"));
});

it("a time must fit into a Date", () => {
  expect(new Date(decode.timeOrNull("8640000000000000", "X")!).toISOString()).toBe(
    "+275760-09-13T00:00:00.000Z",
  );
  expect(() => decode.timeOrNull("8640000000000001", "X")).toThrow(refused("expected a time in ms"));
});

it("scores are in a flat list in RESP2 and in pairs in RESP3", () => {
  const expected = [
    ["p", 2000],
    ["q", 0],
  ];
  expect(decode.scored(["p", "2000", "q", "0"], "X")).toEqual(expected);
  expect(decode.scored([["p", 2000], ["q", 0]], "X")).toEqual(expected); // prettier-ignore
  expect(() => decode.scored(["p", "2000", "q"], "X")).toThrow(refused("names with values, got a list of 3"));
});

it("the number of fields must be the number requested", () => {
  expect(decode.fieldsOf(["1", null], "X", 2)).toEqual(["1", null]);
  expect(() => decode.fieldsOf(["1"], "HMGET of users", 2)).toThrow(
    refused("HMGET of users: expected a list of 2, got a list of 1"),
  );
});

it("entries have a stream id and text fields", () => {
  expect(decode.entriesOf([["5-0", ["online", "alice"]]], "X")).toEqual([
    { id: "5-0", fields: ["online", "alice"] },
  ]);
  expect(() => decode.entriesOf([["five", []]], "X")).toThrow(refused("expected a stream id, got text"));
  expect(() => decode.entriesOf([["5-0"]], "X")).toThrow(refused("expected a list of 2"));
  expect(() => decode.entriesOf([["5-0", null]], "X")).toThrow(refused("expected a list, got nothing"));
});

it("streams are pairs or a flat map; null is an empty list", () => {
  const entries = [["5-0", ["a", "b"]]];
  const expected = [["s", [{ id: "5-0", fields: ["a", "b"] }]]];
  expect(streamsOf([["s", entries]])).toEqual(expected);
  expect(streamsOf(["s", entries])).toEqual(expected);
  expect(streamsOf(null)).toEqual([]);
  expect(() => streamsOf("OK")).toThrow(refused("XREAD: expected a list, got text"));
});

it("no value is quoted, because it may be a user id", () => {
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
