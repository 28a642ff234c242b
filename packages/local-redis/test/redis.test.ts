/**
 * Goal: a Redis is there on any machine, is gone when its owner is, whatever happened to the owner, and a
 * machine that has none is told what to do.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { extractRedis } from "../src/extract.ts";
import { findRedisBinary, LocalRedisError, provideRedis, startRedis } from "../src/index.ts";

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "rollcall-test-"));
});
afterAll(() => rm(scratch, { recursive: true, force: true }));

async function ping(url: string): Promise<string> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  client.on("error", () => {});
  try {
    await client.connect();
    return await client.ping();
  } finally {
    if (client.status !== "end") client.disconnect();
  }
}

/** vi.waitFor()'s own default of a second is short for a busy machine. */
const WAIT = { timeout: 25_000 };

/** Waits until nobody answers any more. */
const expectGone = (url: string) => vi.waitFor(() => expect(ping(url)).rejects.toThrow("closed"), WAIT);

describe("a started Redis", () => {
  it("answers, names its engine, keeps nothing on disk, and is gone after stop()", async () => {
    const server = await startRedis();
    await expect(ping(server.url)).resolves.toBe("PONG");
    expect(server.url).toBe(`redis://127.0.0.1:${server.port}`);
    expect(server.engine).toMatch(/^(redis|valkey) \d+\.\d+/);
    const client = new Redis(server.url);
    await expect(client.config("GET", "save")).resolves.toEqual(["save", ""]);
    await expect(client.config("GET", "appendonly")).resolves.toEqual(["appendonly", "no"]);
    await expect(client.config("GET", "bind")).resolves.toEqual(["bind", "127.0.0.1"]);
    const [, directory] = (await client.config("GET", "dir")) as [string, string];
    client.disconnect();
    await Promise.all([server.stop(), server.stop()]);
    await expect(ping(server.url)).rejects.toThrow("closed");
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
  });

  it("is one of many, each with its own port", async () => {
    await using first = await startRedis();
    await using second = await startRedis({ args: ["--maxmemory", "32mb"] });
    expect(first.port).not.toBe(second.port);
    expect(first.pid).not.toBe(second.pid);
    const client = new Redis(second.url);
    await expect(client.config("GET", "maxmemory")).resolves.toEqual(["maxmemory", String(32 * 1024 * 1024)]);
    client.disconnect();
  });

  it("says when its port is taken, though a Redis answers there", async () => {
    await using server = await startRedis();
    const second = startRedis({ port: server.port });
    await expect(second).rejects.toBeInstanceOf(LocalRedisError);
    await expect(second).rejects.toThrow(`port ${server.port} is taken`);
  });

  it("says what it did not like about its arguments", async () => {
    await expect(startRedis({ args: ["--nonsense", "1"] })).rejects.toThrow(/nonsense/);
  });

  it("stops when its signal aborts, and is not started by one that has", async () => {
    await expect(startRedis({ signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    const abort = new AbortController();
    const server = await startRedis({ signal: abort.signal });
    abort.abort();
    await expectGone(server.url);
    await server.stop();
  });

  it("may die by itself, and stop() still works", async () => {
    const server = await startRedis();
    process.kill(server.pid, "SIGKILL");
    await expectGone(server.url);
    await expect(server.stop()).resolves.toBeUndefined();
  });

  it.each(["SIGKILL", "SIGTERM", "throw"])("does not survive an owner that ends by %s", async (how) => {
    const module = new URL("../src/index.ts", import.meta.url).href;
    const script = `
      const { startRedis } = await import(${JSON.stringify(module)});
      const server = await startRedis();
      process.stdout.write(server.url);
      process.stdin.once("data", () => { throw new Error("crash"); });`;
    const owner = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const [chunk] = (await once(owner.stdout, "data")) as [Buffer];
    const url = chunk.toString();
    const client = new Redis(url, { retryStrategy: () => null });
    client.on("error", () => {});
    const [, directory] = (await client.config("GET", "dir")) as [string, string];
    if (how === "throw") owner.stdin.write("now");
    else owner.kill(how as NodeJS.Signals);
    await once(owner, "exit");
    await expectGone(url);
    await vi.waitFor(() => expect(readdir(directory)).rejects.toThrow("ENOENT"), WAIT);
  });
});

describe("a provided Redis", () => {
  it("is the one at REDIS_URL, which stop() leaves alone", async () => {
    await using server = await startRedis();
    const provided = await provideRedis({ environment: { REDIS_URL: server.url } });
    expect([provided.url, provided.engine]).toEqual([server.url, server.engine]);
    await provided.stop();
    await expect(ping(server.url)).resolves.toBe("PONG");
  });

  it("is a new one without REDIS_URL", async () => {
    const provided = await provideRedis({ environment: { REDIS_URL: "" } });
    await expect(ping(provided.url)).resolves.toBe("PONG");
    await provided.stop();
    await expect(ping(provided.url)).rejects.toThrow("closed");
  });

  it("at a REDIS_URL that does not answer is an error that says so", async () => {
    const provided = provideRedis({ environment: { REDIS_URL: "redis://127.0.0.1:1" } });
    await expect(provided).rejects.toThrow(/REDIS_URL is set but does not answer \(connect ECONNREFUSED/);
  });
});

/** A shell script on a path of its own. */
async function program(directory: string, name: string, script: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, name), `#!/bin/sh\n${script}\n`);
  await chmod(join(directory, name), 0o755);
}

describe("the search for a Redis", () => {
  it("takes the first on PATH that runs", async () => {
    const [broken, good] = [join(scratch, "broken"), join(scratch, "good")];
    await program(broken, "redis-server", "exit 127");
    await program(good, "valkey-server", 'echo "Valkey server v=8.0.1 sha=0"');
    const path = `:relative:${broken}:${good}`;
    await expect(findRedisBinary({ path, cache: join(scratch, "unused") })).resolves.toEqual({
      path: join(good, "valkey-server"),
      env: {},
      version: "Valkey server v=8.0.1 sha=0",
      source: "path",
    });
  });

  it("names the one-liners when there is none and nothing to get one with", async () => {
    const search = findRedisBinary({ path: join(scratch, "nowhere"), cache: join(scratch, "unused") });
    await expect(search).rejects.toBeInstanceOf(LocalRedisError);
    for (const hint of ["apt-get install", "brew install", "docker run"]) {
      await expect(search).rejects.toThrow(hint);
    }
  });
});

/**
 * The extraction runs for real wherever a machine lacks Redis. Here apt and dpkg are small scripts, to reach
 * what a working machine does not show: races, leftovers and refusals, without a network.
 */
describe("the extraction", () => {
  const works = async () => true;
  let bin: string;
  let cache: string;

  async function prepare(name: string, apt: string): Promise<void> {
    bin = join(scratch, name, "bin");
    cache = join(scratch, name, "cache");
    await program(bin, "apt-get", apt);
    await program(
      bin,
      "dpkg",
      'mkdir -p "$3/usr/bin" "$3/usr/lib/x86_64-linux-gnu" && touch "$3/usr/bin/redis-server"',
    );
  }
  const path = () => `${bin}:${process.env["PATH"]}`;
  const downloads = 'case "$*" in *download*) touch one.deb;; *) exit 1;; esac';

  it("makes one tree for all who want it at the same time", async () => {
    await prepare("race", downloads);
    const all = await Promise.all(
      Array.from({ length: 8 }, () => extractRedis(works, { cache, path: path() })),
    );
    expect(new Set(all.map((server) => server.path)).size).toBe(1);
    expect(all[0]!.env).toEqual({ LD_LIBRARY_PATH: expect.stringMatching(/usr\/lib\/x86_64-linux-gnu$/) });
    await expect(readdir(cache)).resolves.toHaveLength(1);
    await prepare("race", "exit 1");
    await expect(extractRedis(works, { cache, path: path() })).resolves.toEqual(all[0]);
  });

  it("replaces a tree that no longer runs", async () => {
    await prepare("stale", downloads);
    await extractRedis(works, { cache, path: path() });
    let tries = 0;
    const worksAgain = async () => ++tries > 1;
    await expect(extractRedis(worksAgain, { cache, path: path() })).resolves.toMatchObject({
      path: expect.any(String),
    });
    await expect(readdir(cache)).resolves.toHaveLength(1);
  });

  it("asks apt for signed packages only", async () => {
    await prepare("signed", `echo "$*" >> ${join(scratch, "asked")}; ${downloads}`);
    await extractRedis(works, { cache, path: path() });
    const asked = (await readFile(join(scratch, "asked"), "utf8")).trim().split("\n");
    expect(asked.length).toBeGreaterThan(0);
    for (const line of asked) {
      expect(line).toContain("APT::Get::AllowUnauthenticated=false");
      expect(line).toContain("Acquire::AllowInsecureRepositories=false");
      expect(line).not.toMatch(/allow-unauthenticated|--force-yes|trusted/);
    }
  });

  it.each([
    ["the server", "usr/bin/redis-server", "file"],
    ["a directory of its libraries", "usr/lib/x86_64-linux-gnu", "directory"],
    ["the tree", "", "directory"],
    ["the cache", "..", "directory"],
  ])("a cached server is not run when everyone can write %s", async (_, inTree, kind) => {
    await prepare(`open-${inTree.replaceAll("/", "-")}`, downloads);
    const made = await extractRedis(works, { cache, path: path() });
    const target = join(made.path, "../../..", inTree);
    await chmod(target, kind === "file" ? 0o757 : 0o777);
    let runs = 0;
    const counting = async () => ++runs > 0;
    await expect(extractRedis(counting, { cache, path: path() })).rejects.toThrow(
      /can be written by everyone, so it is not run: remove .*XDG_CACHE_HOME/,
    );
    expect(runs).toBe(0);
    await chmod(target, 0o755);
    await expect(extractRedis(counting, { cache, path: path() })).resolves.toEqual(made);
  });

  // Only root can give a file away.
  it.runIf(process.getuid?.() === 0)("a cached server of another user is not run", async () => {
    await prepare("foreign", downloads);
    const made = await extractRedis(works, { cache, path: path() });
    await chown(made.path, 12_345, 12_345);
    await expect(extractRedis(works, { cache, path: path() })).rejects.toThrow(
      /belongs to user 12345, not to 0/,
    );
  });

  it("a new cache is its owner's alone", async () => {
    await prepare("private", downloads);
    await extractRedis(works, { cache, path: path() });
    expect((await stat(cache)).mode & 0o777).toBe(0o700);
  });

  it("reports what apt said and leaves nothing behind", async () => {
    await prepare("refused", 'echo "E: Unable to locate package redis-server" >&2; exit 100');
    const extraction = extractRedis(works, { cache, path: path() });
    await expect(extraction).rejects.toThrow("apt-get could not download Redis: E: Unable to locate package");
    await expect(readdir(cache)).resolves.toEqual([]);
  });

  it("is not trusted before it was tried", async () => {
    await prepare("useless", downloads);
    const extraction = extractRedis(async () => false, { cache, path: path() });
    await expect(extraction).rejects.toThrow("does not run on this machine");
    await expect(readdir(cache)).resolves.toEqual([]);
  });
});
