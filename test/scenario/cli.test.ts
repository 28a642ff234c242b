/**
 * Goal: the command as people start it: as a process with pipes and signals, beside real servers.
 * Method: child processes of src/cli.ts, a real Redis, Socket.IO servers with clients.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { connect, startNode } from "../../rig/node.ts";
import { type RedisServer, startRedis } from "../../rig/redis.ts";
import { until } from "../../rig/until.ts";
import { append, newPrefix, populate } from "../unit/http/support.ts";

const root = join(import.meta.dirname, "../..");
let server: RedisServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

interface Started {
  readonly child: ChildProcess;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
}

function start(args: readonly string[], env: Record<string, string>): Started {
  // Without this process's own variables, but with what Node and Redis need.
  const { PATH = "", HOME = "", TMPDIR = "/tmp" } = process.env;
  const child = spawn(process.execPath, ["src/cli.ts", ...args], {
    cwd: root,
    env: { PATH, HOME, TMPDIR, ...env },
  });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].on("data", (data: Buffer) => (said[name] += data.toString()));
  const ended = once(child, "close").then(([code]) => code as number | null);
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, said, ended };
}

const clientsNamed = async (name: string) =>
  String(await redis.client("LIST"))
    .split("\n")
    .filter((line) => line.includes(`name=${name}`)).length;

describe("rollcall as a process", () => {
  it("a reader that goes away ends it quietly", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: Array.from({ length: 20_000 }, (_, i) => `user-${i}`) });
    const ran = spawnSync("sh", ["-c", '"$0" src/cli.ts users 2>&3 | head -n 2; exit 0', process.execPath], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      env: { ...process.env, REDIS_URL: server.url, ROLLCALL_PREFIX: prefix },
      timeout: 20_000,
    });
    expect(ran.stdout.split("\n")).toHaveLength(3);
    expect(ran.output[3]).toBe("");
    expect(ran.status).toBe(0);
    // Its own exit code, without a shell in between.
    const { child, ended, said } = start(["users"], { REDIS_URL: server.url, ROLLCALL_PREFIX: prefix });
    child.stdout!.once("data", () => child.stdout!.destroy());
    expect(await ended).toBe(0);
    expect(said.stderr).toBe("");
  });

  it("Ctrl-C ends it at once, with 130, and closes its connections", async () => {
    const prefix = newPrefix();
    await populate(redis, { prefix, users: ["alice"] });
    const env = { REDIS_URL: server.url, ROLLCALL_PREFIX: prefix };
    const following = start(["changes", "--follow", "--from", "1h"], env);
    await until("it follows", () => following.said.stdout.includes("alice"));
    expect(await clientsNamed("rollcall-reader")).toBe(1);
    const began = performance.now();
    following.child.kill("SIGINT");
    expect(await following.ended).toBe(130);
    expect(performance.now() - began).toBeLessThan(2_000);
    await until("its connection is closed", async () => (await clientsNamed("rollcall-reader")) === 0);
    expect(following.said.stderr).toMatch(/^continue with --after \S+\n$/m);
  });

  it("project folds what is appended, serve shows it, and SIGTERM ends both with 0", async () => {
    const prefix = newPrefix();
    const env = { REDIS_URL: server.url, ROLLCALL_PREFIX: prefix };
    const projecting = start(["project"], env);
    const serving = start(["serve", "--port", "0"], env);
    const url = await until("it listens", () => /listening on (\S+)/.exec(serving.said.stderr)?.[1]);
    await until("it projects", () => projecting.said.stderr.includes("projecting"));
    await append(redis, { prefix, users: ["alice", "bob"] });
    await until("both are counted", async () => {
      const response = await fetch(`${url}/v1/counts`);
      return ((await response.json()) as { users: number }).users === 2;
    });
    for (const { child, ended, said } of [serving, projecting]) {
      child.kill("SIGTERM");
      expect(await ended, said.stderr).toBe(0);
      expect(said.stdout).toBe("");
    }
  });

  it("dev gives an application all it needs, and leaves nothing behind", async () => {
    const dev = start(["dev"], {});
    await until("it has printed everything", () => dev.said.stdout.includes("ROLLCALL_TOKENS="));
    const env = parseEnv(dev.said.stdout) as Record<string, string>;
    await using node = await startNode({ redis: env["REDIS_URL"]! });
    await connect(node.url, "alice");
    const headers = { authorization: `Bearer ${env["ROLLCALL_TOKENS"]}` };
    await until("the API at the edge has the user", async () => {
      const response = await fetch(`${env["ROLLCALL_URL"]}/v1/users`, { headers });
      return ((await response.json()) as { users: { id: string }[] }).users[0]?.id === "alice";
    });
    // What it printed suits the command itself, also read over HTTP.
    const { REDIS_URL: _, UPSTASH_REDIS_REST_URL: __, ...api } = env;
    for (const variables of [env, { ...api, ROLLCALL_TOKEN: env["ROLLCALL_TOKENS"]! }]) {
      const status = start(["user", "alice"], variables);
      expect(await status.ended, status.said.stderr).toBe(0);
    }
    await node.close();
    dev.child.kill("SIGINT");
    expect(await dev.ended).toBe(0);
    const left = new Redis(env["REDIS_URL"]!, { retryStrategy: () => null, lazyConnect: true });
    left.on("error", () => {});
    await expect(left.connect()).rejects.toThrow(/ECONNREFUSED|closed/i);
  });
});
