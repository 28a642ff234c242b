/**
 * Goal: paging over HTTP finds every user who stays present, whichever users connect and leave meanwhile.
 * Method: thousands of users over one shard and over four; pages of several sizes; and a set that shrinks to a tenth
 * and grows again between two pages, so that Redis rehashes under the cursor.
 */
import { describe, expect, it } from "vitest";
import { encodeRecord } from "../../../src/core/record.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { shardOf } from "../../../src/core/shard.ts";
import type { UsersPage } from "../../../src/reader/reader.ts";
import { append, appOver, newPrefix, populate, project, useRedis, type TestApp } from "./support.ts";

const test = useRedis();
const USERS = 5_000;
const staying = Array.from({ length: USERS }, (_, i) => `user ${i} ✓`);

interface Walk {
  readonly ids: string[];
  readonly pages: number;
  readonly largest: number;
}

/** Follows `next` from the first page to the last. `between` runs after each page. */
async function walk(
  api: TestApp,
  limit: number | undefined,
  between: (page: number) => Promise<void> = async () => {},
): Promise<Walk> {
  const ids: string[] = [];
  let pages = 0;
  let largest = 0;
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set("limit", String(limit));
    if (cursor !== null) query.set("cursor", cursor);
    const page: UsersPage = await api.get<UsersPage>(`/v1/users${query.size === 0 ? "" : `?${query}`}`);
    ids.push(...page.users.map(({ id }) => id));
    pages++;
    largest = Math.max(largest, page.users.length);
    cursor = page.next;
    await between(pages);
    if (pages > USERS) throw new Error("the pages do not end");
  } while (cursor !== null);
  return { ids, pages, largest };
}

describe.each([1, 4])("over %i shard(s)", (shards) => {
  it.each([undefined, 1_000, 37])("every user is found once, with a limit of %s", async (limit) => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, shards, users: staying });
    const { ids, pages, largest } = await walk(appOver(test.redis, { prefix, shards }), limit);
    expect(ids.length).toBe(USERS);
    expect(new Set(ids)).toEqual(new Set(staying));
    const size = limit ?? 100;
    expect(largest).toBeLessThan(2 * size + 100);
    expect(pages).toBeGreaterThanOrEqual(USERS / (2 * size + 100));
  });

  it("users who stay are found while nine of ten leave and others connect", async () => {
    const prefix = newPrefix();
    const keep = staying.slice(0, USERS / 10);
    await populate(test.redis, { prefix, shards, process: "stays", users: keep });
    await populate(test.redis, { prefix, shards, process: "leaves", users: staying.slice(USERS / 10) });
    const api = appOver(test.redis, { prefix, shards });
    const { ids } = await walk(api, 100, async (page) => {
      if (page === 3) {
        await end(prefix, shards, "leaves");
        await project(test.redis, { prefix, shards });
      }
      if (page === 6) {
        const users = Array.from({ length: USERS }, (_, i) => `newcomer ${i}`);
        await append(test.redis, { prefix, shards, process: "comes", users });
        await project(test.redis, { prefix, shards });
      }
    });
    const found = new Set(ids);
    expect(keep.filter((id) => !found.has(id))).toEqual([]);
  });

  it("A7: every page has the cursor of the listing, from which a user of page 1 who left meanwhile is in the changes", async () => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, shards, process: "stays", users: staying });
    await populate(test.redis, { prefix, shards, process: "leaves", users: ["ben"] });
    // Answers are shared, as they are between real callers.
    const api = appOver(test.redis, { prefix, shards }, { reuse: 60_000 });
    const cursors = new Set<string>();
    let last = "";
    for (let path = "/v1/users"; path !== "";) {
      const page = await api.get<UsersPage>(path);
      if (cursors.size === 0) {
        await end(prefix, shards, "leaves");
        await project(test.redis, { prefix, shards });
      }
      last = page.asOf.cursor;
      cursors.add(last);
      path = page.next === null ? "" : `/v1/users?cursor=${page.next}`;
    }
    expect(cursors.size).toBe(1);
    expect(await api.get(`/v1/changes?after=${last}`)).toMatchObject({
      gap: false,
      changes: [{ type: "offline", user: "ben" }],
    });
  });

  it("users in grace are on the pages, with no sockets", async () => {
    const prefix = newPrefix();
    await populate(test.redis, { prefix, shards, process: "p", users: ["alice", "bob"], grace: 60_000 });
    const shard = shardOf("bob", shards);
    const sockets = shardOf("alice", shards) === shard ? 1 : 0;
    const drop = {
      process: "p",
      seq: 2,
      ttl: 60_000,
      disconnect: ["bob"],
    } as const;
    await test.redis.call(
      "XADD",
      keysOf(prefix, shard, shards).records,
      "*",
      ...encodeRecord({ ...drop, sockets }),
    );
    await project(test.redis, { prefix, shards });
    const api = appOver(test.redis, { prefix, shards });
    expect((await walk(api, 1_000)).ids.sort()).toEqual(["alice", "bob"]);
    expect(await api.get("/v1/users/bob")).toMatchObject({ online: true, sockets: 0 });
    expect(await api.get("/v1/counts")).toMatchObject({ users: 2, sockets: 1 });
  });
});

/** The goodbye of a process, in every shard. */
async function end(prefix: string, shards: number, process: string): Promise<void> {
  for (let shard = 0; shard < shards; shard++) {
    const keys = keysOf(prefix, shard, shards);
    const [, seq, sockets] = (await test.redis.hget(keys.states, process))!.split(" ");
    const bye = {
      process,
      seq: Number(seq) + 1,
      ttl: 60_000,
      sockets: Number(sockets),
      bye: true,
    };
    await test.redis.call("XADD", keys.records, "*", ...encodeRecord(bye));
  }
}
