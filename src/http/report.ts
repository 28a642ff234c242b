/**
 * The log line of a failure: enough to find the cause, without user data. Redis clients put whole commands into their
 * messages, and a JavaScript engine may quote a property name, so of a foreign error only its kind and its place are logged.
 */
import { PresenceError } from "../core/errors.ts";
import type { Problem } from "./problem.ts";

const FRAMES = 5;

/** One line, or a few for a bug. `route` is a pattern such as `/v1/users/:id`, never a path. */
export function describeFailure(method: string, route: string, problem: Problem): string {
  const head = `${method} ${route}: ${problem.status} ${problem.code}`;
  const { cause } = problem;
  if (cause === undefined) return head;
  if (cause instanceof PresenceError) return `${head}: ${cause.message}${kindOf(cause.cause)}`;
  return `${head}${kindOf(cause)}${placeOf(cause)}`;
}

/** ` (TypeError)` or ` (Error ECONNREFUSED)`. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code)
    ? ` (${error.name} ${code})`
    : ` (${error.name})`;
}

/** The first frames of the stack, without the message before them, which may contain lines that look like frames. */
function placeOf(error: unknown): string {
  if (!(error instanceof Error) || error.stack === undefined) return "";
  const { message, stack } = error;
  const at = stack.indexOf(message);
  const rest = at === -1 ? stack : stack.slice(at + message.length);
  const frames = rest.split("\n").filter((line) => /^\s+at .*:\d+:\d+\)?$/.test(line));
  return frames.length === 0 ? "" : `\n${frames.slice(0, FRAMES).join("\n")}`;
}
