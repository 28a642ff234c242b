/**
 * Goal: the answer about one user says on which processes the sockets are.
 * Method: records of several processes, folded by the real script. lapsed.test.ts has those that no longer count.
 */
import { expect, it } from "vitest";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { newPrefix, populate, useRedis } from "../http/support.ts";

const test = useRedis();

it("the sockets of a user add up over the processes, in every shard, and an absent user has none", async () => {
  const prefix = newPrefix();
  const shards = 3;
  const users = Array.from({ length: 10 }, (_, i) => `u${i}`);
  await populate(test.redis, { prefix, shards, process: "web-2", users: [...users, ...users] });
  await populate(test.redis, { prefix, shards, process: "web-1", users });
  await populate(test.redis, { prefix, shards, process: "web-3:x", users: ["u1"] });
  const reader = readerOver(ioredisPort(test.redis), { prefix, shards });
  for (const user of users) {
    const { processes, sockets } = await reader.user(user);
    const more = user === "u1" ? [{ id: "web-3:x", sockets: 1 }] : [];
    expect(processes).toEqual([{ id: "web-1", sockets: 1 }, { id: "web-2", sockets: 2 }, ...more]);
    expect(sockets).toBe(user === "u1" ? 4 : 3);
  }
  expect(await reader.user("nobody")).toMatchObject({ online: false, sockets: 0, processes: [] });
  expect((await reader.lookup(["u1"])).users).toEqual([{ id: "u1", online: true, sockets: 4 }]);
});
