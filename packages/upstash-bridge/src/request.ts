/**
 * Parses commands from HTTP requests. A command has a name in upper case and the arguments for Redis: text as strings,
 * anything that may be binary as bytes.
 */
import { RequestError } from "./errors.ts";
import { COMMANDS_MAX } from "./limits.ts";

export interface Command {
  /** In upper case, because ioredis transforms arguments and replies of commands that it knows by lower-case names. */
  readonly name: string;
  readonly args: readonly (string | Buffer)[];
}

/** `["SET", "key", 1]`, the body of `POST /`. */
export function parseCommand(body: Uint8Array): Command {
  return toCommand(parseArray(body, '["GET","key"]'));
}

/** `[["SET", "key", 1], ["GET", "key"]]`, the body of /pipeline and /multi-exec. */
export function parseCommands(body: Uint8Array): Command[] {
  const rows = parseArray(body, '[["SET","key","value"],["GET","key"]]');
  if (rows.length === 0) throw new RequestError(400, "ERR empty pipeline request");
  if (rows.length > COMMANDS_MAX) {
    throw new RequestError(413, `ERR too many commands: ${rows.length}, of ${COMMANDS_MAX} in one request`);
  }
  return rows.map((row) => {
    if (!Array.isArray(row)) {
      throw new RequestError(400, "ERR failed to parse pipeline request: every command must be a JSON array");
    }
    return toCommand(row);
  });
}

/**
 * `/set/key?EX=10` with a body: the path, then the body unless it is empty, then the names and values of the query, as
 * Upstash documents it (`SET key <body> EX 10`). A name without a value is one argument (`?NX`).
 */
export function parsePath(url: URL, body: Uint8Array): Command {
  const args: Buffer[] = segmentsOf(url);
  if (body.byteLength > 0) args.push(Buffer.from(body));
  for (const pair of url.search.slice(1).split("&")) {
    const [name, ...rest] = pair.replaceAll("+", " ").split("=");
    const [key, value] = [percentDecode(name!), percentDecode(rest.join("="))];
    if (pair === "" || key.toString() === "_token") continue;
    args.push(key);
    if (value.byteLength > 0) args.push(value);
  }
  const name = args.shift()!.toString().toUpperCase();
  if (name === "") throw new RequestError(400, "ERR empty command");
  return { name, args };
}

/** The decoded segments of a path; a trailing slash adds none. */
export function segmentsOf(url: URL): Buffer[] {
  return url.pathname.slice(1).replace(/\/$/, "").split("/").map(percentDecode);
}

/** Returns bytes, not text: `%FF` is a valid argument, and a stray `%` is a literal `%`. */
function percentDecode(text: string): Buffer {
  const decoded = text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, "latin1");
}

function toCommand(row: readonly unknown[]): Command {
  if (row.length === 0) throw new RequestError(400, "ERR empty command");
  const [name, ...args] = row.map(toArgument);
  if (name === "") throw new RequestError(400, "ERR empty command");
  return { name: name!.toUpperCase(), args };
}

function toArgument(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value instanceof ExactNumber) return value.text;
  if (value === null) throw new RequestError(400, "ERR null args are not supported");
  const kind = Array.isArray(value) ? '"["' : '"{"';
  throw new RequestError(
    400,
    `ERR unsupported arg type: ${kind}: send several commands to /pipeline, and structured values as JSON text`,
  );
}

/** The source text of a number that a double cannot hold: 9007199254740993 must reach Redis unchanged. */
class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function parseArray(body: Uint8Array, example: string): unknown[] {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder().decode(body));
  } catch {
    // No cause is kept: the parser's message quotes the body, which may contain data that must not be logged.
    throw new RequestError(400, `ERR failed to parse command: the body is not JSON; send e.g. ${example}`);
  }
  if (!Array.isArray(value)) {
    throw new RequestError(400, `ERR failed to parse command: expected JSON array, e.g. ${example}`);
  }
  return value as unknown[];
}

type Reviver = (key: string, value: unknown, context: { source?: string }) => unknown;

function parseJson(text: string): unknown {
  const value = JSON.parse(text) as unknown;
  if (!holdsInexactNumber(value)) return value;
  // Only a reviver gets the source text of a number. Revivers are slow, so one is used only if needed.
  const exact: Reviver = (_key, item, context) =>
    typeof item === "number" && !Number.isSafeInteger(item) && context.source !== undefined
      ? new ExactNumber(context.source)
      : item;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown) as unknown;
}

function holdsInexactNumber(value: unknown): boolean {
  if (typeof value === "number") return !Number.isSafeInteger(value);
  return Array.isArray(value) && value.some(holdsInexactNumber);
}
