/**
 * Goal: a server that forks counts whole if its recorder is made after the fork, as docs/protocol.md asks: parent and child are two
 * processes with an id each.
 * Method: a Python program that forks; both halves run the example recorder, each with a user of its own.
 */
import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { startRedis } from "../../packages/local-redis/src/index.ts";
import { createProjector, createReader } from "../../src/index.ts";

const recorder = join(import.meta.dirname, "../../examples/python/rollcall_recorder.py");
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) process.stderr.write("python3 IS MISSING: a recorder that forks is NOT TESTED.\n");

const PROGRAM = `
import io, json, os, runpy, sys
path, redis = sys.argv[1:]
children = [] if (child := os.fork()) == 0 else [child]
user = "parent" if children else "child"
settings = {"redis": redis, "prefix": "forks", "ttl": 60000, "heartbeat": 20000, "grace": 0, "shards": 1}
lines = [{"open": settings}, {"connect": user, "socket": 1}, {"connect": "both", "socket": 2}, {"sync": 1}]
sys.stdin = io.StringIO("".join(json.dumps(line) + chr(10) for line in lines))
runpy.run_path(path)
for child in children: sys.exit(os.waitpid(child, 0)[1])
`;

it.runIf(hasPython)("a parent and a child that each make a recorder after the fork are counted apart, and whole", async () => {
  await using server = await startRedis();
  await promisify(execFile)("python3", ["-c", PROGRAM, recorder, server.url], { timeout: 30_000 });
  await using projector = createProjector({ redis: server.url, prefix: "forks" });
  expect(await projector.sweep()).toMatchObject({ fenced: 0, rejected: 0 });
  const reader = createReader({ redis: server.url, prefix: "forks" });
  const { users } = await reader.lookup(["parent", "child", "both"]);
  expect(users.map(({ sockets }) => sockets)).toEqual([1, 1, 2]);
  expect((await reader.processes()).processes.length).toBe(2);
  reader.close();
}); // prettier-ignore
