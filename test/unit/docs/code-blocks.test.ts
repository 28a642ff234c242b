/**
 * Goal: every code block of the documentation works as the page says.
 * Method: depending on its language, every fenced block is compiled strictly, run against a real Redis, or parsed, or the
 * scripts, files, variables and routes it names are looked up. A block in an unchecked language fails the test.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { io as connect } from "socket.io-client";
import * as v from "valibot";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { unstable_readConfig as readWranglerConfig } from "wrangler";
import { createClient } from "../../../src/client.ts";
import { createApp } from "../../../src/http.ts";
import { problemSchema } from "../../../src/http/problem.ts";
import { changesAnswerSchema } from "../../../src/reader/answers/changes.ts";
import { sessionsSchema, usersAtSchema } from "../../../src/reader/answers/past.ts";
import { scopeCountsSchema } from "../../../src/reader/answers/scopes.ts";
import { userAnswerSchema } from "../../../src/reader/answers/users.ts";
import { createReader } from "../../../src/index.ts";
import { startRedis, type RedisServer } from "../../../packages/local-redis/src/index.ts";
import { untilEqual } from "../../../rig/until.ts";
import { populate } from "../http/support.ts";
import { serve } from "../http/serve.ts";
import {
  at,
  type Block,
  blocksOf,
  headingsOf,
  inlineCommandsOf,
  linksOf,
  PAGES,
  readPage,
  ROOT,
} from "./markdown.ts";
import { freePort, PATIENCE, placed, run, type Running } from "./run.ts";
import { commandsOf, problemWith } from "./shell.ts";
import { DOCUMENTED_TOKEN } from "./preludes.ts";
import { fileOf, moduleOf, prepare, typecheck } from "./typecheck.ts";

const blocks = PAGES.flatMap((page) => blocksOf(page, readPage(page)));
const written = (...languages: string[]) => blocks.filter(({ language }) => languages.includes(language));
const named = blocks.filter(({ marks }) => (marks.get("run") ?? "") !== "");

let redis: RedisServer;
let directory: string;
beforeAll(async () => {
  redis = await startRedis();
  directory = await mkdtemp(join(tmpdir(), "rollcall-docs-"));
  await prepare(directory);
});
afterAll(async () => {
  await redis.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Starts a block; it is ended with the test. */
async function start(block: Block, port: number, environment?: Record<string, string>): Promise<Running> {
  const file = `run_${fileOf(block)}`;
  await writeFile(join(directory, file), placed(moduleOf(block), { redis: redis.url, port }));
  const running = run(directory, file, environment);
  onTestFinished(async () => {
    running.kill("SIGKILL");
    await running.ended;
  });
  return running;
}

function blockNamed(name: string): Block {
  const block = named.find(({ marks }) => marks.get("run") === name);
  if (block === undefined) throw new Error(`no block is marked \`run: ${name}\``);
  return block;
}

/** A Redis without a trace of the test before. */
async function flush(): Promise<void> {
  const client = new Redis(redis.url);
  await client.flushall();
  client.disconnect();
}

it("every block has a language that is checked, or is marked as output", () => {
  const unknown = blocks.filter(({ language, marks }) =>
    language === ""
      ? !marks.has("output")
      : !["ts", "tsx", "js", "sh", "json", "toml", "yaml", "ini"].includes(language),
  );
  expect(unknown.map((block) => `${at(block)}: ${block.language || "no language"}`)).toEqual([]);
});

it("every mark is known to this test", () => {
  const strange = blocks.flatMap((block) =>
    [...block.marks.keys()]
      .filter((mark) => !["with", "run", "from", "answer", "output"].includes(mark))
      .map((mark) => `${at(block)}: ${mark}`),
  );
  expect(strange).toEqual([]);
});

it("TypeScript and JavaScript compile under strict", { timeout: 60_000 }, async () => {
  expect(await typecheck(directory, written("ts", "tsx", "js"))).toEqual([]);
});

it("shell blocks and commands in the text name existing scripts, files, tools, variables and routes", async () => {
  const reader = createReader({ redis: redis.url });
  onTestFinished(() => reader.close());
  const answer = await createApp({ reader }).request("/openapi.json");
  const { paths } = (await answer.json()) as { paths: Record<string, object> };
  const scripts = [
    ...written("sh").map((block) => ({ place: at(block), code: block.code })),
    ...PAGES.flatMap((page) => inlineCommandsOf(readPage(page)).map((code) => ({ place: page, code }))),
  ];
  const problems = scripts.flatMap(({ place, code }) =>
    commandsOf(code)
      .map((command) => problemWith(command, Object.keys(paths)))
      .filter((problem) => problem !== undefined)
      .map((problem) => `${place}: ${problem}`),
  );
  expect(problems).toEqual([]);
});

it("blocks that are taken from a program stand in it, line by line", () => {
  const taken = blocks.filter(({ marks }) => marks.has("from"));
  expect(taken).not.toEqual([]);
  const trimmed = (text: string) => text.split("\n").map((line) => line.trim());
  for (const block of taken) {
    const source = trimmed(readPage(block.marks.get("from")!)).join("\n");
    expect(source, at(block)).toContain(trimmed(block.code).join("\n").trim());
  }
});

const ANSWERS: Readonly<Record<string, v.GenericSchema>> = {
  ScopeCounts: scopeCountsSchema,
  User: userAnswerSchema,
  Changes: changesAnswerSchema,
  UsersAt: usersAtSchema,
  Sessions: sessionsSchema,
  Problem: problemSchema,
};

it("JSON parses, and answers of the API fit their schemas", () => {
  for (const block of written("json")) {
    const name = block.marks.get("answer");
    const schema = name === undefined ? v.unknown() : ANSWERS[name];
    expect(schema, `${at(block)}: ${name}`).toBeDefined();
    expect(() => v.parse(schema!, JSON.parse(block.code)), at(block)).not.toThrow();
  }
});

it("wrangler accepts the TOML", async () => {
  for (const [i, block] of written("toml").entries()) {
    const config = join(directory, `wrangler-${i}.toml`);
    await writeFile(config, block.code);
    expect(readWranglerConfig({ config }, { hideWarnings: true }).name, at(block)).toBeTypeOf("string");
  }
});

it("links lead to existing files and headings", () => {
  const broken = PAGES.flatMap((page) =>
    linksOf(page, readPage(page))
      .filter(({ target, heading }) => {
        if (!existsSync(join(ROOT, target))) return true;
        return heading !== "" && !headingsOf(readPage(target)).has(heading);
      })
      .map(({ target, heading }) => `${page}: ${target}#${heading}`),
  );
  expect(broken).toEqual([]);
});

describe("run to its end against a real Redis", { timeout: 60_000 }, () => {
  const plain = blocks.filter(({ marks }) => marks.get("run") === "");
  it.each(plain.map((block) => [at(block), block] as const))("%s", async (_, block) => {
    await flush();
    const running = await start(block, await freePort());
    expect(await running.ended, running.output()).toBe(0);
  });
});

describe("run and talked to", { timeout: 60_000 }, () => {
  /** A tab of `userId`, closed with the test. */
  function tab(port: number, userId: string) {
    const socket = connect(`http://127.0.0.1:${port}`, { auth: { userId }, transports: ["websocket"] });
    onTestFinished(() => void socket.disconnect());
    return socket;
  }

  /** The API over the Redis of the blocks, where the client's blocks look for it. */
  async function api(): Promise<number> {
    const reader = createReader({ redis: redis.url });
    const served = await serve(createApp({ reader, tokens: [DOCUMENTED_TOKEN] }));
    onTestFinished(async () => {
      await served[Symbol.asyncDispose]();
      reader.close();
    });
    return Number(new URL(served.url).port);
  }

  /** Each of `users` has a socket on a process of its own; projected. */
  async function arrive(process: string, users: readonly string[]): Promise<void> {
    const client = new Redis(redis.url);
    await populate(client, { prefix: "presence", process, users });
    client.disconnect();
  }

  const TALKS: Record<string, (block: Block) => Promise<void>> = {
    async readme(block) {
      await flush();
      const port = await freePort();
      const server = await start(block, port);
      const alice = tab(port, "alice");
      await server.says("+ alice");
      await server.says("users: 1");
      alice.disconnect();
      await server.says("- alice");
      await server.says("users: 0");
    },
    async server(block) {
      await flush();
      const port = await freePort();
      const server = await start(block, port);
      await server.says("listening");
      const bob = tab(port, "bob");
      const heard: string[] = [];
      bob.on("online", (user: string) => heard.push(`+${user}`));
      bob.on("offline", (user: string) => heard.push(`-${user}`));
      await untilEqual(() => heard, ["+bob"], PATIENCE);
      const alice = tab(port, "alice");
      await untilEqual(() => heard, ["+bob", "+alice"], PATIENCE);
      alice.disconnect();
      await untilEqual(() => heard, ["+bob", "+alice", "-alice"], PATIENCE);
      server.kill("SIGTERM");
      expect(await server.ended).toBe(0);
    },
    async worker(block) {
      await flush();
      const worker = await start(block, await freePort());
      await worker.says("projecting");
      worker.kill("SIGTERM");
      expect(await worker.ended).toBe(0);
    },
    async sweep(block) {
      await flush();
      const sweep = await start(block, await freePort());
      await sweep.says("folded 0 records, reaped 0 processes");
      expect(await sweep.ended).toBe(0);
    },
    async api(block) {
      await flush();
      await arrive("web-1", ["alice", "bob"]);
      const port = await freePort();
      const api = await start(block, port, { ROLLCALL_TOKENS: DOCUMENTED_TOKEN });
      await api.says("listening");
      const counts = await fetch(`http://127.0.0.1:${port}/v1/counts`);
      expect(await counts.json()).toMatchObject({ users: 2, sockets: 2 });
      api.kill("SIGTERM");
      expect(await api.ended).toBe(0);
    },
    async client(block) {
      await flush();
      await arrive("web-1", ["alice", "bob"]);
      const client = await start(block, await api());
      await client.says("2 online");
      expect(await client.ended).toBe(0);
    },
    async follow(block) {
      await flush();
      await arrive("web-1", ["alice"]);
      const client = await start(block, await api());
      await client.says("alice is online");
      await client.says("bob is offline");
      await arrive("web-2", ["bob"]);
      await client.says("bob went online");
    },
    async browser(block) {
      await flush();
      await arrive("web-1", ["bob", "dave"]);
      const port = await freePort();
      const server = await start(block, port, { PRESENCE_SECRET: "a-secret-of-32-bytes-for-the-docs" });
      await server.says("listening");
      const url = `http://127.0.0.1:${port}`;
      const token = async () =>
        (await fetch(`${url}/presence-token`, { headers: { "x-session": "alice" } })).text();
      const client = createClient(url, { token });
      const { users, asOf } = await client.page();
      expect(users).toMatchObject([{ id: "bob" }]);
      await arrive("web-2", ["carol", "erin"]);
      const { changes } = await client.changes({ after: asOf.cursor });
      expect(changes).toMatchObject([{ user: "carol", type: "online" }]);
      expect((await fetch(`${url}/presence-token`)).status).toBe(401);
    },
    async test(block) {
      const test = await start(block, await freePort(), { REDIS_URL: redis.url });
      expect(await test.ended, test.output()).toBe(0);
      expect(test.output()).toContain("pass 1");
    },
  };

  it("every block that names a test has one, and every test has a block", () => {
    const names = named.map(({ marks }) => marks.get("run"));
    expect(new Set(names)).toEqual(new Set(Object.keys(TALKS)));
    expect(names.length, "each name once").toBe(new Set(names).size);
  });

  it.each(Object.keys(TALKS))("%s", async (name) => TALKS[name]!(blockNamed(name)));
});
