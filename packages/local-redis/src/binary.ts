/** Finds a Redis to run: the machine's own, or one unpacked into this user's cache. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { LocalRedisError } from "./error.ts";
import { cacheDirectory, extractRedis, type ExtractedRedis } from "./extract.ts";

const run = promisify(execFile);

const VERSION_TIMEOUT_MS = 10_000;

/** A server that has been run once with `--version`: it exists, fits this machine and finds its libraries. */
export interface RedisBinary {
  readonly path: string;
  /** Additional environment variables that the server needs, such as LD_LIBRARY_PATH. */
  readonly env: Readonly<Record<string, string>>;
  /** What `--version` prints, such as "Redis server v=7.0.15 …". */
  readonly version: string;
  readonly source: "path" | "cache";
}

export interface FindRedisOptions {
  /** Directories to search, in the format of PATH. Default: PATH. */
  readonly path?: string;
  /** Directory of the unpacked Redis. Default: `rollcall` in XDG_CACHE_HOME or ~/.cache. */
  readonly cache?: string;
}

/** One search per PATH and cache directory: simultaneous callers share it; a failed search is not kept. */
const searches = new Map<string, Promise<RedisBinary>>();

/**
 * `redis-server` or `valkey-server` on PATH; otherwise, on Debian and Ubuntu, a Redis unpacked into the cache without root.
 * Rejects with LocalRedisError, whose message lists commands that install a Redis.
 */
export function findRedisBinary(options: FindRedisOptions = {}): Promise<RedisBinary> {
  const path = options.path ?? process.env["PATH"] ?? "";
  const cache = options.cache ?? cacheDirectory();
  const key = JSON.stringify([path, cache]);
  let found = searches.get(key);
  if (found === undefined) {
    found = search(path, cache);
    searches.set(key, found);
    found.catch(() => searches.delete(key));
  }
  return found;
}

async function search(path: string, cache: string): Promise<RedisBinary> {
  for (const name of ["redis-server", "valkey-server"]) {
    for (const directory of path.split(delimiter)) {
      if (!isAbsolute(directory)) continue;
      const candidate = { path: join(directory, name), env: {} };
      const version = (await isExecutable(candidate.path)) ? await versionOf(candidate) : undefined;
      if (version !== undefined) return { ...candidate, version, source: "path" };
    }
  }
  if (!(await hasApt(path))) throw notFound();
  try {
    const extracted = await extractRedis(async (server) => (await versionOf(server)) !== undefined, {
      cache,
      path,
    });
    return { ...extracted, version: (await versionOf(extracted)) ?? "unknown", source: "cache" };
  } catch (error) {
    throw notFound(error);
  }
}

/** What `--version` prints, or undefined when the file does not run as a server on this machine. */
async function versionOf(server: ExtractedRedis): Promise<string | undefined> {
  try {
    const { stdout } = await run(server.path, ["--version"], {
      env: { ...process.env, ...server.env },
      timeout: VERSION_TIMEOUT_MS,
    });
    return /server v=/i.test(stdout) ? stdout.trim() : undefined;
  } catch {
    return undefined;
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function hasApt(path: string): Promise<boolean> {
  const directories = path.split(delimiter).filter((directory) => isAbsolute(directory));
  const has = async (name: string) =>
    (await Promise.all(directories.map((directory) => isExecutable(join(directory, name))))).includes(true);
  return (await has("apt-get")) && (await has("dpkg"));
}

function notFound(cause?: unknown): LocalRedisError {
  const why = cause instanceof Error ? ` (${cause.message})` : "";
  return new LocalRedisError(
    [
      `No Redis was found on this machine${why}. Any one of these is enough:`,
      "  apt:     sudo apt-get install -y redis-server",
      "  brew:    brew install redis",
      "  docker:  docker run --rm -p 6379:6379 redis:7   and set REDIS_URL=redis://127.0.0.1:6379",
    ].join("\n"),
    { cause },
  );
}
