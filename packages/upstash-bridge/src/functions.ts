/**
 * FCALL_RO. Upstash runs any function with it and stops at the first write. Redis refuses a function that is not registered
 * with the flag `no-writes`, even if it only reads. Such a function is run with EVAL_RO instead: the script is the library's
 * code, with a stand-in for the registration, and then the call. So a library's own variables are reset in each of these calls.
 */
import type { Command } from "./request.ts";
import type { Reply } from "./reply.ts";

type Send = (name: string, args: readonly string[]) => Promise<Reply>;

/** Replaces FCALL_RO where needed. Reads the functions from Redis only if there is an FCALL_RO. */
export async function runnableFunctions(
  commands: readonly Command[],
  send: Send,
): Promise<readonly Command[]> {
  if (!commands.some(isReadOnlyCall)) return commands;
  // Redis before 7 has no functions; its answer to FCALL_RO will say so.
  const libraries = await send("FUNCTION", ["LIST", "WITHCODE"]).catch(() => []);
  const scripts = new Map(listOf(libraries).flatMap(scriptsOf));
  return commands.map((command) => {
    const [name, ...args] = command.args;
    const script = isReadOnlyCall(command) ? scripts.get(String(name)) : undefined;
    return script === undefined ? command : { name: "EVAL_RO", args: [script, ...args] };
  });
}

/** FCALL_RO with only a name is an error, and Redis's message should name FCALL_RO. */
function isReadOnlyCall({ name, args }: Command): boolean {
  return name === "FCALL_RO" && args.length > 1;
}

/** The functions of a library without the flag `no-writes`, each with the script that runs it. */
function scriptsOf(library: Reply): [name: string, script: string][] {
  const { library_code: code, functions } = mapOf(library);
  const found: [string, string][] = [];
  for (const entry of listOf(functions)) {
    const { name, flags } = mapOf(entry);
    const marked = listOf(flags).some((flag) => String(flag) === "no-writes");
    if (!marked) found.push([String(name), scriptOf(String(name), String(code))]);
  }
  return found;
}

/** Function names consist of letters, digits and underscores, so they need no escaping. */
function scriptOf(name: string, code: string): string {
  return `local wanted
local redis = setmetatable({
  register_function = function(named, callback)
    if type(named) == 'table' then named, callback = named.function_name, named.callback end
    if named == '${name}' then wanted = callback end
  end,
}, { __index = redis })
local server = redis;
(function()
${code.replace(/^#!.*/, "")}
end)()
return wanted(KEYS, ARGV)`;
}

/** RESP2 has no maps: names and values alternate in a list. */
function mapOf(reply: Reply): Record<string, Reply> {
  const items = listOf(reply);
  const map: Record<string, Reply> = {};
  for (let index = 0; index + 1 < items.length; index += 2) map[String(items[index])] = items[index + 1]!;
  return map;
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}
