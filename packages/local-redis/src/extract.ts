/**
 * A Redis for Debian and Ubuntu without installing anything: apt downloads the distribution's own signed
 * packages, `dpkg -x` unpacks them into this user's cache, and the server runs from there.
 *
 * apt checks the packages: their SHA-256 is in the index, and the index is signed by the distribution. It is told here not to accept less.
 * What is in the cache is run only if nobody else can have put it there (own.ts).
 *
 * A tree is built in a temporary directory, tested, and only then renamed into place. So any number of processes may do this
 * at once: the first rename wins, and a process that stops half-way leaves a directory that a later extraction removes.
 */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { LocalRedisError } from "./error.ts";
import { checkOwn } from "./own.ts";

const run = promisify(execFile);

const COMMAND_TIMEOUT_MS = 120_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const LOCK_WAIT_MS = 60_000;
const LOCK_POLL_MS = 250;
const ABANDONED_AFTER_MS = 3_600_000;

/** The packages a typical machine lacks; used when apt cannot determine them. */
const LEAST_PACKAGES = ["redis-server", "redis-tools", "libjemalloc2", "liblzf1"];

/** Nothing unsigned, whatever this machine's configuration allows. (A source that is marked `trusted=yes` there stays trusted.) */
const SIGNED = [
  "APT::Get::AllowUnauthenticated=false",
  "Acquire::AllowInsecureRepositories=false",
  "Acquire::AllowWeakRepositories=false",
  "Acquire::AllowDowngradeToInsecureRepositories=false",
].flatMap((setting) => ["-o", setting]);

/** An unpacked tree: the server, and the environment in which it finds its libraries. */
export interface ExtractedRedis {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Runs the server of a tree and returns whether it works. Passed in, so that every source uses the same check. */
export type TryServer = (server: ExtractedRedis) => Promise<boolean>;

export interface ExtractOptions {
  /** Where trees are kept. */
  readonly cache: string;
  /** Where to find apt-get and dpkg, in the format of PATH. */
  readonly path: string;
}

/** Where trees are kept: XDG_CACHE_HOME if it is an absolute path, as its specification requires, otherwise ~/.cache. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const xdg = environment["XDG_CACHE_HOME"];
  return join(xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), ".cache"), "rollcall");
}

/**
 * The cached tree, built first if it is missing or no longer runs.
 * Rejects with LocalRedisError when apt cannot download the packages or their Redis does not run here.
 */
export async function extractRedis(
  works: TryServer,
  { cache, path }: ExtractOptions,
): Promise<ExtractedRedis> {
  const home = join(cache, `redis-${await platformName()}`);
  const cached = await ownServer(cache, home);
  if (cached !== undefined && (await works(cached))) return cached;

  const partial = await makePartial(cache);
  try {
    await download(partial, path);
    const fresh = await findServer(partial);
    if (fresh === undefined || !(await works(fresh))) {
      throw new LocalRedisError("the Redis that apt downloaded does not run on this machine");
    }
    return await publish(partial, home, works);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Moves a finished tree into place. The first process wins: a working tree is never replaced. */
async function publish(partial: string, home: string, works: TryServer): Promise<ExtractedRedis> {
  for (let attempt = 0; attempt < 5; attempt++) {
    try {
      await rename(partial, home);
    } catch (error) {
      if (!isCode(error, "ENOTEMPTY") && !isCode(error, "EEXIST")) throw error;
    }
    const server = await ownServer(dirname(home), home);
    if (server !== undefined && (await works(server))) return server;
    // The tree in place is broken. Rename it before removing it, so that no process sees a half-removed tree.
    const broken = `${partial}-broken`;
    await rename(home, broken).catch(ignoreMissing);
    await rm(broken, { recursive: true, force: true });
  }
  throw new LocalRedisError(`${home} keeps being replaced by a Redis that does not run; remove it`);
}

async function makePartial(cache: string): Promise<string> {
  try {
    await mkdir(cache, { recursive: true, mode: 0o700 });
    await checkOwn(cache, { deep: false });
    await sweepAbandoned(cache);
    return await mkdtemp(join(cache, "partial-"));
  } catch (error) {
    if (error instanceof LocalRedisError) throw error;
    throw new LocalRedisError(`${cache} cannot be written; set XDG_CACHE_HOME to a directory that can`, {
      cause: error,
    });
  }
}

async function sweepAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith("partial-")) continue;
    const path = join(cache, name);
    const age = Date.now() - (await stat(path).catch(() => ({ mtimeMs: Date.now() }))).mtimeMs;
    if (age > ABANDONED_AFTER_MS) await rm(path, { recursive: true, force: true });
  }
}

/** Downloads the packages and unpacks them into `directory`. */
async function download(directory: string, path: string): Promise<void> {
  const settings = {
    cwd: directory,
    timeout: COMMAND_TIMEOUT_MS,
    env: { ...process.env, PATH: path, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" },
    maxBuffer: OUTPUT_BYTES_MAX,
  };
  // The directory is private, so apt's unprivileged user could not write to it.
  const aptGet = (...args: string[]) =>
    run("apt-get", ["-q", "-o", "APT::Sandbox::User=root", ...SIGNED, ...args], settings);
  const fetchAll = async () => aptGet("download", ...(await missingPackages(aptGet)));
  try {
    await fetchAll();
  } catch (error) {
    // Only root may refresh the package lists, which are empty in most container images.
    if (process.getuid?.() !== 0) throw aptFailed(error);
    try {
      await update(aptGet);
      await fetchAll();
    } catch (again) {
      throw aptFailed(again);
    }
  }
  for (const file of await readdir(directory)) {
    if (!file.endsWith(".deb")) continue;
    await run("dpkg", ["-x", join(directory, file), directory], settings);
    await rm(join(directory, file));
  }
}

type AptGet = (...args: string[]) => Promise<{ stdout: string }>;

/** The packages an installation would add: a slim image lacks more libraries than a full one. */
async function missingPackages(aptGet: AptGet): Promise<string[]> {
  try {
    const { stdout } = await aptGet("--simulate", "--no-install-recommends", "install", "redis-server");
    const added = [...stdout.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
    if (added.includes("redis-server")) return added;
  } catch {
    // apt cannot simulate on a machine with broken dependencies; the download will report what is wrong.
  }
  return LEAST_PACKAGES;
}

/** Refreshes the package lists. They have one lock per machine, which another process may hold. */
async function update(aptGet: AptGet): Promise<void> {
  const until = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      await aptGet("update");
      return;
    } catch (error) {
      if (!/Could not get lock/.test(String(error)) || Date.now() > until) throw error;
      await delay(LOCK_POLL_MS);
    }
  }
}

/** The server in a tree of the cache; undefined: there is none. Rejects with LocalRedisError when it may be somebody else's. */
async function ownServer(cache: string, home: string): Promise<ExtractedRedis | undefined> {
  const server = await findServer(home);
  if (server === undefined) return undefined;
  await checkOwn(cache, { deep: false });
  await checkOwn(home, { deep: true });
  return server;
}

/** Finds the server in a tree, whatever the names of its engine and of the library directory. */
async function findServer(root: string): Promise<ExtractedRedis | undefined> {
  const bin = join(root, "usr", "bin");
  const names = await readdir(bin).catch((): string[] => []);
  const name = ["redis-server", "valkey-server"].find((candidate) => names.includes(candidate));
  if (name === undefined) return undefined;
  const libraries: string[] = [];
  for (const parent of [join(root, "usr", "lib"), join(root, "lib")]) {
    for (const entry of await readdir(parent).catch((): string[] => [])) {
      if (entry.includes("-linux-")) libraries.push(join(parent, entry));
    }
  }
  return { path: join(bin, name), env: { LD_LIBRARY_PATH: libraries.join(":") } };
}

/** Includes the distribution: containers of different releases may share a home directory. */
async function platformName(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const value = (key: string) => new RegExp(`^${key}="?([^"\n]*)`, "m").exec(release)?.[1] ?? "unknown";
  return `${value("ID")}-${value("VERSION_ID")}-${process.arch}`.replaceAll(/[^\w.-]/g, "_");
}

function aptFailed(error: unknown): LocalRedisError {
  const stderr = (error as { stderr?: string }).stderr ?? String(error);
  const lines = stderr.split("\n").filter((line) => line.startsWith("E:"));
  return new LocalRedisError(`apt-get could not download Redis: ${lines.join(" ") || stderr.trim()}`, {
    cause: error,
  });
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function ignoreMissing(error: unknown): void {
  if (!isCode(error, "ENOENT")) throw error;
}
