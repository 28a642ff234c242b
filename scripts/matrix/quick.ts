/** The part that CI runs: one version of everything, and all checks of the package's files. */
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { bundle } from "./bundle.ts";
import { emptyFolder, install, installedBytes, pack } from "./folder.ts";
import { type Parts, run } from "./run.ts";
import { runSnippet, writeSnippet } from "./snippet.ts";
import { typecheck } from "./typecheck.ts";

export interface Scene {
  /** This repository. */
  readonly root: string;
  /** An empty folder to work in. */
  readonly temporary: string;
  /** The URL of a Redis used by nothing else. */
  readonly redis: string;
  readonly parts: Parts;
}

/** Budgets, bytes. */
const CLIENT_GZIPPED = 7_000;
/** With live() and liveCounts(), which an application that does not import them does not carry. */
const LIVE_GZIPPED = 9_500;
/** With the client, without React. */
const REACT_GZIPPED = 11_000;
/** All of `rollcall/edge`: about 56 kB are the dashboard, 11 browser tokens, 4 /docs. */
const EDGE_GZIPPED = 212_000;
// The command has 1.0 of them, mostly because each command is a file of its own; the dashboard's page, browser tokens and telemetry 0.7.
const INSTALLED = 13_500_000;

const kB = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`;

/** Returns the tarball; undefined if a step that the rest depends on failed. */
export async function quick({ root, temporary, redis, parts }: Scene): Promise<string | undefined> {
  const tarball = await parts.part("pack", () => pack(root, temporary));
  if (tarball === undefined) return undefined;

  // At the same time as the installation, which mostly waits.
  const ofFiles = Promise.all([
    parts.part("publint", () => lint(tarball)),
    parts.part("are the types wrong", () => attw(root, tarball)),
  ]);
  const folder = await emptyFolder(temporary, "quick");
  const installed = await parts.part("install with ioredis and socket.io", async () => {
    await install(folder, [tarball, "ioredis@6.0.0", "socket.io@4.8.4"]);
    const bytes = await installedBytes(folder);
    const said = `${(bytes / 1e6).toFixed(1)} MB of ${INSTALLED / 1e6}`;
    if (bytes > INSTALLED) throw new Error(said);
    return said;
  });
  if (installed === undefined) {
    await ofFiles;
    return undefined;
  }
  await parts.part("the command, with ioredis alone", () => runCommand(folder, redis));
  await parts.part("install the other peers", () =>
    install(folder, [
      "socket.io-client@4.8.4", "hono@4.13.19", "@upstash/redis@1.39.0", "react@19.2.9", "@types/react@19.3.3", "@types/node@24.19.2",
      "@opentelemetry/api@1.10.0", "prom-client@15.1.3",
    ]),
  ); // prettier-ignore

  await writeSnippet(root, folder);
  await parts.part("README's first block on this Node", () =>
    runSnippet(folder, redis, process.execPath, ["snippet.js"]),
  );
  for (const file of ["clients.ts", "doors.js"])
    await copyFile(join(root, "scripts/matrix/user", file), join(folder, file));
  await parts.part("clients of the application, API, client", () =>
    runDoors(folder, redis, process.execPath, ["doors.js"]),
  );
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  await Promise.all(
    (["nodenext", "bundler"] as const).map((resolution) =>
      parts.part(`README's first block and every client under tsc --strict, ${resolution}`, () =>
        typecheck(folder, ["snippet.ts", "clients.ts"], resolution, tsc),
      ),
    ),
  );
  await parts.part("require() of every entry point", () => requireDoors(folder, process.execPath));

  for (const [what, names, doors, budget] of [
    ["createClient", "{ createClient }", ["rollcall/client"], CLIENT_GZIPPED],
    ["all of rollcall/client", "*", ["rollcall/client"], LIVE_GZIPPED],
    ["rollcall/client and rollcall/react", "*", ["rollcall/client", "rollcall/react"], REACT_GZIPPED],
  ] as const) {
    await parts.part(`${what} in one file`, async () => {
      const { gzipped, minified, packages } = await bundle(folder, doors, names, ["react"]);
      if (packages.join() !== "rollcall") throw new Error(`it contains ${packages.join(", ")}`);
      const said = `${kB(gzipped)} gzipped of ${kB(budget)}, ${kB(minified)} minified`;
      if (gzipped > budget) throw new Error(said);
      return said;
    });
  }
  for (const [what, names] of [
    ["all of rollcall/edge", "*"],
    ["a Worker that only serves", "{ createFetch }"],
    ["a Worker that only sweeps", "{ createScheduled }"],
  ] as const) {
    await parts.part(`${what} in one file`, async () => {
      const { gzipped, minified, packages } = await bundle(folder, ["rollcall/edge"], names);
      const said = `${kB(gzipped)} gzipped of ${kB(EDGE_GZIPPED)}, ${kB(minified)} minified, of ${packages.join(", ")}`;
      if (gzipped > EDGE_GZIPPED) throw new Error(said);
      return said;
    });
  }
  await ofFiles;
  return tarball;
}

/** Loosely: a machine that is busy with everything else takes some times as long as an idle one. */
const START_MS = 1_500;

/** The command as it is installed: it starts soon, reads Redis, and says what else it would need. */
async function runCommand(folder: string, redis: string): Promise<string> {
  const bin = join(folder, "node_modules/.bin/rollcall");
  const options = { cwd: folder, timeout: 20_000, env: { REDIS_URL: redis, ROLLCALL_PREFIX: "matrix" } };
  const { version } = JSON.parse(
    await readFile(join(folder, "node_modules/rollcall/package.json"), "utf8"),
  ) as {
    version: string;
  };
  const said = await run("npx", ["--no-install", "rollcall", "--version"], options);
  if (said.trim() !== version) throw new Error(`--version printed ${JSON.stringify(said)}`);
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    await run(bin, ["--version"], options);
    times.push(performance.now() - began);
  }
  const fastest = Math.min(...times);
  if (fastest > START_MS) throw new Error(`--version took ${Math.round(fastest)} ms`);
  await run(bin, ["sweep"], options);
  const status = await run(bin, ["status", "--json"], options);
  if ((JSON.parse(status) as { users?: unknown }).users !== 0) throw new Error(`status printed ${status}`);
  const missing = await run(bin, ["serve"], options).catch((error: Error) => error.message);
  if (!missing.includes("npm i hono")) throw new Error(`serve without hono said: ${missing}`);
  return `--version in ${Math.round(fastest)} ms`;
}

/** Runs what an application does with the other entry points. */
export async function runDoors(
  folder: string,
  redis: string,
  runtime: string,
  args: readonly string[],
): Promise<void> {
  await run(runtime, args, { cwd: folder, timeout: 40_000, env: { REDIS_URL: redis } });
}

/** Rejects for any message, including suggestions. */
export async function lint(tarball: string): Promise<void> {
  const { buffer } = new Uint8Array(await readFile(tarball));
  const { messages, pkg } = await publint({ strict: true, pack: { tarball: buffer } });
  if (messages.length > 0) throw new Error(messages.map((message) => formatMessage(message, pkg)).join("\n"));
}

export async function attw(root: string, tarball: string): Promise<void> {
  const cli = join(root, "node_modules/.bin/attw");
  await run(cli, [tarball, "--profile", "esm-only", "--no-color"], { cwd: root, timeout: 60_000 });
}

/** require() from CommonJS, supported by Node from 22.12 on. */
export async function requireDoors(folder: string, node: string): Promise<void> {
  await writeFile(
    join(folder, "require.cjs"),
    `const { strict: assert } = require("node:assert");
assert.equal(typeof require("rollcall").createPresence, "function");
assert.equal(typeof require("rollcall/client").createClient, "function");
assert.equal(typeof require("rollcall/react").useOnline, "function");
assert.equal(typeof require("rollcall/http").createApp, "function");
assert.equal(typeof require("rollcall/edge").createFetch, "function");
assert.equal(typeof require("rollcall/otel").openTelemetry, "function");
assert.equal(typeof require("rollcall/prometheus").prometheus, "function");
assert.equal(require("rollcall/http").PresenceError, require("rollcall").PresenceError);
`,
  );
  await run(node, ["require.cjs"], { cwd: folder, timeout: 20_000 });
}
