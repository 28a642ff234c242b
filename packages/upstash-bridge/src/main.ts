#!/usr/bin/env node
/**
 * The bridge as a command: `upstash-bridge --redis redis://127.0.0.1:6379 --port 8079`.
 * Prints the environment variables with which @upstash/redis uses it, and runs until SIGINT or SIGTERM.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { provideRedis, LocalRedisError, type ProvidedRedis } from "../../local-redis/src/index.ts";
import { BridgeError, startBridge, type Bridge } from "./index.ts";

const HELP = `Usage: upstash-bridge [--redis URL] [--port PORT] [--max-request SIZE]

Serves Upstash's REST protocol on 127.0.0.1 over a plain Redis, for development and tests.

  --redis URL         the Redis to use; default REDIS_URL, or a temporary Redis that stops with the bridge
  --port PORT         TCP port; default a free one
  --max-request SIZE  the limit of a plan to impose, such as 1mb, on requests and on a reader's replies; default 10mb
  --help              this text

Tokens come from UPSTASH_REDIS_REST_TOKEN and UPSTASH_REDIS_REST_READONLY_TOKEN; one that is not set is created and printed.
`;

/** The exit code for wrong arguments, as in shells. */
const EXIT_USAGE = 2;
const PORT_MAX = 65_535;
const UNITS: Readonly<Record<string, number>> = { "": 1, b: 1, kb: 1_024, mb: 1_024 ** 2, gb: 1_024 ** 3 };
/** Of the Redis that it starts: a client that asks for more than that is cut off. */
const OUTPUT_LIMIT = ["--client-output-buffer-limit", "normal", "64mb", "0", "0"];
/** How often to check whether the npm that started the bridge is still running, ms. */
const PARENT_POLL_MS = 200;
const TOKEN = "UPSTASH_REDIS_REST_TOKEN";
const READ_ONLY_TOKEN = "UPSTASH_REDIS_REST_READONLY_TOKEN";

interface Arguments {
  readonly redis: string | undefined;
  readonly port: number;
  readonly maxRequestBytes: number | undefined;
}

async function main(): Promise<number> {
  const given = readArguments(process.argv.slice(2));
  if (typeof given === "number") return given;
  const stopped = signalled();
  let redis: ProvidedRedis | undefined;
  let bridge: Bridge | undefined;
  try {
    redis = given.redis === undefined ? await provideRedis({ args: OUTPUT_LIMIT }) : undefined;
    bridge = await startWithTokens(given.redis ?? redis!.url, given);
    await stopped;
    return 0;
  } catch (error) {
    if (!(error instanceof BridgeError) && !(error instanceof LocalRedisError)) throw error;
    process.stderr.write(`${inWordsOfTheCommand(error.message)}\n`);
    return 1;
  } finally {
    await bridge?.close();
    await redis?.stop();
  }
}

/** The arguments, or an exit code if there is nothing to run. */
function readArguments(args: string[]): Arguments | number {
  try {
    const { values } = parseArgs({
      args,
      options: {
        redis: { type: "string" },
        port: { type: "string" },
        "max-request": { type: "string" },
        help: { type: "boolean" },
      },
    });
    if (values.help === true) {
      process.stdout.write(HELP);
      return 0;
    }
    if (values.port !== undefined && (!/^\d+$/.test(values.port) || Number(values.port) > PORT_MAX)) {
      throw new TypeError(`--port is ${values.port || "empty"}; it must be a number from 0 to ${PORT_MAX}`);
    }
    const size = values["max-request"];
    const maxRequestBytes = size === undefined ? undefined : bytesOf(size);
    if (Number.isNaN(maxRequestBytes)) {
      throw new TypeError(`--max-request is ${size || "empty"}; it must be a size such as 1mb, 1kb or more`);
    }
    return { redis: values.redis, port: Number(values.port ?? 0), maxRequestBytes };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return EXIT_USAGE;
  }
}

/** NaN: it is no size, or too small for one. Units are those of Redis: 1mb is 1,048,576. */
function bytesOf(size: string): number {
  const [, digits, unit] = /^(\d+)([a-z]*)$/i.exec(size) ?? [];
  const bytes = Number(digits) * (UNITS[unit?.toLowerCase() ?? ""] ?? Number.NaN);
  return Number.isSafeInteger(bytes) && bytes >= 1_024 ? bytes : Number.NaN;
}

async function startWithTokens(redis: string, { port, maxRequestBytes }: Arguments): Promise<Bridge> {
  const token = tokenFrom(TOKEN);
  const readOnlyToken = tokenFrom(READ_ONLY_TOKEN);
  const logger = { warn: (message: string) => void process.stderr.write(`${message}\n`) };
  const bridge = await startBridge({
    redis,
    port,
    ...(maxRequestBytes !== undefined && { maxRequestBytes }),
    token: token.value,
    readOnlyToken: readOnlyToken.value,
    logger,
  });
  const lines = [`UPSTASH_REDIS_REST_URL=${bridge.url}`];
  // Only a new token has to be printed; one from the environment is known already.
  for (const { name, value, made } of [token, readOnlyToken]) if (made) lines.push(`${name}=${value}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return bridge;
}

function tokenFrom(name: string): { name: string; value: string; made: boolean } {
  const given = process.env[name];
  const made = given === undefined || given === "";
  return { name, value: made ? randomBytes(24).toString("hex") : given, made };
}

/** Replaces the names of startBridge's options with those of the command's flags and variables. */
function inWordsOfTheCommand(message: string): string {
  return message
    .replace(/^redis (?=must|has)/, "--redis ")
    .replace("the option redis", "--redis")
    .replaceAll(/\breadOnlyToken\b/g, READ_ONLY_TOKEN)
    .replaceAll(/\btoken\b/g, TOKEN);
}

/** The first SIGINT or SIGTERM; a second one finds no handler and ends the process at once. */
async function signalled(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
    // npm sends the signal to the shell in between, which exits without passing it on: its exit counts as the signal.
    const shell = process.ppid;
    if (process.env["npm_lifecycle_event"] === undefined) return;
    setInterval(() => process.ppid !== shell && resolve(), PARENT_POLL_MS).unref();
  });
}

process.exitCode = await main();
