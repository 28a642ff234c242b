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
/** All of `rollcall/edge`. What only reads is 83 kB (functions/edge.ts), what only sweeps 78. */
const EDGE_GZIPPED = 140_000;
const INSTALLED = 12_000_000;

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
  await parts.part("install the other peers", () =>
    install(folder, [
      "socket.io-client@4.8.4", "hono@4.13.19", "@upstash/redis@1.39.0", "@types/node@24.19.2",
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

  await parts.part("rollcall/client in one file", async () => {
    const { gzipped, minified, packages } = await bundle(folder, "rollcall/client");
    if (packages.join() !== "rollcall") throw new Error(`it contains ${packages.join(", ")}`);
    const said = `${kB(gzipped)} gzipped of ${kB(CLIENT_GZIPPED)}, ${kB(minified)} minified`;
    if (gzipped > CLIENT_GZIPPED) throw new Error(said);
    return said;
  });
  for (const [what, names] of [
    ["all of rollcall/edge", "*"],
    ["a Worker that only serves", "{ createFetch }"],
    ["a Worker that only sweeps", "{ createScheduled }"],
  ] as const) {
    await parts.part(`${what} in one file`, async () => {
      const { gzipped, minified, packages } = await bundle(folder, "rollcall/edge", names);
      const said = `${kB(gzipped)} gzipped of ${kB(EDGE_GZIPPED)}, ${kB(minified)} minified, of ${packages.join(", ")}`;
      if (gzipped > EDGE_GZIPPED) throw new Error(said);
      return said;
    });
  }
  await ofFiles;
  return tarball;
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
assert.equal(typeof require("rollcall/http").createApp, "function");
assert.equal(typeof require("rollcall/edge").createFetch, "function");
assert.equal(typeof require("rollcall/otel").openTelemetry, "function");
assert.equal(typeof require("rollcall/prometheus").prometheus, "function");
assert.equal(require("rollcall/http").PresenceError, require("rollcall").PresenceError);
`,
  );
  await run(node, ["require.cjs"], { cwd: folder, timeout: 20_000 });
}
