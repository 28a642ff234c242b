/**
 * What can be logged of a foreign error: its kind and its place. Its message cannot: Redis clients put whole commands into theirs, and a
 * JavaScript engine may quote a property name.
 */

/** ` (TypeError)` or ` (Error ECONNREFUSED)`; nothing for what is no error. */
export function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code } = error as { code?: unknown };
  const name = /^\w{1,40}$/.test(error.name) ? error.name : "Error";
  return typeof code === "string" && /^[A-Z][A-Z0-9_]+$/.test(code) ? ` (${name} ${code})` : ` (${name})`;
}

/** The first frames of the stack, without the message before them, which may contain lines that look like frames. */
export function framesOf(error: unknown, most: number): string[] {
  if (!(error instanceof Error) || typeof error.stack !== "string") return [];
  const { message, stack } = error;
  const at = stack.indexOf(message);
  const rest = at === -1 ? stack : stack.slice(at + message.length);
  return rest
    .split("\n")
    .filter((line) => /^\s+at .*:\d+:\d+\)?$/.test(line))
    .slice(0, most);
}

/** ` at listener (file:///srv/app.js:12:3)`: the first frame, for a line; "" if there is none. */
export function placeOf(error: unknown): string {
  const [frame] = framesOf(error, 1);
  return frame === undefined ? "" : ` ${frame.trim()}`;
}
