/**
 * The bridge as a command: `node src/local/bridge/main.ts --redis redis://127.0.0.1:6379 --port 8079`.
 * Prints the environment that makes @upstash/redis use it, and runs until SIGINT or SIGTERM.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { provideRedis, LocalRedisError, type ProvidedRedis } from "../redis.ts";
import { BridgeError, startBridge, type Bridge } from "./index.ts";

const HELP = `Usage: node src/local/bridge/main.ts [--redis URL] [--port PORT]

Serves Upstash's REST protocol on 127.0.0.1 over a plain Redis, for development and tests.

  --redis URL   the Redis behind it; REDIS_URL by default, or a Redis of its own that ends with it
  --port PORT   TCP port; a free one by default
  --help        this text

Tokens come from UPSTASH_REDIS_REST_TOKEN and UPSTASH_REDIS_REST_READONLY_TOKEN, each made and printed when not set.
`;

/** The exit code of a command that was called wrongly, as shells have it. */
const EXIT_USAGE = 2;

interface Arguments {
  readonly redis: string | undefined;
  readonly port: number;
}

async function main(): Promise<number> {
  const given = readArguments(process.argv.slice(2));
  if (typeof given === "number") return given;
  const stopped = signalled();
  let redis: ProvidedRedis | undefined;
  let bridge: Bridge | undefined;
  try {
    redis = given.redis === undefined ? await provideRedis() : undefined;
    bridge = await startWithTokens(given.redis ?? redis!.url, given.port);
    await stopped;
    return 0;
  } catch (error) {
    if (!(error instanceof BridgeError) && !(error instanceof LocalRedisError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  } finally {
    await bridge?.close();
    await redis?.stop();
  }
}

/** The arguments, or the exit code when there is nothing to run. */
function readArguments(args: string[]): Arguments | number {
  try {
    const { values } = parseArgs({
      args,
      options: { redis: { type: "string" }, port: { type: "string" }, help: { type: "boolean" } },
    });
    if (values.help === true) {
      process.stdout.write(HELP);
      return 0;
    }
    if (values.port !== undefined && !/^\d{1,5}$/.test(values.port)) {
      throw new TypeError(`--port is ${values.port}; give a number from 0 to 65535`);
    }
    return { redis: values.redis, port: Number(values.port ?? 0) };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return EXIT_USAGE;
  }
}

async function startWithTokens(redis: string, port: number): Promise<Bridge> {
  const token = tokenFrom("UPSTASH_REDIS_REST_TOKEN");
  const readOnlyToken = tokenFrom("UPSTASH_REDIS_REST_READONLY_TOKEN");
  const logger = { warn: (message: string) => void process.stderr.write(`${message}\n`) };
  const bridge = await startBridge({
    redis,
    port,
    token: token.value,
    readOnlyToken: readOnlyToken.value,
    logger,
  });
  const lines = [`UPSTASH_REDIS_REST_URL=${bridge.url}`];
  // A token that was given is known to whoever gave it; only a new one has to be shown.
  for (const { name, value, made } of [token, readOnlyToken]) if (made) lines.push(`${name}=${value}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return bridge;
}

function tokenFrom(name: string): { name: string; value: string; made: boolean } {
  const given = process.env[name];
  const made = given === undefined || given === "";
  return { name, value: made ? randomBytes(24).toString("hex") : given, made };
}

/** The first SIGINT or SIGTERM; a second one finds no handler and ends the process at once. */
async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}

process.exitCode = await main();
