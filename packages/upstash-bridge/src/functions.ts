/**
 * FCALL_RO, which Upstash lets run any function and stops at its first write. Redis goes by how the function was
 * registered, and refuses one that only reads but was not marked `no-writes`. Such a function is run by EVAL_RO
 * instead: its library's code, which registers it with a stand-in, and then the call. So what a library keeps in
 * variables of its own starts anew with each of these calls.
 */
import type { Command } from "./request.ts";
import type { Reply } from "./reply.ts";

type Send = (name: string, args: readonly string[]) => Promise<Reply>;

/** The commands with FCALL_RO replaced where that is needed; asks Redis for its functions only if there is one. */
export async function runnableFunctions(
  commands: readonly Command[],
  send: Send,
): Promise<readonly Command[]> {
  if (!commands.some(isReadOnlyCall)) return commands;
  // Redis before 7 has no functions, and then its answer to FCALL_RO says so.
  const libraries = await send("FUNCTION", ["LIST", "WITHCODE"]).catch(() => []);
  const scripts = new Map(listOf(libraries).flatMap(scriptsOf));
  return commands.map((command) => {
    const [name, ...args] = command.args;
    const script = isReadOnlyCall(command) ? scripts.get(String(name)) : undefined;
    return script === undefined ? command : { name: "EVAL_RO", args: [script, ...args] };
  });
}

/** With nothing but a name, FCALL_RO is a mistake that Redis words in the name of FCALL_RO. */
function isReadOnlyCall({ name, args }: Command): boolean {
  return name === "FCALL_RO" && args.length > 1;
}

/** The functions of a library that are not marked `no-writes`, each with the script that runs it. */
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

/** Names of functions are letters, digits and underscores, so one needs no escaping. */
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

/** RESP2 has no maps: names and values take turns. */
function mapOf(reply: Reply): Record<string, Reply> {
  const items = listOf(reply);
  const map: Record<string, Reply> = {};
  for (let index = 0; index + 1 < items.length; index += 2) map[String(items[index])] = items[index + 1]!;
  return map;
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}
