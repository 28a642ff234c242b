/** codec.json: shards of ids, tags of shards, cursors, entries of `changes`, and how long lists may be. */
import { derivedKey, fingerprintOf, macOf } from "../../model/mac.ts";
import { parseRecord } from "../../model/parse.ts";
import { decodeChanges } from "../../src/core/change.ts";
import { encodeChangesCursor, encodePageCursor } from "../../src/core/cursor.ts";
import { keysOf } from "../../src/core/keys.ts";
import { padsOf, textToSign } from "../../src/core/mac.ts";
import { shardOf } from "../../src/core/shard.ts";

const IDS = [
  "", "a", "b", "alice", "bob", "carol", "0", "1", "42", "é", "e\u0301", "ß", "日本語", "😀", "👩‍👩‍👧", "\u0000", "\u007f", "\u0080", "\u07ff",
  "\u0800", "\uffff", "\u{10000}", "\u{10ffff}", "__proto__", "a b", 'a"b', "a\\b", "user-1", "user-2", "user-3", "x".repeat(256), "é".repeat(128),
  "123e4567-e89b-12d3-a456-426614174000",
]; // prettier-ignore
const SHARDS = [1, 2, 3, 4, 6, 8, 12, 16, 64, 1_024];

const TAGS: [prefix: string, shards: number[]][] = [
  ["presence", [1, 2, 3, 4, 6, 8, 12, 64]],
  ["a", [3, 12]],
  ["présence:東京", [3, 6]],
  ["x".repeat(128), [5]],
];

const CHANGES: [string, string[]][] = [
  ["1700000000000-0", ["connect", '["ann","ben"]']],
  ["1700000000001-3", ["connect", '["ann"]', "leave", '["cat"]', "reap", '["dan","eve"]']],
  ["1700000000002-0", ["disconnect", '["a"]', "leave", '["b"]', "bye", '["c"]', "grace", '["d"]', "reap", '["e"]', "replace", '["f"]', "repair", '["g"]']],
  ["1700000000003-0", ["rebuilt", "users: 1 there, 2 counted"]],
  ["1700000000004-0", ["later", '["ann"]', "connect", '["ben"]']],
  ["1700000000005-0", ["connect", "no list", "leave", '["ann"]']],
  ["1700000000006-0", ["connect", '["é","😀","\\u0041","__proto__"]']],
]; // prettier-ignore

/** An id is `unit` so many times; it stands in the list so many times. */
const LISTS: { name: string; ids: { unit: string; times: number; count: number }[] }[] = [
  { name: "1,000 operations", ids: [{ unit: "a", times: 1, count: 1_000 }] },
  { name: "1,001 operations", ids: [{ unit: "a", times: 1, count: 1_001 }] },
  { name: "an id of 256 bytes", ids: [{ unit: "x", times: 256, count: 1 }] },
  { name: "an id of 257 bytes", ids: [{ unit: "x", times: 257, count: 1 }] },
  { name: "256 bytes in characters of two", ids: [{ unit: "é", times: 128, count: 1 }] },
  { name: "258 bytes in characters of two", ids: [{ unit: "é", times: 129, count: 1 }] },
  { name: "256 bytes in characters of four", ids: [{ unit: "😀", times: 64, count: 1 }] },
  { name: "a list of 32,768 bytes", ids: [{ unit: "x", times: 256, count: 126 }, { unit: "y", times: 130, count: 1 }] },
  { name: "a list of 32,769 bytes", ids: [{ unit: "x", times: 256, count: 126 }, { unit: "y", times: 131, count: 1 }] },
  { name: "bytes of escapes count as they are written", ids: [{ unit: '"', times: 256, count: 64 }] },
]; // prettier-ignore

const SIGNED: { key: string; prefix: string; shard: number; shards: number; fields: string[] }[] = [
  { key: "0123456789abcdef0123456789abcdef", prefix: "presence", shard: 0, shards: 1, fields: ["process", "web-1.7f3a", "seq", "42", "ttl", "10000", "connect", '["alice","bob"]', "sockets", "817"] },
  { key: "0123456789abcdef0123456789abcdef", prefix: "presence", shard: 1, shards: 3, fields: ["process", "web-1.7f3a", "seq", "42", "ttl", "10000", "connect", '["alice","bob"]', "sockets", "817"] },
  { key: "schlüssel ".repeat(9), prefix: "présence:東京", shard: 0, shards: 1, fields: ["process", "é", "seq", "1", "ttl", "1", "connect", '["日本語","😀"]', "sockets", "2", "bye", ""] },
]; // prettier-ignore

export function codecVectors(): object {
  return {
    signed: SIGNED.map(({ key, prefix, shard, shards, fields }) => {
      const records = keysOf(prefix, shard, shards).records;
      const derived = derivedKey(key, prefix);
      return {
        key, prefix, fingerprint: fingerprintOf(key, prefix), derived, pads: padsOf(derived),
        records, fields, text: textToSign(records, fields), mac: macOf(fields, records, derived),
      };
    }),
    shards: IDS.map((id) => ({ id, shards: Object.fromEntries(SHARDS.map((n) => [String(n), shardOf(id, n)])) })),
    tags: TAGS.flatMap(([prefix, counts]) =>
      counts.map((shards) => ({
        prefix,
        shards,
        tags: Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).tag),
      })),
    ),
    changes: CHANGES.map(([id, fields]) => ({
      id,
      fields,
      changes: decodeChanges(id, fields).map(({ at, ...change }) => ({ ...change, at: at.getTime() })),
    })),
    lists: LISTS.map(({ name, ids }) => {
      const users = ids.flatMap(({ unit, times, count }) => Array.from({ length: count }, () => unit.repeat(times)));
      const text = JSON.stringify(users);
      const fields = ["process", "p", "seq", "1", "ttl", "1000", "connect", text, "sockets", String(users.length)];
      const parsed = parseRecord(fields);
      const bytes = Buffer.byteLength(text);
      return { name, ids, bytes, ...("reason" in parsed ? { reason: parsed.reason } : { operations: parsed.operations }) };
    }),
    cursors: {
      pages: [[0, "0"], [0, "17"], [1, "18446744073709551615"]].map(([shard, scan]) => ({
        shard,
        scan,
        changes: "1700000000000-0_0-0",
        text: encodePageCursor({ shard: Number(shard), scan: String(scan), changes: "1700000000000-0_0-0" }),
      })),
      changes: [["0-0"], ["1700000000000-0"], ["1700000000000-0", "0-0", "1700000000001-12"]].map((ids) => ({
        ids,
        text: encodeChangesCursor(ids),
      })),
    },
  }; // prettier-ignore
}
