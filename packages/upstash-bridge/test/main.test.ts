/** Goal: the bridge as a command starts, says how to reach it, ends cleanly, and explains a wrong call. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { startRedis, type RedisServer } from "../../local-redis/src/index.ts";
import { client, READ_ONLY_TOKEN, TOKEN, WAIT } from "./support.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

/** Runs the command with nothing in its environment but PATH, HOME and `environment`. */
function run(args: string[], environment: NodeJS.ProcessEnv = {}, command = [process.execPath, main]) {
  const { PATH, HOME } = process.env;
  const [file, ...first] = command;
  const child = spawn(file!, [...first, ...args], { cwd: root, env: { PATH, HOME, ...environment } });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.err += chunk.toString()));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, ...said }));
  const started = async () => {
    while (!said.out.includes("UPSTASH_REDIS_REST_URL=")) await once(child.stdout, "data");
    return Object.fromEntries(
      said.out
        .trim()
        .split("\n")
        .map((line) => line.split("=") as [string, string]),
    );
  };
  return { child, ended, started };
}

it.each(["SIGTERM", "SIGINT"] as const)(
  "makes tokens, prints them, serves, and ends with 0 on %s",
  async (signal) => {
    const { child, ended, started } = run(["--redis", server.url, "--port", "0"]);
    const environment = await started();
    const [url, token, readOnly] = [
      environment["UPSTASH_REDIS_REST_URL"]!,
      environment["UPSTASH_REDIS_REST_TOKEN"]!,
      environment["UPSTASH_REDIS_REST_READONLY_TOKEN"]!,
    ];
    expect(token).toMatch(/^[0-9a-f]{48}$/);
    expect(readOnly).not.toBe(token);
    await client(url, token).set("key", "value");
    await expect(client(url, readOnly).get("key")).resolves.toBe("value");
    child.kill(signal);
    await expect(ended).resolves.toMatchObject({ code: 0, err: "" });
  },
);

it("takes tokens from the environment, which it does not print, and a Redis from REDIS_URL", async () => {
  const { child, ended, started } = run([], {
    REDIS_URL: server.url,
    UPSTASH_REDIS_REST_TOKEN: TOKEN,
    UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
  });
  const { UPSTASH_REDIS_REST_URL: url } = await started();
  await expect(client(url!, TOKEN).ping()).resolves.toBe("PONG");
  child.kill("SIGTERM");
  const { out } = await ended;
  expect(out).toBe(`UPSTASH_REDIS_REST_URL=${url}\n`);
});

it.each([
  ["1mb", 1_048_576],
  ["2KB", 2_048],
  ["4096", 4_096],
])("imposes the limit of a plan: %s", async (size, bytes) => {
  const tokens = { UPSTASH_REDIS_REST_TOKEN: TOKEN, UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN };
  const { child, ended, started } = run(["--redis", server.url, "--max-request", size], tokens);
  const { UPSTASH_REDIS_REST_URL: url } = await started();
  const sent = client(url!, TOKEN).echo("x".repeat(bytes));
  await expect(sent).rejects.toThrow(`ERR max request size exceeded. Limit: ${bytes} bytes`);
  child.kill("SIGTERM");
  await ended;
});

it("starts a Redis of its own when none is named", async () => {
  const { child, ended, started } = run([]);
  const environment = await started();
  const writer = client(environment["UPSTASH_REDIS_REST_URL"]!, environment["UPSTASH_REDIS_REST_TOKEN"]!);
  await expect(writer.dbsize()).resolves.toBe(0);
  child.kill("SIGTERM");
  await expect(ended).resolves.toMatchObject({ code: 0 });
});

it("ends with npm, which passes a signal on to the shell between them and no further", async () => {
  const environment = { npm_config_update_notifier: "false" };
  const { child, ended, started } = run(["--redis", server.url], environment, ["npm", "run", "bridge", "--"]);
  const { UPSTASH_REDIS_REST_URL: url } = await started();
  await expect(fetch(url!)).resolves.toMatchObject({ status: 401 });
  child.kill("SIGTERM");
  await ended;
  await vi.waitFor(() => expect(fetch(url!)).rejects.toThrow("fetch failed"), WAIT);
});

it("outlives its Redis, says so once, and serves again when it is back", async () => {
  const redis = await startRedis();
  const { child, ended, started } = run(["--redis", redis.url]);
  const environment = await started();
  const writer = client(environment["UPSTASH_REDIS_REST_URL"]!, environment["UPSTASH_REDIS_REST_TOKEN"]!);
  await redis.stop();
  await expect(writer.ping()).rejects.toThrow("ERR Redis is not reachable");
  await using again = await startRedis({ port: redis.port });
  await vi.waitFor(() => expect(writer.ping()).resolves.toBe("PONG"), WAIT);
  expect(again.port).toBe(redis.port);
  child.kill("SIGTERM");
  const { code, err } = await ended;
  expect([code, err]).toEqual([
    0,
    "the connection to Redis is lost; requests fail until it is restored\nthe connection to Redis is restored\n",
  ]);
});

it("ends while its Redis is away", async () => {
  const redis = await startRedis();
  const { child, ended, started } = run(["--redis", redis.url]);
  await started();
  await redis.stop();
  child.kill("SIGTERM");
  // Redis does not come back: what waited for it would not end.
  await expect(ended).resolves.toMatchObject({ code: 0 });
});

it("says which variable holds a token that cannot be one", async () => {
  const short = await run(["--redis", server.url], { UPSTASH_REDIS_REST_READONLY_TOKEN: "short" }).ended;
  expect([short.code, short.err]).toEqual([
    1,
    expect.stringMatching(/^UPSTASH_REDIS_REST_READONLY_TOKEN has 5/),
  ]);
  const tokens = { UPSTASH_REDIS_REST_TOKEN: TOKEN, UPSTASH_REDIS_REST_READONLY_TOKEN: TOKEN };
  const equal = await run(["--redis", server.url], tokens).ended;
  expect([equal.code, equal.err]).toEqual([
    1,
    expect.stringMatching(/^UPSTASH_REDIS_REST_TOKEN and UPSTASH_REDIS_REST_READONLY_TOKEN are equal/),
  ]);
  expect(equal.err).not.toContain(TOKEN);
});

it("says that its port is taken", async () => {
  const first = run(["--redis", server.url]);
  const { UPSTASH_REDIS_REST_URL: url } = await first.started();
  const { port } = new URL(url!);
  const second = await run(["--redis", server.url, "--port", port]).ended;
  expect([second.code, second.out]).toEqual([1, ""]);
  expect(second.err).toContain(`port ${port} of 127.0.0.1 cannot be used (EADDRINUSE)`);
  first.child.kill("SIGTERM");
  await first.ended;
});

it.each([
  [["--help"], 0, "Usage: upstash-bridge "],
  [["--nonsense"], 2, "--nonsense"],
  [["--port", "many"], 2, "--port is many"],
  [["--port", "70000"], 2, "--port is 70000"],
  [["--port="], 2, "--port is empty"],
  [["--port"], 2, "argument missing"],
  [["--max-request", "much"], 2, "--max-request is much"],
  [["--max-request", "1tb"], 2, "--max-request is 1tb"],
  [["--max-request", "100"], 2, "--max-request is 100"],
  [["--max-request="], 2, "--max-request is empty"],
  [["--redis"], 2, "argument missing"],
  [["positional"], 2, "positional"],
  [["--redis", "redis://127.0.0.1:1"], 1, "Redis cannot be reached"],
  [["--redis", "somewhere"], 1, "--redis must be a URL"],
  [["--redis", ""], 1, "--redis must be a URL"],
] as const)("%j ends with %i and says %j", async (args, code, text) => {
  const result = await run([...args]).ended;
  expect(result.code).toBe(code);
  expect(code === 0 ? result.out : result.err).toContain(text);
  expect(result.err).not.toMatch(/^\s+at /m);
});
