/**
 * Goal: the conformance kit passes a recorder that follows docs/protocol.md, and fails one that breaks a rule.
 * Method: the real kit on a real Redis, with our recorder and the one in Python as they are, and with copies in which one line is wrong.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { writeScript } from "../../scripts/write-script.ts";
import { project, subscriber } from "../../src/lua/generated.ts";
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

/** A copy of our recorder, in which `right` is `wrong` in this file. Returns its path. */
async function brokenOwn(file: string, right: string, wrong: string): Promise<string> {
  const copy = await mkdtemp(join(directory, "own-"));
  for (const part of ["src", "rig", "packages", "package.json"])
    await cp(join(root, part), join(copy, part), {
      recursive: true,
      filter: (from) => !from.includes("node_modules"),
    });
  await symlink(join(root, "node_modules"), join(copy, "node_modules"));
  const text = await readFile(join(copy, file), "utf8");
  if (text.split(right).length !== 2) throw new Error(`${file} does not have once: ${right}`);
  await writeFile(join(copy, file), text.replace(right, wrong));
  return join(copy, "rig/kit-recorder.ts");
}

it("the script in the package is the one that is called, and its SHA-1 is the one Redis computes", async () => {
  const redis = new Redis(server.url);
  for (const [name, script] of Object.entries({ project, subscriber })) {
    const text = await readFile(join(directory, `${name}.lua`), "utf8");
    const sha1 = await readFile(join(directory, `${name}.sha1`), "utf8");
    expect(`${String(await redis.script("LOAD", text))}\n`).toBe(sha1);
    expect(sha1).toBe(`${script.sha1}\n`);
  }
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
    // It tracks no scopes, says nothing of them, and is asked for nothing there.
    const skipped = "the recorder does not track scopes";
    const expected = CHECKS.map(({ name, scopes }) => ({ name, ok: true, ...(scopes && { skipped }) }));
    expect(outcomes).toEqual(expected.map((one) => ({ ...one, ms: expect.any(Number) as number })));
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

describe.concurrent("the kit fails a recorder of scopes that", () => {
  const driver = "rig/kit-recorder.ts";
  it.each([
    ["takes a dropped transport for leaving the room", "begins a grace", driver, "recorder!.part(scope, user, line.how!)", 'recorder!.part(scope, user, "leave")'],
    ["takes leaving the room for a dropped transport", "begins a grace", driver, 'recorder!.part(line.part, user, "leave")', 'recorder!.part(line.part, user, "disconnect")'],
    ["leaves anonymous sockets out", "scopes: counts", driver, "recorder!.join(line.join, user)", 'if (user !== "") recorder!.join(line.join, user)'],
    ["counts users of a room instead of sockets", "scopes: counts", driver, "scopes.add(line.join);", "if ([...sockets.values()].some((one) => one.user === user && one.scopes.has(line.join!))) continue;\n    scopes.add(line.join);"],
    ["forgets the rooms of a socket that is gone", "scopes: counts", driver, "for (const scope of scopes) recorder!.part(scope, user, line.how!);", ""],
    ["counts rooms in the first shard", "scopes: memberships in the right", "src/recorder/recorder.ts", "this.#of(user).join(scope, user);", "this.#shards[0]!.join(scope, user);"],
    ["says memberships of the last record", "scopes: counts", "src/core/journal.ts", "memberships: this.#membershipsRecorded }", "memberships: lists.memberships }"],
    ["makes lists of any length", "scopes: 2,500", "src/core/record-lists.ts", "if (this.#operations + operations > OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX)\n      return false;\n    if (isNamed)", "if (isNamed)"],
    ["does not restate memberships", "scopes: fenced", "src/core/journal.ts", "    this.#memberships.restate();\n", ""],
    ["restates them only when something happens", "scopes: everything", "src/core/memberships.ts", "for (const ledger of this.#scopes.values()) ledger.restate();", "this.#scopes.values().next().value?.restate();"],
    ["says bye without stating who is in rooms", "scopes: closing", "src/core/journal.ts", "if (!this.#memberships.takeShut(lists)) return;", ""],
  ])("%s", async (_, check, file, right, wrong) => {
    const path = await brokenOwn(file, right, wrong);
    const { code, output } = await kit(["conformance", "--only", check, "--ttl", "500", "--", process.execPath, path]);
    expect(output).toContain("not ok");
    // It runs, and is wrong.
    expect(output).not.toContain("it ended with");
    expect(code).toBe(1);
  }); // prettier-ignore

  it("has the whole right and another room, and it says which", async () => {
    const path = await brokenOwn(
      driver,
      "recorder!.join(line.join, user)",
      'recorder!.join("/,wrong", user)',
    );
    const { output } = await kit([
      "conformance",
      "--only",
      "counts are exact",
      "--ttl",
      "500",
      "--",
      process.execPath,
      path,
    ]);
    expect(output).toMatch(/^ok 1 - counts are exact$/m);
    expect(output).toMatch(/^not ok 2 - scopes: counts are exact\n {2}in "\/" /m);
  });
});
