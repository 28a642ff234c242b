/**
 * Goal: model/vectors has what the script, the recorder and the codecs really do, so that another language can rely on it.
 * Method: every vector is read from its file; the folds run on the real script, read by group and by range, and all that the
 * projection holds is compared after every call.
 */
import { historyArgument } from "../../../src/core/history.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { project } from "../../../model/fold.ts";
import { withoutEmpty } from "../../../model/plain.ts";
import { proofOf } from "../../../model/mac.ts";
import { emptyProjection, type Projection } from "../../../model/state.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { readHistory } from "../../../rig/history.ts";
import { checkScopes, plainMovesOf, plainOf, readScopes } from "../../../rig/scopes.ts";
import { slotsOf } from "../../../rig/shard.ts";
import { codecVectors } from "../../../scripts/vectors/codec.ts";
import { type FoldVector, foldVectors } from "../../../scripts/vectors/fold.ts";
import { play, type RecorderVector } from "../../../scripts/vectors/recorder.ts";
import { decodeChanges } from "../../../src/core/change.ts";
import { decodeChangesCursor, decodePageCursor } from "../../../src/core/cursor.ts";
import { keysOf, type ShardKeys } from "../../../src/core/keys.ts";
import { textToSign } from "../../../src/core/mac.ts";
import { deriveRecordKeys, signedSlowly } from "../../../src/projector/record-keys.ts";
import { signed } from "../../../src/recorder/sign.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { project as script } from "../../../src/lua/generated.ts";

const read = (file: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../../../model/vectors", file), "utf8"));
const folds = read("fold.json") as FoldVector[];
const recorders = read("recorder.json") as RecorderVector[];
const codec = read("codec.json") as {
  shards: { id: string; shards: Record<string, number> }[];
  changes: { id: string; fields: string[]; changes: { at: number }[] }[];
  signed: {
    key: string;
    prefix: string;
    fingerprint: string;
    derived: string;
    pads: string[];
    records: string;
    fields: string[];
    text: string;
    mac: string;
  }[];
  tags: { prefix: string; shards: number; tags: string[] }[];
  cursors: {
    pages: { shard: number; scan: string; changes: string; text: string }[];
    changes: { ids: string[]; text: string }[];
  };
};

/** The slots of the reply, as docs/protocol.md lists them. */
const SLOTS = [
  "protocol", "now", "due", "more", "folded", "records", "operations", "skipped", "fenced", "rejected", "reaped", "givenBack",
  "changes", "held", "left", "rebuilt", "holder", "turnLeft", "listenedLeft", "unheard",
]; // prettier-ignore

let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  await redis.quit();
  await server.stop();
});

const scores = (flat: string[]) =>
  Object.fromEntries(
    Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, Number(flat[2 * i + 1])]),
  );

async function after(keys: ShardKeys, totals: object): Promise<unknown> {
  const users = Object.entries(await redis.hgetall(keys.users));
  const about = Object.entries(await redis.hgetall(keys.about));
  const found = await redis.hgetall(keys.totals);
  const processes = scores(await redis.zrange(keys.processes, "0", "-1", "WITHSCORES"));
  const scopes = await readScopes(redis, keys);
  const slots = Object.keys(processes).map((member) => member.split(":", 1)[0]!);
  checkScopes(scopes, new Set(users.map(([id]) => id)), new Set(slots));
  return {
    users: Object.fromEntries(users.map(([id, text]) => [id, Object.fromEntries(slotsOf(text))])),
    leaving: scores(await redis.zrange(keys.leaving, "0", "-1", "WITHSCORES")),
    processes,
    states: await redis.hgetall(keys.states),
    about: Object.fromEntries(about.map(([id, text]) => [id, JSON.parse(text)])),
    ended: scores(await redis.zrange(keys.ended, "0", "-1", "WITHSCORES")),
    totals: Object.fromEntries(
      Object.keys(totals).map((name) => [
        name,
        name === "folded" ? (found[name] ?? "0-0") : Number(found[name] ?? 0),
      ]),
    ),
    ...withoutEmpty(plainOf(scopes)),
  };
}

/** What was told in scopes since the entry `after`: scope → cause → users. */
async function movesAfter(keys: ShardKeys, place: { moves: string }): Promise<object> {
  const entries = await redis.xrange(`${keys.tag}:moves`, place.moves, "+");
  if (entries.length > 0) place.moves = `(${entries.at(-1)![0]}`;
  return plainMovesOf(entries);
}

describe.each(["group", "range"])("fold.json on the script, read by %s", (how) => {
  it.each(folds)("$name", async ({ calls }) => {
    await redis.flushdb();
    const keys = keysOf("vectors", 0, 1);
    const place = { changes: "-", rejected: "-", moves: "-" };
    for (const call of calls) {
      for (const { id, fields } of call.append) await redis.xadd(keys.records, id, ...fields);
      const args = [
        1,
        call.budget,
        call.reap ? 1 : 0,
        call.now,
        "",
        how,
        "",
        "",
        call.history ? `604800000 604800000${historyArgument(call.history)}` : "",
        ...(call.keyArguments ?? []),
      ];
      const reply = (await redis.eval(script.text, keys.list.length, ...keys.list, ...args)) as unknown[];
      const { due, ...slots } = Object.fromEntries(SLOTS.map((slot, i) => [slot, reply[i]]));
      const { due: wanted, ...expected } = call.reply as { due: number; more: number };
      expect(slots).toEqual(expected);
      expect(reply).toHaveLength(SLOTS.length);
      // An earlier time than there is something to do is allowed: it is when to look again. A later one is not. While there
      // is more to do, nobody goes by it.
      if (expected.more === 1) expect(Number(due)).toBeGreaterThanOrEqual(-1);
      else if (wanted === -1) expect(due === -1 || Number(due) > call.now).toBe(true);
      else expect(due).toSatisfy((seen: number) => seen >= 0 && seen <= wanted);
      const changes = await redis.xrange(keys.changes, place.changes, "+");
      const rejected = await redis.xrange(keys.rejected, place.rejected, "+");
      if (changes.length > 0) place.changes = `(${changes.at(-1)![0]}`;
      if (rejected.length > 0) place.rejected = `(${rejected.at(-1)![0]}`;
      const told = changes.map(([, fields]) =>
        Object.fromEntries(
          fields.flatMap((cause, i) =>
            i % 2 === 0 ? [[cause, (JSON.parse(fields[i + 1]!) as string[]).sort()]] : [],
          ),
        ),
      );
      expect(told).toEqual(call.changes);
      expect(rejected.map(([, [, reason, , id, ...fields]]) => ({ id, reason, fields }))).toEqual(
        call.rejected,
      );
      expect(await movesAfter(keys, place)).toEqual(call.moves ?? {});
      expect({
        ...((await after(keys, (call.after as { totals: object }).totals)) as object),
        ...(call.history && { history: await readHistory(redis, keys) }),
      }).toEqual(call.after);
    }
  });
});

it("fold.json is what the reference model does", () => {
  let checked = 0;
  for (const { calls } of folds) {
    let state: Projection = emptyProjection();
    let log: FoldVector["calls"][number]["append"] = [];
    for (const { append, now, reap, budget, recordKeys, history, after: expected } of calls) {
      const proven = recordKeys && proofOf(recordKeys, "vectors", keysOf("vectors", 0, 1).records);
      const outcome = project(state, { now, log: [...log, ...append], reap, budget, proven, history });
      log = [...log, ...append].slice(outcome.taken);
      ({ state } = outcome);
      expect((expected as { totals: object }).totals).toMatchObject({
        users: state.users.size,
        folded: state.foldedId,
      });
      checked++;
    }
  }
  expect(checked).toBeGreaterThan(150);
  expect(JSON.parse(JSON.stringify(foldVectors()))).toEqual(folds);
});

it("fold.json has every reason for which an entry is set aside, every cause and every state", () => {
  const text = readFileSync(join(import.meta.dirname, "../../../model/parse.ts"), "utf8");
  const reasons = [...text.matchAll(/refuse\(\s*[`"]([^`"]+)[`"]/g)].map(
    ([, reason]) => new RegExp(`^${reason!.replaceAll(/\$\{\w+\}/g, "\\S+")}$`),
  );
  expect(reasons.length).toBeGreaterThanOrEqual(18);
  const seen = folds.flatMap(({ calls }) =>
    calls.flatMap(({ rejected }) => (rejected as { reason: string }[]).map(({ reason }) => reason)),
  );
  for (const reason of reasons)
    expect(
      seen.some((one) => reason.test(one)),
      String(reason),
    ).toBe(true);
  const causes = new Set(
    folds.flatMap(({ calls }) => calls.flatMap(({ changes }) => changes.flatMap((one) => Object.keys(one)))),
  );
  expect([...causes].sort()).toEqual(["bye", "connect", "disconnect", "grace", "leave", "reap", "replace"]);
});

it.each(recorders)("recorder.json: $name", (vector) => {
  expect(JSON.parse(JSON.stringify(play(vector)))).toEqual(vector.steps);
});

it("the records of recorder.json are folded, and add up", () => {
  for (const { name, steps } of recorders) {
    const log = steps.flatMap((step, i) =>
      "send" in step && step.fate !== "refused"
        ? [{ id: `1700000000000-${i + 1}`, fields: step.record! }]
        : [],
    );
    const { result, setAside } = project(emptyProjection(), {
      now: 1_700_000_000_001,
      log,
      reap: false,
      budget: 1e6,
    });
    expect({ name, fenced: result.fenced, setAside }).toEqual({ name, fenced: 0, setAside: [] });
  }
});

it("codec.json: what recorders and projectors make of keys", async () => {
  for (const { key, prefix, fingerprint, derived, pads, records, fields, text, mac } of codec.signed) {
    expect(await deriveRecordKeys([key], prefix)).toEqual({
      mac: fingerprint,
      argument: [fingerprint, ...pads],
      signing: derived,
    });
    expect(textToSign(records, fields)).toBe(text);
    expect(signed(fields, records, derived)).toEqual([...fields, "mac", mac]);
    expect(await signedSlowly(fields, records, derived)).toEqual([...fields, "mac", mac]);
  }
});

it("codec.json: shards, changes, cursors, bounds of lists", () => {
  for (const { id, shards } of codec.shards)
    for (const [n, shard] of Object.entries(shards)) expect(shardOf(id, Number(n))).toBe(shard);
  for (const { prefix, shards, tags } of codec.tags)
    expect(tags.map((_, shard) => keysOf(prefix, shard, shards).tag)).toEqual(tags);
  for (const { id, fields, changes } of codec.changes)
    expect(decodeChanges(id, fields)).toEqual(
      changes.map((change) => ({ ...change, at: new Date(change.at) })),
    );
  for (const { text, ...cursor } of codec.cursors.pages) expect(decodePageCursor(text, 2)).toEqual(cursor);
  for (const { ids, text } of codec.cursors.changes)
    expect(decodeChangesCursor(text, ids.length)).toEqual(ids);
  expect(JSON.parse(JSON.stringify(codecVectors()))).toEqual(codec);
});
