/**
 * Goal: the events of a batch are made once and shared; each group gets exactly its users' changes, in events of bounded size whose
 * ids continue exactly where the event ends; a change costs nothing to groups that it does not concern.
 * Method: random batches over several shards, compared with a filter.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../../src/core/change.ts";
import { decodeChangesCursor, encodeChangesCursor } from "../../../src/core/cursor.ts";
import { EVENT_BYTES, EVENT_BYTES_MAX } from "../../../src/core/limits.ts";
import { shardOf } from "../../../src/core/shard.ts";
import { isBefore } from "../../../src/core/stream-id.ts";
import { Followers } from "../../../src/http/followers.ts";
import { Batch } from "../../../src/http/frames.ts";

const SHARDS = 3;
const START = encodeChangesCursor(Array.from({ length: SHARDS }, () => "0-0"));

/** Entries as the reader returns them: one shard each, in the order of their times. */
function batchOf(entries: readonly (readonly string[])[], n = 0): Batch {
  const changes: Change[] = [];
  const ends = decodeChangesCursor(START, SHARDS);
  for (const [i, users] of entries.entries()) {
    const at = new Date(1_000 + i);
    const shard = users[0] === undefined ? 0 : shardOf(users[0], SHARDS);
    for (const user of users) {
      if (shardOf(user, SHARDS) !== shard) continue;
      changes.push({ user, type: "online", cause: "connect", at, id: `${1_000 + i}-0` });
      ends[shard] = `${1_000 + i}-0`;
    }
  }
  return new Batch(n, START, encodeChangesCursor(ends), changes, SHARDS);
}

interface Told {
  readonly id: string;
  readonly event: string;
  readonly users: readonly string[];
  readonly bytes: number;
}

function read(frames: Iterable<Uint8Array>): Told[] {
  return [...frames].map((bytes) => {
    const [, id, event, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)\n\n$/.exec(
      new TextDecoder().decode(bytes),
    )!;
    const { changes = [], next } = JSON.parse(data!) as { changes?: { user: string }[]; next: string };
    expect(next).toBe(id);
    return { id: id!, event: event!, users: changes.map(({ user }) => user), bytes: bytes.length };
  });
}

/** The changes of these users that a client at `cursor` has not seen. */
function rest(batch: Batch, cursor: string, users: readonly string[]): string[] {
  const ids = decodeChangesCursor(cursor, SHARDS);
  return batch.changes
    .filter(({ user, id }) => users.includes(user) && isBefore(ids[shardOf(user, SHARDS)]!, id))
    .map(({ user }) => user);
}

describe("events of a batch", () => {
  it("a group gets exactly its users' changes, and can continue after each event", () => {
    const names = Array.from({ length: 8 }, (_, i) => `${i}-${"x".repeat(i * 1_000)}`);
    const user = fc.constantFrom(...names);
    fc.assert(
      fc.property(
        fc.array(fc.array(user, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 60 }),
        fc.uniqueArray(user, { minLength: 1 }),
        (entries, users) => {
          const followers = new Followers();
          const group = followers.join(users);
          const batch = batchOf(entries);
          followers.note(batch);
          const told = read(group.frames(batch));
          expect(told.flatMap((one) => one.users)).toEqual(rest(batch, START, users));
          for (const [i, { id, bytes }] of told.entries()) {
            const later = told.slice(i + 1).flatMap((one) => one.users);
            expect(rest(batch, id, users)).toEqual(later);
            // One entry has up to four users here.
            expect(bytes).toBeLessThan(EVENT_BYTES + 1_000);
          }
          expect(read(batch.all()).flatMap((one) => one.users)).toEqual(batch.changes.map((one) => one.user));
        },
      ),
    );
  });

  it("an entry that is larger than an event may be becomes a gap, between the changes around it", () => {
    const many = Array.from({ length: 4_000 }, (_, i) => `${i}-${"\u0001".repeat(100)}`);
    const users = many.filter((user) => shardOf(user, SHARDS) === shardOf("alice", SHARDS));
    const huge = Array.from({ length: 4 }, () => users).flat();
    const told = read(batchOf([["alice"], huge, ["alice"]]).all());
    expect(told.map(({ event, users: of }) => [event, of])).toEqual([
      ["changes", ["alice"]],
      ["gap", []],
      ["changes", ["alice"]],
    ]);
    for (const { bytes } of told) expect(bytes).toBeLessThan(EVENT_BYTES_MAX);
  });
});

describe("groups", () => {
  it("subscribers with the same filter share the same bytes; others are not asked about", () => {
    const followers = new Followers();
    const [a, b] = [followers.join(["alice", "bob"]), followers.join(["bob", "alice", "bob"])];
    const other = followers.join(["carol"]);
    const [all, everybody] = [followers.join([]), followers.join([])];
    const batch = batchOf([["alice"], ["dave"], ["bob"]]);
    followers.note(batch);
    expect([...a.frames(batch)]).toHaveLength(1);
    expect([...a.frames(batch)][0]).toBe([...b.frames(batch)][0]);
    expect([...all.frames(batch)][0]).toBe([...everybody.frames(batch)][0]);
    expect([...other.frames(batch)]).toEqual([]);
    // Who came after the batch was noted, or left, is not in the index: it is filtered for them.
    const late = followers.join(["alice"]);
    expect(read(late.frames(batch)).flatMap(({ users }) => users)).toEqual(["alice"]);
    b.leave();
    expect(read(b.frames(batch)).flatMap(({ users }) => users)).toEqual(["alice", "bob"]);
    expect(followers.size).toEqual({ groups: 3, users: 3 });
    for (const group of [a, b, other, late, all]) group.leave();
    expect(followers.size).toEqual({ groups: 0, users: 0 });
  });
});
