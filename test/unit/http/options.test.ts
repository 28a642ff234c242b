/**
 * Goal: invalid options are refused when the app is created, with a message that names the option and contains no secret.
 */
import { describe, expect, it } from "vitest";
import { PresenceError } from "../../../src/core/errors.ts";
import { createApp, type AppOptions } from "../../../src/http/app.ts";
import { readerOver, type Reader } from "../../../src/reader/reader.ts";

/** No test here sends a request to it. */
const reader: Reader = readerOver({ read: () => Promise.reject(new Error("not asked")) });

function refusal(options: Partial<Record<keyof AppOptions, unknown>>): string {
  try {
    createApp({ reader, ...options } as AppOptions);
  } catch (error) {
    if (error instanceof PresenceError && error.code === "OPTIONS_INVALID") return error.message;
    throw error;
  }
  throw new Error("the app was made");
}

describe("tokens", () => {
  it.each([
    ["shorter than 16 characters", ["0123456789abcde"], /^tokens\[0\] has 15 characters: use at least 16/],
    ["the second one short", ["0123456789abcdef", "short"], /^tokens\[1\] has 5 characters/],
    ["empty", [""], /^tokens\[0\] has 0 characters/],
    ["no text", [1234567890123456], /^tokens\[0\] has no text/],
    ["not there", [undefined], /^tokens\[0\] has no text/],
    ["with a space", ["0123456789 abcdef"], /^tokens\[0\] must be printable ASCII without spaces/],
    ["with a line break", ["0123456789abcdef\n"], /^tokens\[0\] must be printable ASCII/],
    ["not ASCII", ["0123456789abcdeé"], /^tokens\[0\] must be printable ASCII/],
    ["one text instead of a list", "0123456789abcdef", /^tokens must be a list of at most 32/],
    [
      "33 of them",
      Array.from({ length: 33 }, (_, i) => `0123456789abcdef${i}`),
      /^tokens must be a list of at most 32/,
    ],
  ])("%s", (_, tokens, message) => {
    const said = refusal({ tokens });
    expect(said).toMatch(message);
    expect(said).not.toMatch(/0123456789|short/);
  });

  it("16 characters are enough", () => {
    expect(() => createApp({ reader, tokens: ["0123456789abcdef"] })).not.toThrow();
  });

  it("cannot be changed from outside once the app is created", async () => {
    const tokens = ["0123456789abcdef"];
    const app = createApp({ reader, tokens });
    tokens.push("another-token-of-somebody");
    const headers = { authorization: "Bearer another-token-of-somebody" };
    expect((await app.request("/v1/users", { headers })).status).toBe(401);
  });
});

describe("countsTokens", () => {
  it("are checked like tokens, and no token may be in both lists", () => {
    expect(refusal({ countsTokens: ["short"] })).toMatch(/^countsTokens\[0\] has 5 characters/);
    const [a, b] = ["0123456789abcdef", "fedcba9876543210"];
    expect(refusal({ tokens: [a, b], countsTokens: ["another-0123456789", b] })).toBe(
      "countsTokens[1] is also tokens[1]: a token has one scope, so use two tokens",
    );
  });
});

describe("the others", () => {
  it.each([
    [{ counts: "public" }, 'counts must be "open", "whole" or "closed", got "public"'],
    [{ counts: true }, 'counts must be "open", "whole" or "closed", got true'],
    [{ timeout: 0 }, "timeout must be a whole number from 1 to 60000, got 0"],
    [{ timeout: 1.5 }, "timeout must be a whole number from 1 to 60000, got 1.5"],
    [{ timeout: "5000" }, "timeout must be a whole number from 1 to 60000, got 5000"],
    [{ reuse: -1 }, "reuse must be a whole number from 0 to 60000, got -1"],
    [{ streams: { life: 10 } }, "streams.life must be a whole number from 1000 to 86400000, got 10"],
    [
      { streams: { life: 5_000, heartbeat: 6_000 } },
      "streams.heartbeat (6000 ms) must be at most streams.life (5000 ms): lower it",
    ],
    [{ streams: { stall: 99 } }, "streams.stall must be a whole number from 100 to 3600000, got 99"],
    [{ streams: { requests: 0 } }, "streams.requests must be a whole number from 1 to 1000000000, got 0"],
    [{ streams: { most: Number.NaN } }, "streams.most must be a whole number from 0 to 100000, got NaN"],
    [{ reader: undefined }, "reader must be a Reader: create one with createReader()"],
    [{ origins: "https://app.example" }, 'origins must be a list such as ["https://app.example"]'],
    [
      { origins: ["*", "https://app.example"] },
      'origins has "*" and others: "*" allows every origin, so keep it alone or remove it',
    ],
  ])("%j", (options, message) => {
    expect(refusal(options)).toBe(message);
  });

  it.each([
    "app.example",
    "https://app.example/",
    "https://app.example/path",
    "https://App.example",
    "null",
    "",
    "https://a.example:443",
    "https://*.example",
    5,
  ])("the origin %j", (origin) => {
    expect(refusal({ origins: [origin] })).toMatch(
      /^origins\[0\] is not an origin: use scheme, host and port only/,
    );
  });
});

it("an unknown option is refused with the nearest one, also in `streams`", () => {
  expect(refusal({ tokns: [] } as object)).toBe("unknown option tokns of createApp: did you mean tokens?");
  expect(refusal({ streams: { live: 5_000 } })).toBe(
    "unknown option streams.live of createApp: did you mean streams.life?",
  );
});
