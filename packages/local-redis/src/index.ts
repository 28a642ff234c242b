/**
 * A real Redis on a fresh machine, for development and tests.
 *
 * A server started here keeps no data: it has a temporary directory, no snapshots and no append-only file, and it ends with
 * its owner, even if the owner crashes or gets SIGKILL: a shell waits on a pipe that only the owner holds open, and kills the
 * server when the pipe closes. The server has its own process group, so Ctrl-C reaches only the application, which can still
 * use Redis before it stops it.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { findRedisBinary, type FindRedisOptions, type RedisBinary } from "./binary.ts";
import { LocalRedisError } from "./error.ts";
import { askRedis } from "./ask.ts";

export { findRedisBinary, LocalRedisError, type FindRedisOptions, type RedisBinary };

const START_TIMEOUT_MS = 10_000;
const POLL_MS = 20;
/** Redis without persistence ends within milliseconds; the limit is for one that is stuck in a script. */
const TERMINATE_TIMEOUT_MS = 3_000;
const PORT_ATTEMPTS = 5;
/** Ports below the ranges from which Linux (32768) and other systems (49152) assign ports. */
const PORT_MIN = 16_384;
const PORT_MAX = 32_768;
/** How much of a failed server's log an error quotes. */
const LOG_LINES = 8;

/** A Redis that was running already, or one started here. */
export interface ProvidedRedis extends AsyncDisposable {
  readonly url: string;
  /** Name and version, e.g. "redis 7.0.15" or "valkey 8.0.1". */
  readonly engine: string;
  /** Stops the server if it was started here; otherwise does nothing. Idempotent. */
  stop(): Promise<void>;
}

export interface RedisServer extends ProvidedRedis {
  readonly port: number;
  readonly pid: number;
}

export interface RedisServerOptions {
  /** TCP port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Additional arguments for redis-server, such as `["--maxmemory", "64mb"]`. They must not change its address or authentication. */
  readonly args?: readonly string[];
  /** A configuration file, which the arguments override. A Sentinel needs one, and writes to it. */
  readonly config?: string;
  /** When it fires, starting is cancelled, or the running server is stopped. */
  readonly signal?: AbortSignal;
}

/**
 * Starts a Redis server on 127.0.0.1 and resolves once it answers.
 * Rejects with LocalRedisError when no Redis is found, the given port is taken, or the server refuses its arguments (the
 * message ends with its log); with the signal's reason when the signal fires.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { port, config, args = [], signal } = options;
  signal?.throwIfAborted();
  const given: Given = { config: config === undefined ? [] : [config], args };
  const binary = await findRedisBinary();
  for (let attempt = 1; ; attempt++) {
    const launched = await launch(binary, port ?? (await freePort()), given, signal);
    if (typeof launched !== "string") return launched;
    // Another process may take the port between the check and the bind. Only then does another port help.
    const taken = /Address already in use/i.test(launched);
    if (!taken || port !== undefined || attempt === PORT_ATTEMPTS) {
      const advice = taken
        ? `port ${port ?? "(any)"} is taken; choose another or leave it out`
        : "see its log";
      throw new LocalRedisError(`${binary.path} did not start: ${advice}\n${launched}`);
    }
  }
}

/**
 * The Redis at REDIS_URL if that is set (stop() leaves it running), otherwise one started by startRedis.
 * Rejects with LocalRedisError when REDIS_URL does not answer.
 */
export async function provideRedis(
  options: RedisServerOptions & { readonly environment?: NodeJS.ProcessEnv } = {},
): Promise<ProvidedRedis> {
  const url = (options.environment ?? process.env)["REDIS_URL"];
  if (url === undefined || url === "") return startRedis(options);
  try {
    const { engine } = await askRedis(url);
    const stop = async () => {};
    return { url, engine, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LocalRedisError(
      `REDIS_URL is set but does not answer (${reason}). Start that Redis, or unset REDIS_URL to use a temporary one.`,
      { cause: error },
    );
  }
}

interface Given {
  /** Comes first on the command line, if there is one. */
  readonly config: readonly string[];
  readonly args: readonly string[];
}

/** One attempt. Resolves with the running server, or with the log of one that exited before it listened. */
async function launch(
  binary: RedisBinary,
  port: number,
  given: Given,
  signal: AbortSignal | undefined,
): Promise<RedisServer | string> {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-redis-"));
  const removeDirectory = () => rm(directory, { recursive: true, force: true });
  const logPath = join(directory, "redis.log");
  const spawned = await spawnServer(binary, port, given, directory, logPath).catch(async (error: unknown) => {
    await removeDirectory();
    throw new LocalRedisError(`${binary.path} cannot be run: ${String(error)}`, { cause: error });
  });
  const { child, pid, exited } = spawned;

  let stopping: Promise<void> | undefined;
  const stop = () => (stopping ??= end());
  async function end(): Promise<void> {
    signal?.removeEventListener("abort", onAbort);
    await terminate(child, exited);
    await removeDirectory();
  }
  // Nothing awaits this call; a caller of stop() gets the error.
  const onAbort = () => void stop().catch(() => {});
  signal?.addEventListener("abort", onAbort, { once: true });

  const url = `redis://127.0.0.1:${port}`;
  try {
    const engine = await untilAnswers(child, url, signal);
    if (engine !== undefined) return { url, port, pid, engine, stop, [Symbol.asyncDispose]: stop };
    const log = await readFile(logPath, "utf8").catch(() => "");
    await stop();
    return log.trim().split("\n").slice(-LOG_LINES).join("\n");
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Spawned {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly exited: Promise<void>;
}

async function spawnServer(
  binary: RedisBinary,
  port: number,
  given: Given,
  directory: string,
  logPath: string,
): Promise<Spawned> {
  const ours = { port: String(port), bind: "127.0.0.1", save: "", appendonly: "no", dir: directory };
  const flags = Object.entries(ours).flatMap(([name, value]) => [`--${name}`, value]);
  // Redis logs to stdout by default, so one file holds its log and its errors about arguments.
  const log = await open(logPath, "a");
  try {
    const child = spawn(binary.path, [...given.config, ...flags, ...given.args], {
      cwd: directory,
      env: { ...process.env, ...binary.env },
      stdio: ["ignore", log.fd, log.fd],
      detached: true,
    });
    // Listen at once: a server with invalid arguments exits within milliseconds.
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    await once(child, "spawn");
    watchOver(child.pid!, directory, exited);
    return { child, pid: child.pid!, exited };
  } finally {
    await log.close();
  }
}

/** Starts a shell that waits for our end of the pipe to close, which the kernel does however we end, and then cleans up. */
function watchOver(pid: number, directory: string, exited: Promise<void>): void {
  const script = 'read -r _; kill -KILL "$1" 2>/dev/null; rm -rf "$2"';
  const watchdog = spawn("/bin/sh", ["-c", script, "rollcall-watchdog", String(pid), directory], {
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
    detached: true,
  });
  // Without a shell the server outlives a crash of its owner, which is no reason not to start it.
  watchdog.on("error", () => {});
  watchdog.stdin.on("error", () => {});
  // Only the server keeps its owner's event loop alive.
  watchdog.unref();
  (watchdog.stdin as Socket).unref();
  // It ends with the server: later, the process id may belong to another process.
  void exited.then(() => watchdog.kill("SIGKILL"));
}

/** The engine once the server answers; undefined if it has exited. Rejects when neither happens in time. */
async function untilAnswers(
  child: ChildProcess,
  url: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (child.exitCode === null && child.signalCode === null) {
    signal?.throwIfAborted();
    const answer = await askRedis(url).catch(() => undefined);
    // Another Redis may answer on a port that ours failed to bind, so compare the process ids.
    if (answer?.pid === child.pid) return answer!.engine;
    if (performance.now() > deadline) {
      throw new LocalRedisError(
        answer === undefined
          ? `Redis did not answer PING at ${url} within ${START_TIMEOUT_MS} ms`
          : `another Redis (process ${answer.pid}) answers at ${url}; choose another port`,
      );
    }
    await delay(POLL_MS);
  }
  signal?.throwIfAborted();
  return undefined;
}

async function terminate(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), TERMINATE_TIMEOUT_MS);
  try {
    await exited;
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A port that is free now. It is below the range from which systems assign ports, so no outgoing connection and no
 * `listen(0)` takes it before the server binds it, or while a test has the server stopped.
 */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    const server = createServer();
    server.listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") continue;
      throw error;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
