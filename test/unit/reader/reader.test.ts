/**
 * Goal: a reader cannot write (INV-8).
 * Method: every method of a reader on a port that records what it sends; Redis's own table says which commands are reads. The
 * bridge's tests show that the read-only token cannot write, and test/unit/redis/ports.test.ts that it is enough for a reader.
 */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startRedis } from "../../../rig/redis.ts";
import { readerOver } from "../../../src/reader/reader.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

it("INV-8: a reader sends only commands of Redis's category @read, and none of @dangerous", async () => {
  await using server = await startRedis();
  const shard = new TestShard(server.url);
  await shard.record({ process: "p", seq: 1, operations: operations("+alice", "+bob"), sockets: 2 });
  const about = { host: "h", pid: 1, version: "1", grace: 1_000 };
  await shard.record({ process: "q", seq: 1, ttl: 500, about, operations: operations("+dave", "+erin"), sockets: 2 }); // prettier-ignore
  await shard.step();
  await shard.record({ process: "q", seq: 2, ttl: 500, operations: operations("-dave"), sockets: 1 });
  await shard.step();
  // A lease has run out that a record in the log may have renewed, and a grace is over: then there is most to ask.
  shard.now += 1_500;
  await shard.record({ process: "p", seq: 2, sockets: 2 });

  const redis = new Redis(server.url);
  const port = ioredisPort(redis);
  const sent = new Set<string>();
  const reader = readerOver(
    { read: (commands) => (commands.forEach(([name]) => sent.add(name.toLowerCase())), port.read(commands)) },
    { prefix: shard.prefix },
    { now: () => shard.now },
  );
  await reader.counts();
  await reader.user("alice");
  await reader.lookup(["alice", "carol", "dave"]);
  await reader.page();
  await reader.processes();
  await reader.totals();
  await reader.changes();
  await reader.changes({ after: "0-0" });
  let listed = 0;
  for await (const { online } of reader.users()) listed += Number(online);
  expect(listed).toBe(2);

  const category = async (name: string) =>
    new Set((await redis.call("COMMAND", "LIST", "FILTERBY", "ACLCAT", name)) as string[]);
  const [read, write, dangerous] = [
    await category("read"),
    await category("write"),
    await category("dangerous"),
  ];
  expect([...sent].sort()).toEqual(
    ["get", "hmget", "hscan", "pttl", "xlen", "xrange", "xrevrange", "zcount", "zmscore", "zrange"].sort(),
  );
  for (const name of sent) {
    expect(read.has(name), name).toBe(true);
    expect(write.has(name) || dangerous.has(name), name).toBe(false);
  }
  await redis.quit();
  await shard.close();
});
