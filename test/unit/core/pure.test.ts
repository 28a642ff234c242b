/** Goal: the small pure parts: records, shards, cursors, user ids, options. */
import fc from "fast-check";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeChanges } from "../../../src/core/change.ts";
import {
  decodeChangesCursor,
  decodePageCursor,
  encodeChangesCursor,
  encodePageCursor,
} from "../../../src/core/cursor.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { checkUser } from "../../../src/core/user.ts";
import { utf8Length } from "../../../src/core/utf8.ts";
import { resolveProjectorOptions } from "../../../src/projector/options.ts";
import { createReader, type ReaderInput } from "../../../src/reader/create.ts";
import { resolveReaderOptions } from "../../../src/reader/options.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { resolveRecorderOptions } from "../../../src/recorder/options.ts";
import { VERSION } from "../../../src/core/version.ts";

describe("encodeRecord", () => {
  it("writes the fields in the order of the protocol", () => {
    expect(
      encodeRecord({
        process: "p", seq: 1, ttl: 10_000, about: { host: "web-1", pid: 7, version: "1.0.0", grace: 500 },
        close: ["eve"], leave: ["dan"], disconnect: ["carol"], connect: ["alice", 'b"b', "alice"],
        anonymous: 2, bye: true, replaces: ["p0", "p00"], sockets: 0, connections: 3,
      }), // prettier-ignore
    ).toEqual([
      "process", "p", "seq", "1", "ttl", "10000", "hello", "web-1", "pid", "7", "version", "1.0.0", "protocol", "2", "grace", "500",
      "connect", '["alice","b\\"b","alice"]', "disconnect", '["carol"]', "leave", '["dan"]', "close", '["eve"]',
      "anonymous", "2", "sockets", "0", "connections", "3", "bye", "", "replaces", '["p0","p00"]',
    ]); // prettier-ignore
  });

  it("writes a heartbeat in six fields and the check digit, and no empty list", () => {
    expect(encodeRecord({ process: "p", seq: 9, ttl: 1, connect: [], replaces: [], sockets: 4 })).toEqual([
      "process",
      "p",
      "seq",
      "9",
      "ttl",
      "1",
      "sockets",
      "4",
    ]);
  });
});

describe("decodeChanges", () => {
  it("gives each change its cause and time", () => {
    const at = new Date(5);
    expect(
      decodeChanges("5-1", ["connect", '["c"]', "reap", '["a","b"]', "rebuilt", "grace: 1 there, 0 counted"]),
    ).toMatchObject([
      { user: "c", type: "online", cause: "connect", at, id: "5-1" },
      { user: "a", type: "offline", cause: "reap", at, id: "5-1" },
      { user: "b", type: "offline", cause: "reap", at, id: "5-1" },
    ]);
  });

  it.each(["", "{", "{}", "1", "null", '"a"'])("finds no user in %j", (list) => {
    expect(decodeChanges("5-1", ["leave", list])).toEqual([]);
  });
});

describe("shardOf", () => {
  // Published values of FNV-1a, 32 bits: "" 811c9dc5, "a" e40c292c, "foobar" bf9cf968.
  it("is FNV-1a over UTF-8, as in every language", () => {
    expect(shardOf("", 1 << 20)).toBe(0x811c9dc5 % (1 << 20));
    expect(shardOf("a", 1 << 20)).toBe(0xe40c292c % (1 << 20));
    expect(shardOf("foobar", 1 << 20)).toBe(0xbf9cf968 % (1 << 20));
  });

  it("hashes the same bytes as the platform's encoder", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        let hash = 0x811c9dc5;
        for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
        expect(shardOf(text, 997)).toBe((hash >>> 0) % 997);
        expect(utf8Length(text)).toBe(Buffer.byteLength(text));
      }),
    );
  });
});

describe("checkUser", () => {
  it.each(["alice", "x".repeat(256), "é".repeat(128), "\0", "😀".repeat(64)])("takes %j", (id) =>
    expect(checkUser(id)).toBe(id),
  );
  it.each([
    ["", /empty/],
    ["x".repeat(257), /256 bytes/],
    ["é".repeat(129), /256 bytes/],
    ["\ud800", /surrogate/],
    [42, /number/],
    [null, /null/],
    [undefined, /undefined/],
  ])("refuses %j", (id, message) => expect(() => checkUser(id)).toThrow(message));
});

describe("cursors", () => {
  it("decode to what was encoded", () => {
    const place = { shard: 3, scan: "18446744073709551615", changes: "0-0_5-1_7-0_9-2" };
    expect(decodePageCursor(encodePageCursor(place), 4)).toEqual(place);
    expect(decodeChangesCursor(encodeChangesCursor(["0-0", "5-1"]), 2)).toEqual(["0-0", "5-1"]);
  });
  it.each(["", "x", "p0", "p4.0", "p0.18446744073709551616", "p0.-1", "p0.1; DROP"])(
    "refuse %j as a page",
    (text) => {
      expect(() => decodePageCursor(text, 4)).toThrow(expect.objectContaining({ code: "CURSOR_INVALID" }));
    },
  );
  it.each(["", "5", "5-1", "5-1_6-1_7-1", "$_$", "+_-"])("refuse %j as a position in changes", (text) => {
    expect(() => decodeChangesCursor(text, 2)).toThrow(expect.objectContaining({ code: "CURSOR_INVALID" }));
  });
});

describe("keysOf", () => {
  it("puts every key of a shard under one hash tag", () => {
    for (const keys of [keysOf("presence", 0, 1), keysOf("presence", 2, 4)]) {
      expect(new Set(keys.list).size).toBe(11);
      for (const key of keys.list) expect(key.startsWith(`${keys.tag}:`)).toBe(true);
    }
    expect(keysOf("presence", 0, 1).records).toBe("{presence}:records");
    expect(keysOf("presence", 0, 4).users).toBe("{presence}:users");
    expect(keysOf("presence", 2, 3).users).toBe("{presence:2.2}:users");
  });
});

describe("options", () => {
  it("have the documented defaults", () => {
    expect(resolveRecorderOptions({})).toMatchObject({
      prefix: "presence",
      shards: 1,
      ttl: 10_000,
      heartbeat: 3_333,
      grace: 0,
      project: true,
    });
  });
  it("are checked against each other; the message names both", () => {
    expect(() => resolveRecorderOptions({ ttl: 1000, heartbeat: 501 })).toThrow(
      /heartbeat \(501 ms\).*ttl \(1000 ms\)/,
    );
  });
  it.each([
    { ttl: 99 },
    { ttl: 3_600_001 },
    { ttl: 1.5 },
    { ttl: "10" },
    { grace: -1 },
    { shards: 0 },
    { prefix: "" },
    { prefix: "a{b" },
    { project: 1 },
  ])("refuse %j", (bad) => {
    expect(() => resolveRecorderOptions(bad as never)).toThrow(
      expect.objectContaining({ code: "OPTIONS_INVALID" }),
    );
  });
  it("unknown options of a reader are refused with the nearest name, before a connection is opened", async () => {
    const redis = "redis://127.0.0.1:1";
    const slip = { redis, staleafter: 1 } as ReaderInput<string>;
    expect(() => createReader(slip)).toThrow(
      "unknown option staleafter of createReader: did you mean staleAfter?",
    );
    expect(() => createReader({ redis, shards: 0 })).toThrow(/shards/);
    const reader = readerOver({ read: () => Promise.reject(new Error("not asked")) });
    await expect(reader.page({ limits: 5 } as object)).rejects.toThrow(
      /limits of page\(\): did you mean limit\?/,
    );
    await expect(reader.changes({ afte: "x" } as object)).rejects.toThrow(/did you mean after\?/);
    await expect(reader.page({ limit: 0 })).rejects.toThrow(/limit must be a whole number from 1 to 1000/);
  });
  it("of reader and projector are checked too", () => {
    expect(() => resolveProjectorOptions({ budget: 10 })).toThrow(/budget/);
    expect(() => resolveReaderOptions({ staleAfter: -1 })).toThrow(/staleAfter/);
  });
});

it("VERSION equals the version in package.json", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  expect(VERSION).toBe(version);
});
