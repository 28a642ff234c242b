/**
 * Which commands a request may send. Redis's own command table decides, not a list kept here, so commands of later versions
 * are covered.
 *
 * There are two checks. First, the command must work on a connection shared by all requests; otherwise it is refused for both
 * tokens. Second, with the read-only token it must be in the category @read and not in @dangerous, which is Upstash's ACL for
 * a read-only user (`+@read -@dangerous`). SCAN is refused as well, as Upstash documents. So are commands that the table does
 * not list, and EVAL_RO and its relatives, which are not in @read: what is allowed here must never fail there.
 */
import type { Access } from "./auth.ts";
import type { Command } from "./request.ts";
import type { Reply } from "./reply.ts";

interface Rule {
  readonly flags: ReadonlySet<string>;
  readonly categories: ReadonlySet<string>;
}

/** Returns the error text for a command that is not allowed; undefined for an allowed one. */
export type Refuse = (command: Command, access: Access) => string | undefined;

/** Builds the rules from the reply of COMMAND. Redis 7 also lists subcommands, named `xgroup|create`. */
export function createRefuse(reply: Reply): Refuse {
  const rules = new Map<string, Rule>();
  for (const entry of listOf(reply)) addRule(rules, listOf(entry));

  return function refuse(command, access) {
    const name = command.name.toLowerCase();
    const rule = ruleOf(rules, name, command);
    const reason = rule === undefined ? undefined : unfit(name, rule, command);
    if (reason !== undefined) {
      return `ERR Command "${command.name}" is not allowed in REST or it has a special context path: ${reason}`;
    }
    // Unknown commands go to Redis, whose error message is the best one.
    if (access === "read-write") return undefined;
    return rule !== undefined && isPlainRead(name, rule) ? undefined : notPermitted(name);
  };
}

/** Upstash's error for a command that a token may not run. */
export function notPermitted(name: string): string {
  return `NOPERM this user has no permissions to run the '${name.toLowerCase()}' command or its subcommand`;
}

function isPlainRead(name: string, { categories }: Rule): boolean {
  return (
    categories.has("@read") && !categories.has("@write") && !categories.has("@dangerous") && name !== "scan"
  );
}

/** Why a command cannot use the shared connection; undefined if it can. */
function unfit(name: string, { flags, categories }: Rule, command: Command): string | undefined {
  if (name === "monitor") return "open /monitor as an event stream";
  if (categories.has("@transaction")) return "send the whole transaction to /multi-exec";
  if (flags.has("pubsub") && flags.has("noscript")) {
    return "open /subscribe/<channel> or /psubscribe/<pattern> as an event stream";
  }
  if (categories.has("@connection") && !isStateless(name, command)) {
    return "it changes a connection, and all requests share one";
  }
  if (flags.has("blocking") && mayBlock(name, command)) {
    return "it blocks; use its non-blocking form and poll";
  }
  if (flags.has("admin")) return "administer this Redis over its own protocol";
  // SCRIPT DEBUG turns the connection into a debugger; no flag of the command shows that.
  if (name === "script" && subcommandOf(command) === "debug") return "it changes the connection's mode";
  return undefined;
}

/** The connection commands that do not change the connection (CLIENT SETINFO only labels it). */
function isStateless(name: string, command: Command): boolean {
  if (name === "client") return subcommandOf(command) === "setinfo";
  return name === "ping" || name === "echo" || name === "command";
}

/** XREAD and XREADGROUP block only with BLOCK; every other command with the flag may block. */
function mayBlock(name: string, { args }: Command): boolean {
  if (name !== "xread" && name !== "xreadgroup") return true;
  for (let index = 0; index < args.length;) {
    const option = String(args[index]).toUpperCase();
    if (option === "BLOCK") return true;
    const width = { COUNT: 2, GROUP: 3, NOACK: 1 }[option];
    if (width === undefined) return false;
    index += width;
  }
  return false;
}

function ruleOf(rules: ReadonlyMap<string, Rule>, name: string, command: Command): Rule | undefined {
  const subcommand = subcommandOf(command);
  if (subcommand === undefined || !rules.has(`${name}|`)) return rules.get(name);
  return rules.get(`${name}|${subcommand}`);
}

function subcommandOf(command: Command): string | undefined {
  const [first] = command.args;
  return first === undefined ? undefined : String(first).toLowerCase();
}

/** One entry of COMMAND: name, arity, flags, three key positions, categories, tips, key specs, subcommands. */
function addRule(rules: Map<string, Rule>, entry: readonly Reply[]): void {
  const name = String(entry[0]).toLowerCase();
  rules.set(name, { flags: wordsOf(entry[2]), categories: wordsOf(entry[6]) });
  const subcommands = listOf(entry[9]);
  // Marks a container: its unknown subcommands must not fall back to the rule of the container.
  if (subcommands.length > 0) rules.set(`${name}|`, rules.get(name)!);
  for (const subcommand of subcommands) addRule(rules, listOf(subcommand));
}

function wordsOf(reply: Reply | undefined): ReadonlySet<string> {
  return new Set(listOf(reply).map((word) => String(word).toLowerCase()));
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}
