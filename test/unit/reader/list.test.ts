/**
 * Goal: usersList() returns every user once, up to a limit that its error explains.
 * Method: users in a real Redis, with one shard and with four; a scan that returns a page twice.
 */
import { describe, expect, it } from "vitest";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { newPrefix, populate, useRedis } from "../http/support.ts";

const test = useRedis();

async function readerOf(users: readonly string[], shards: number): Promise<Reader> {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, shards, users });
  return readerOver(ioredisPort(test.redis), { prefix, shards });
}

describe.each([1, 4])("over %i shard(s)", (shards) => {
  const ids = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);

  it("lists every user once, over several pages", async () => {
    const reader = await readerOf(ids, shards);
    const { users } = await reader.usersList();
    expect(users.map(({ id }) => id).sort()).toEqual([...ids].sort());
    expect(users[0]).toMatchObject({ online: true, sockets: 1 });
  });

  it("lists up to `max` users, and says what to do with more", async () => {
    const reader = await readerOf(ids, shards);
    expect((await reader.usersList({ max: 2_500 })).users).toHaveLength(2_500);
    await expect(reader.usersList({ max: 2_499 })).rejects.toMatchObject({
      code: "LIMIT_EXCEEDED",
      message: expect.stringMatching(/more than 2499 .*raise `max`, up to 100000.*users\(\)/) as string,
    });
  });

  it("lists no user when none is present", async () => {
    expect(await (await readerOf([], shards)).usersList()).toMatchObject({ users: [] });
  });
});

it("a user on two pages is listed once", async () => {
  const prefix = newPrefix();
  const ids = Array.from({ length: 2_500 }, (_, i) => `user-${i}`);
  await populate(test.redis, { prefix, users: ids });
  const port = ioredisPort(test.redis);
  let scans = 0;
  // As after a table has shrunk: the second scan brings the first page once more, and the others follow.
  const again = readerOver(
    {
      read: (commands) =>
        port.read(
          commands.map((command) =>
            command[0] === "HSCAN" && ++scans === 2
              ? (["HSCAN", command[1], "0", "COUNT", command[4]] as const)
              : command,
          ),
        ),
    },
    { prefix },
  );
  const seen: string[] = [];
  for await (const { id } of again.users()) seen.push(id);
  expect(seen.length).toBeGreaterThan(ids.length);
  scans = 0;
  const { users } = await again.usersList();
  expect(users.map(({ id }) => id).sort()).toEqual([...ids].sort());
});

it.each([0, -1, 1.5, 100_001, Number.NaN, "10"])("refuses max: %s", async (max) => {
  const reader = await readerOf(["alice"], 1);
  await expect(reader.usersList({ max: max as number })).rejects.toMatchObject({
    code: "OPTIONS_INVALID",
    message: expect.stringContaining("max must be a whole number from 1 to 100000") as string,
  });
});
