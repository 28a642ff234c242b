/**
 * Goal: the conformance kit passes a recorder that follows docs/protocol.md, and fails one that breaks a rule.
 * Method: the real kit on a real Redis, with the recorder in Python as it is, and with copies in which one line is wrong.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { writeScript } from "../../scripts/write-script.ts";
import { CHECKS } from "../../src/cli/conformance/checks.ts";

const root = join(import.meta.dirname, "../..");
const recorder = join(root, "examples/python/rollcall_recorder.py");
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython)
  process.stderr.write("python3 IS MISSING: the recorder in Python and the kit are NOT TESTED.\n");

let server: RedisServer;
let directory: string;
beforeAll(async () => {
  server = await startRedis();
  directory = await mkdtemp(join(tmpdir(), "rollcall-kit-"));
  writeScript(directory);
});
afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Ran {
  readonly code: number | null;
  readonly output: string;
}

function kit(args: readonly string[], script = join(directory, "project.lua")): Promise<Ran> {
  const environment = { ...process.env, REDIS_URL: server.url, ROLLCALL_SCRIPT: script };
  const child = spawn(process.execPath, ["src/cli.ts", ...args], { cwd: root, env: environment });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => (output += data.toString()));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

/** A copy in which `right` is `wrong`. */
async function brokenRecorder(right: string, wrong: string): Promise<string> {
  const text = await readFile(recorder, "utf8");
  if (text.split(right).length !== 2) throw new Error(`the recorder does not have once: ${right}`);
  const path = join(
    directory,
    `broken-${createHash("sha1")
      .update(right + wrong)
      .digest("hex")}.py`,
  );
  await writeFile(path, text.replace(right, wrong));
  return path;
}

it("the script in the package is the one that is called, and its SHA-1 is the one Redis computes", async () => {
  const text = await readFile(join(directory, "project.lua"), "utf8");
  const sha1 = await readFile(join(directory, "project.sha1"), "utf8");
  const redis = new Redis(server.url);
  expect(`${String(await redis.script("LOAD", text))}\n`).toBe(sha1);
  await redis.quit();
  expect(await readFile(join(root, "tsdown.config.ts"), "utf8")).toContain('writeScript("dist")');
});

it("an invalid command line exits with 2; help and version are printed", async () => {
  expect(await kit(["nonsense"])).toMatchObject({ code: 2 });
  expect(await kit(["conformance"])).toMatchObject({ code: 2 });
  expect(await kit(["conformance", "--tll", "5", "--", "true"])).toMatchObject({ code: 2 });
  expect(await kit(["conformance", "--ttl", "5", "--", "true"])).toMatchObject({ code: 2 });
  expect(await kit(["--help"])).toMatchObject({ code: 0 });
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { version: string };
  expect(await kit(["--version"])).toEqual({ code: 0, output: `${version}\n` });
});

it("a command that ends, or prints no valid line, fails with its output", async () => {
  const args = ["conformance", "--only", "counts", "--"];
  const ended = await kit([
    ...args,
    process.execPath,
    "-e",
    "console.error('no such thing'); process.exit(3)",
  ]);
  expect(ended.code).toBe(1);
  expect(ended.output).toContain("code 3");
  expect(ended.output).toContain("no such thing");
  const babbles = await kit([
    ...args,
    process.execPath,
    "-e",
    "console.log('hello'); setInterval(() => {}, 1000)",
  ]);
  expect(babbles).toMatchObject({ code: 1, output: expect.stringContaining("not JSON") as string });
});

it("docs/conformance.md lists every check", async () => {
  const page = await readFile(join(root, "docs/conformance.md"), "utf8");
  const table = page.slice(page.indexOf("## What is checked"));
  const listed = [...table.matchAll(/^\| (?!check |---)(.+?) \|/gm)].map(([, name]) => name);
  expect(listed).toEqual(CHECKS.map(({ name }) => name));
});

it("our own recorder passes every check", async () => {
  const { code, output } = await kit(["conformance", "--", process.execPath, "rig/kit-recorder.ts"]);
  expect(output).not.toContain("not ok");
  expect(output).not.toContain("skip");
  expect(code).toBe(0);
});

it("our own recorder passes every check with signed records", async () => {
  const args = ["conformance", "--signed", "--", process.execPath, "rig/kit-recorder.ts"];
  const { code, output } = await kit(args);
  expect(output).not.toContain("not ok");
  expect(code).toBe(0);
});

describe.skipIf(!hasPython)("the recorder in Python", () => {
  it("passes every check with signed records", async () => {
    const { code, output } = await kit(["conformance", "--signed", "--", "python3", recorder]);
    expect(output).not.toContain("not ok");
    expect(code).toBe(0);
  });

  it("fails every check with signed records when it signs another text", async () => {
    const broken = await brokenRecorder('"\\n".join(map(str, [len(fields), log', '"\\n".join(map(str, [log');
    const args = ["conformance", "--signed", "--only", "counts are exact", "--", "python3", broken];
    const { code, output } = await kit(args);
    expect(output).toContain("not ok");
    expect(output).toContain("mac");
    expect(code).toBe(1);
  });

  it("is small", async () => {
    expect((await readFile(recorder, "utf8")).trimEnd().split("\n").length).toBeLessThanOrEqual(350);
  });

  it("passes every check, calling the projector itself", async () => {
    const { code, output } = await kit(["conformance", "--json", "--", "python3", recorder]);
    const outcomes = output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    expect(outcomes).toEqual(CHECKS.map(({ name }) => expect.objectContaining({ name, ok: true }) as object));
    expect(output).not.toContain("skip");
    expect(code).toBe(0);
  });

  it("passes every check when others fold", async () => {
    const { code, output } = await kit(["conformance", "--", "python3", recorder], "");
    expect(output).not.toContain("not ok");
    expect(output).toContain("# skip the recorder does not call the projector");
    expect(code).toBe(0);
  });
});

describe.skipIf(!hasPython).concurrent("the kit fails a recorder that", () => {
  it.each([
    ["takes a lost record for appended", "that are lost", "self.redis, self.look = None, True", "self.redis, self.look, self.in_flight = None, True, None"],
    ["takes an appended record for lost", "that are lost", "self.in_flight = self.journal.take(self.recorder.closing)", "self.in_flight = self.journal.take(self.recorder.closing)\n            elif self.look and self.in_flight:\n                self.in_flight[0][3] += 1\n                self.journal.seq += 1"],
    ["never looks at its registration", "fenced by hand", "self.journal.register_afresh()", "pass"],
    ["leaves `replaces` out", "fenced by hand", "if self.replaces:", "if False:"],
    ["nets away a goodbye", "a goodbye in one batch", 'if count == 0:\n            # Came', 'if False:\n            # Came'],
    ["nets away a drop without grace", "a drop in one batch", "if count == 0:\n            # Came", "if count == 0 and self.options[\"grace\"] > 0:\n            # Came"],
    ["does not compare the shards before it writes", "another number", "if not self.opened:", "if False:"],
    ["hashes code points", "three shards", "for byte in user.encode():", "for byte in map(ord, user):"],
    ["sends no heartbeat", "an idle process", 'self.recorder.options["heartbeat"] / 1_000', "1_000"],
    ["says bye with open sockets", "closing with 2,500", "if bye and not self.pending and not self.closing:", "if False:"],
    ["puts all in one record", "2,500 connects", "OPERATIONS_MAX, LIST_BYTES_MAX, REPLACES_MAX, GONE_MAX = 1_000,", "OPERATIONS_MAX, LIST_BYTES_MAX, REPLACES_MAX, GONE_MAX = 9_000,"],
    ["makes lists of any length", "2,500 connects", "32_768, 16, 10_000", "9_999_999, 16, 10_000"],
    ["looks only at its last record", "everything in Redis", "self.kept = self.kept or self.last", "self.last"],
    ["leaves the grace out", "registers the process", ' if self.options["grace"] > 0 else []', ' if False else []'],
  ])("%s", async (name, check, right, wrong) => {
    // Folded by others, who are sooner or later than it looks.
    const script = name.startsWith("looks only") || name.startsWith("does not compare") ? "" : undefined;
    const path = await brokenRecorder(right, wrong);
    const { code, output } = await kit(["conformance", "--only", check, "--ttl", "500", "--", "python3", path], script);
    expect(output).toContain("not ok");
    expect(code).toBe(1);
  }); // prettier-ignore
});
