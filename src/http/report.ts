/**
 * The log line of a failure: enough to find the cause, without user data. Redis clients put whole commands into their
 * messages, and a JavaScript engine may quote a property name, so of a foreign error only its kind and its place are logged.
 */
import { PresenceError } from "../core/errors.ts";
import { framesOf, kindOf } from "../core/place.ts";
import type { Problem } from "./problem.ts";

const FRAMES = 5;

/** One line, or a few for a bug. `route` is a pattern such as `/v1/users/:id`, never a path. */
export function describeFailure(method: string, route: string, problem: Problem): string {
  const head = `${method} ${route}: ${problem.status} ${problem.code}`;
  const { cause } = problem;
  if (cause === undefined) return head;
  if (cause instanceof PresenceError) return `${head}: ${cause.message}${kindOf(cause.cause)}`;
  return `${head}${kindOf(cause)}${framesIn(cause)}`;
}

function framesIn(error: unknown): string {
  const frames = framesOf(error, FRAMES);
  return frames.length === 0 ? "" : `\n${frames.join("\n")}`;
}
