/** What went wrong, in one line: the first cause and what to do. A stack only for a bug of ours. */
import { PresenceError, type PresenceErrorCode } from "../core/errors.ts";
import { EXIT, Interrupted, UsageError } from "./command.ts";
import { escaped, safeLines } from "./print.ts";

export interface Failure {
  readonly code: number;
  readonly message: string;
}

const USAGE: ReadonlySet<string> = new Set([
  "OPTIONS_INVALID",
  "USER_INVALID",
  "SCOPE_INVALID",
  "CURSOR_INVALID",
  "TIME_INVALID",
  "LIMIT_EXCEEDED",
  "PARAMETER_INVALID",
] satisfies (PresenceErrorCode | "PARAMETER_INVALID")[]);

function codeOf(code: string): number {
  if (USAGE.has(code)) return EXIT.usage;
  if (code === "REDIS_UNAVAILABLE") return EXIT.unreachable;
  if (code === "USER_PRESENT") return EXIT.no;
  return code === "INTERNAL" ? EXIT.bug : EXIT.refused;
}

/** The package that an import has not found. */
function missingPackage(error: NodeJS.ErrnoException): string | undefined {
  if (error.code !== "ERR_MODULE_NOT_FOUND") return undefined;
  const [, found] = /Cannot find package '([^']+)'/.exec(error.message) ?? [];
  return found?.startsWith("/") === true ? undefined : found;
}

export function failureOf(error: unknown): Failure {
  if (error instanceof UsageError) return { code: EXIT.usage, message: error.message };
  if (error instanceof Interrupted) return { code: EXIT.interrupted, message: "" };
  if (error instanceof PresenceError) {
    const code = codeOf(error.code);
    // The cause may contain whole commands, and with them ids, so it is not printed.
    const message = code === EXIT.bug ? `${error.message}\n${stackOf(error.cause)}` : error.message;
    return { code, message };
  }
  if (!(error instanceof Error)) return { code: EXIT.bug, message: String(error) };
  const { name } = error;
  // By name: each is of a module that is loaded only where it is needed.
  if (name === "ProblemError") {
    const { status, code } = error as Error & { status: number; code: string };
    // Whoever answers there: no line of it may look like one of ours.
    const message = `the API answered: ${escaped(error.message)}`;
    if (status >= 500) return { code: EXIT.unreachable, message };
    return { code: USAGE.has(code) ? EXIT.usage : EXIT.refused, message };
  }
  if (name === "TimeoutError" || name === "LocalRedisError" || name === "BridgeError")
    return { code: EXIT.unreachable, message: error.message };
  const missing = missingPackage(error);
  if (missing !== undefined)
    return { code: EXIT.usage, message: `this needs the package ${missing}: npm i ${missing}` };
  if (error instanceof TypeError && error.message === "fetch failed") {
    const { code, message } = (error.cause ?? error) as NodeJS.ErrnoException;
    const why = code ?? message;
    return {
      code: EXIT.unreachable,
      message: `the API cannot be reached: ${why}. Check --url, and that the API runs`,
    };
  }
  return { code: EXIT.bug, message: `a bug in Rollcall, please report it\n${stackOf(error)}` };
}

/** For stderr; empty for what needs no words. */
export function told(name: string, { message }: Failure): string {
  return message === "" ? "" : `${name}: ${safeLines(message)}`;
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
