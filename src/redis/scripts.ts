import { isNoScript } from "./errors.ts";
import type { Reply, ScriptCall, WritePort } from "./port.ts";

export interface Script {
  readonly sha1: string;
  readonly text: string;
}

/** EVALSHA with keys and arguments, for a pipeline. On NOSCRIPT, use evaluate(). */
export function evalsha(script: Script, keys: readonly string[], args: readonly string[]): ScriptCall {
  return ["EVALSHA", script.sha1, String(keys.length), ...keys, ...args];
}

/** Runs a script by its hash; sends its text only if the server does not know it (new, restarted or flushed). */
export async function evaluate(
  port: WritePort,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<Reply> {
  try {
    return await port.call(evalsha(script, keys, args));
  } catch (error) {
    if (!isNoScript(error) && !isNoScript((error as { cause?: unknown }).cause)) throw error;
    return port.call(["EVAL", script.text, String(keys.length), ...keys, ...args]);
  }
}
