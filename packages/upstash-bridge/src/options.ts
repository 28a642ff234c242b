/** The options of startBridge, checked at the start and not when a request arrives. */
import { BridgeError } from "./errors.ts";
import { BODY_BYTES_MAX } from "./limits.ts";

/** The length of 64 random bits in hex. Tokens are pasted, not remembered. */
const TOKEN_LENGTH_MIN = 16;
const COMMAND_TIMEOUT_MS = 10_000;

/** Receives what concerns no single request. Log lines contain no tokens, keys or values. */
export interface BridgeLogger {
  warn(message: string): void;
}

export interface BridgeOptions {
  /** The URL of the Redis to use, `redis://…` or `rediss://…`. */
  readonly redis: string;
  /** The read-write token, at least 16 printable characters without spaces. */
  readonly token: string;
  /** The read-only token. It must differ from `token`. */
  readonly readOnlyToken: string;
  /** TCP port on 127.0.0.1. Default 0: a free one. */
  readonly port?: number;
  /** How long a command may take, ms; after that its request gets an error. Default 10,000. */
  readonly commandTimeoutMs?: number;
  /**
   * The limit of the plan to imitate, bytes: of a request's body, and with the read-only token of all replies to one request.
   * Default 10 MiB, Upstash's smallest plan today; it was 1 MiB.
   */
  readonly maxRequestBytes?: number;
  /** Default: silent. */
  readonly logger?: BridgeLogger;
}

/** Options with defaults filled in. */
export type CheckedOptions = Required<BridgeOptions>;

const KNOWN: Readonly<Record<keyof BridgeOptions, true>> = {
  redis: true,
  token: true,
  readOnlyToken: true,
  port: true,
  commandTimeoutMs: true,
  maxRequestBytes: true,
  logger: true,
};

/** Throws BridgeError that names the first unknown or invalid option. */
export function checkOptions(options: BridgeOptions): CheckedOptions {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(KNOWN, name));
  if (unknown !== undefined) {
    throw new BridgeError(
      `unknown option ${unknown} of startBridge: it takes ${Object.keys(KNOWN).join(", ")}`,
    );
  }
  const { redis, token, readOnlyToken, port = 0, commandTimeoutMs = COMMAND_TIMEOUT_MS } = options;
  const { maxRequestBytes = BODY_BYTES_MAX } = options;
  if (!URL.canParse(redis) || !/^rediss?:$/.test(new URL(redis).protocol)) {
    throw new BridgeError("redis must be a URL such as redis://127.0.0.1:6379");
  }
  if (!/^\/?\d*$/.test(new URL(redis).pathname)) {
    throw new BridgeError(
      `redis has an invalid database: ${new URL(redis).pathname}; end the URL with a number, as in /0`,
    );
  }
  checkToken("token", token);
  checkToken("readOnlyToken", readOnlyToken);
  if (token === readOnlyToken) {
    throw new BridgeError(
      "token and readOnlyToken are equal, so readers could write; use two different tokens",
    );
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new BridgeError(`port is ${port}; it must be a TCP port, or 0 for a free one`);
  }
  if (!Number.isInteger(commandTimeoutMs) || commandTimeoutMs < 1) {
    throw new BridgeError(
      `commandTimeoutMs is ${commandTimeoutMs}; it must be a whole number of milliseconds, 1 or more`,
    );
  }
  if (!Number.isInteger(maxRequestBytes) || maxRequestBytes < 1_024) {
    throw new BridgeError(
      `maxRequestBytes is ${maxRequestBytes}; it must be a whole number of bytes, 1024 or more`,
    );
  }
  const logger = options.logger ?? { warn: () => {} };
  return { redis, token, readOnlyToken, port, commandTimeoutMs, maxRequestBytes, logger };
}

function checkToken(option: string, token: string): void {
  if (typeof token !== "string" || token.length < TOKEN_LENGTH_MIN) {
    const length = typeof token === "string" ? token.length : 0;
    throw new BridgeError(
      `${option} has ${length} characters; use at least ${TOKEN_LENGTH_MIN}, for instance from: openssl rand -hex 24`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new BridgeError(`${option} must be printable ASCII without spaces, as in an HTTP header`);
  }
}
