/**
 * Checks that users can install the package: packs it, installs the tarball in empty folders and does there what users do.
 *
 *   npm run matrix               every version of every peer, compiler and runtime: some minutes
 *   npm run matrix -- --quick    one of each, under 40 s
 *   npm run matrix -- engines    the tests about Redis, on each engine there is: engines/main.ts
 *
 * Prints a line per part, continues after a failure, and exits with 1 if any part failed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startRedis } from "../packages/local-redis/src/index.ts";
import { engines } from "./matrix/engines/main.ts";
import { full } from "./matrix/full.ts";
import { parts } from "./matrix/run.ts";
import { quick } from "./matrix/quick.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
if (process.argv[2] === "engines") {
  process.exit((await engines(root, process.argv.slice(3))) ? 0 : 1);
}
const began = performance.now();
const temporary = await mkdtemp(join(tmpdir(), "rollcall-matrix-"));
const redis = await startRedis();
const all = parts();
try {
  const parcel = await quick({ root, temporary, redis: redis.url, parts: all });
  if (parcel !== undefined && !process.argv.includes("--quick")) {
    await full({ root, temporary, redis: redis.url, parts: all }, parcel);
  }
} finally {
  await redis.stop();
  await rm(temporary, { recursive: true, force: true });
}
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(all.failed === 0 ? `all parts passed, ${seconds} s` : `${all.failed} parts failed, ${seconds} s`);
process.exitCode = all.failed === 0 ? 0 : 1;
