/**
 * Goal: a user id is text and nothing else, from the socket to the reader's answer, whatever it holds.
 * Method: ids with every problematic character, and random ones, through a recorder, the projector, the changes
 * and a reader over ioredis, with one shard and with four; invalid ids are refused at the API.
 */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PresenceError } from "../../src/core/errors.ts";
import { checkUser } from "../../src/core/user.ts";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { resolveRecorderOptions } from "../../src/recorder/options.ts";
import { type Reader, readerOver } from "../../src/reader/reader.ts";
import { Recorder } from "../../src/recorder/recorder.ts";
import { connect } from "../../src/redis/connect.ts";
import { tail } from "../../src/follow/tail.ts";
import { decodeChanges } from "../../src/core/change.ts";
import { keysOf } from "../../src/core/keys.ts";
import { userOf } from "../../rig/answers.ts";
import { until } from "../../rig/until.ts";
import { REPEAT, SEED, TIMEOUT_MS, TIMES } from "./support.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Every character of one byte or of Latin-1, and what programs like to misread. */
const NASTY = [
  ...Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)),
  "__proto__", "constructor", "toString", "hasOwnProperty", "null", "undefined", "true", "NaN", "-0",
  "0", "1e5", "0x10", "007", "9007199254740993", "-1", "Infinity", "{}", "[]", "{a}", ":", "::", "a:users",
  "state", "seq", "sockets", "cause", "connect", "online", "*", "[a-z]*", "?", "\\", '"', "'", "%s", "$1",
  "a\r\nb", "\r\n$3\r\nfoo\r\n", "a\0b", "\0", " ", " a ", "😀", "👨‍👩‍👧", "\u{10ffff}", "é", "e\u0301", "\ufeff", "\ufeffa",
  "\u202e", "\u2028", "\ufffd", "\uffff", "\ud83d\ude00", "../..", "<script>", "' OR 1=1 --", "a b\tc",
  "x".repeat(256),
  "é".repeat(128),
  "😀".repeat(64),
  "€".repeat(85),
]; // prettier-ignore

interface Path {
  recorder: Recorder;
  reader: Reader;
  /** `+id` and `-id`, from the changes. */
  told: string[];
  close(): Promise<void>;
}

let prefixes = 0;

async function start(shards: number): Promise<Path> {
  const prefix = `users-${prefixes++}`;
  const connection = connect(server.url, { timeout: 5_000, name: "test" });
  const told: string[] = [];
  const changes = tail({
    redis: server.url,
    streams: Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).changes),
    onEntries(_, entries) {
      for (const { id, fields } of entries) {
        for (const { type, user } of decodeChanges(id, fields))
          told.push(`${type === "online" ? "+" : "-"}${user}`);
      }
    },
  });
  await changes.ready;
  const recorder = new Recorder({
    connection,
    options: resolveRecorderOptions({ prefix, shards }),
    connections: () => 0,
    onError: (error) => told.push(`error ${error.message}`),
  });
  await recorder.ready();
  return {
    recorder,
    reader: readerOver(connection.port, { prefix, shards }),
    told,
    async close() {
      await recorder.close(2_000);
      await changes.close();
      connection.close();
    },
  };
}

const sorted = (ids: Iterable<string>) => [...ids].sort();

/** Brings all ids, looks at them in every way there is, takes them away again. */
async function travels(path: Path, ids: readonly string[]): Promise<void> {
  const { recorder, reader, told } = path;
  told.length = 0;
  for (const id of ids) recorder.connect(checkUser(id));
  await until("all are counted", async () => (await reader.counts()).users === ids.length);
  const found = await reader.lookup(ids);
  expect(found.users).toEqual(ids.map((id) => userOf({ id })));
  const listed: string[] = [];
  for await (const { id } of reader.users()) listed.push(id);
  expect(sorted(new Set(listed))).toEqual(sorted(ids));
  expect(await reader.user(ids[0]!)).toMatchObject({ id: ids[0], online: true, sockets: 1 });
  await until("all are told", () => told.length === ids.length);
  expect(sorted(told)).toEqual(sorted(ids.map((id) => `+${id}`)));

  told.length = 0;
  for (const id of ids) recorder.disconnect(id, "leave");
  await until("all are gone", async () => (await reader.counts()).users === 0);
  await until("all are told", () => told.length === ids.length);
  expect(sorted(told)).toEqual(sorted(ids.map((id) => `-${id}`)));
  expect((await reader.processes()).processes).toMatchObject([{ state: "live", sockets: 0 }]);
}

describe.each([1, 4])("with %i shard(s)", (shards) => {
  it("hostile ids arrive unchanged in every answer", async () => {
    const path = await start(shards);
    await travels(path, [...new Set(NASTY)]);
    await path.close();
  });

  it(`random ids arrive unchanged in every answer (${REPEAT})`, { timeout: TIMEOUT_MS }, async () => {
    const path = await start(shards);
    const id = fc
      .oneof(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), fc.string({ maxLength: 85 }))
      .filter((text) => text !== "" && text.isWellFormed() && Buffer.byteLength(text) <= 256);
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(id, { minLength: 1, maxLength: 150, size: "max" }), (ids) =>
        travels(path, ids),
      ),
      { numRuns: 5 * TIMES, seed: SEED, endOnFailure: true },
    );
    await path.close();
  });
});

it("an invalid id is refused with USER_INVALID and a reason without the id", () => {
  const secret = "\ud800-secret";
  const bad: unknown[] = ["", "\ud800", "a\udc00", "\ude00\ud83d", secret, "x".repeat(257), "é".repeat(129)];
  bad.push(
    "😀".repeat(65),
    null,
    undefined,
    0,
    1,
    true,
    {},
    [],
    ["a"],
    () => "a",
    Symbol("a"),
    1n,
    Buffer.from("a"),
  );
  bad.push({ toString: () => "a" }, new Date(0), Number.NaN); // prettier-ignore
  for (const value of bad) {
    let failure: unknown;
    try {
      checkUser(value);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(PresenceError);
    expect((failure as PresenceError).code).toBe("USER_INVALID");
    expect((failure as PresenceError).message).not.toContain("secret");
  }
});

it("a reader refuses the same ids", async () => {
  const path = await start(1);
  for (const id of ["", "\ud800", "x".repeat(257)]) {
    await expect(path.reader.user(id)).rejects.toMatchObject({ code: "USER_INVALID" });
    await expect(path.reader.isOnline(id)).rejects.toMatchObject({ code: "USER_INVALID" });
    await expect(path.reader.lookup(["fine", id])).rejects.toMatchObject({ code: "USER_INVALID" });
  }
  await path.close();
});
