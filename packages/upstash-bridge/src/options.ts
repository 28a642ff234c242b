/** What startBridge is given, and the checks that make a wrong value fail there and not in a request. */
import { BridgeError } from "./errors.ts";

/** As long as 64 random bits in hex; tokens are made to be pasted, not remembered. */
const TOKEN_LENGTH_MIN = 16;
const COMMAND_TIMEOUT_MS = 10_000;

/** Where the bridge tells what no request is told. Nothing it logs holds a token, a key or a value. */
export interface BridgeLogger {
  warn(message: string): void;
}

export interface BridgeOptions {
  /** The Redis behind the bridge, `redis://…` or `rediss://…`. */
  readonly redis: string;
  /** The read-write token, at least 16 printable characters without spaces. */
  readonly token: string;
  /** The read-only token; another one. */
  readonly readOnlyToken: string;
  /** TCP port on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** How long one command may take before its request is answered without it, in ms; 10,000 by default. */
  readonly commandTimeoutMs?: number;
  /** Silent by default. */
  readonly logger?: BridgeLogger;
}

/** Options with every default in place. */
export type CheckedOptions = Required<BridgeOptions>;

const KNOWN: Readonly<Record<keyof BridgeOptions, true>> = {
  redis: true,
  token: true,
  readOnlyToken: true,
  port: true,
  commandTimeoutMs: true,
  logger: true,
};

/** Throws BridgeError naming the first option that cannot work, or does not exist. */
export function checkOptions(options: BridgeOptions): CheckedOptions {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(KNOWN, name));
  if (unknown !== undefined) {
    throw new BridgeError(
      `unknown option ${unknown} of startBridge: it takes ${Object.keys(KNOWN).join(", ")}`,
    );
  }
  const { redis, token, readOnlyToken, port = 0, commandTimeoutMs = COMMAND_TIMEOUT_MS } = options;
  if (!URL.canParse(redis) || !/^rediss?:$/.test(new URL(redis).protocol)) {
    throw new BridgeError("redis must be a URL such as redis://127.0.0.1:6379");
  }
  if (!/^\/?\d*$/.test(new URL(redis).pathname)) {
    throw new BridgeError(
      `redis names no database: ${new URL(redis).pathname}; end the URL with a number, as in /0`,
    );
  }
  checkToken("token", token);
  checkToken("readOnlyToken", readOnlyToken);
  if (token === readOnlyToken) {
    throw new BridgeError("token and readOnlyToken are equal, so readers could write; make two tokens");
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new BridgeError(`port is ${port}; give a TCP port, or 0 for a free one`);
  }
  if (!Number.isInteger(commandTimeoutMs) || commandTimeoutMs < 1) {
    throw new BridgeError(`commandTimeoutMs is ${commandTimeoutMs}; give milliseconds, 1 or more`);
  }
  const logger = options.logger ?? { warn: () => {} };
  return { redis, token, readOnlyToken, port, commandTimeoutMs, logger };
}

function checkToken(option: string, token: string): void {
  if (typeof token !== "string" || token.length < TOKEN_LENGTH_MIN) {
    const length = typeof token === "string" ? token.length : 0;
    throw new BridgeError(
      `${option} has ${length} characters; make one of ${TOKEN_LENGTH_MIN} or more, e.g. with: openssl rand -hex 24`,
    );
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new BridgeError(`${option} must be printable ASCII without spaces, to fit into an HTTP header`);
  }
}
