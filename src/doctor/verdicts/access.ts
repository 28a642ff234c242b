/** What scripts may call, and whether the Redis user has the rights of its role. */
import { aclRules, commandsOf, type Role, ROLES } from "../../core/access.ts";
import { PREFIX } from "../../core/limits.ts";
import { type Facts, type Permission, valueOf } from "../facts.ts";
import { BEYOND, nameOf } from "../gather/access.ts";
import { critical, note, ok, some, unknown, type Verdict, warning } from "../verdict.ts";

/** Without these everything works but what the text says. */
const SPARED: Readonly<Record<string, string>> = {
  "MEMORY|USAGE": "entries of many megabytes are noticed only when they have been read",
  PFADD: "the option `history` fails",
  PEXPIRE: "the option `history` fails for namespaces and rooms",
  PFCOUNT: "distinct() fails",
};

/** Those that may write at most to the log. */
const READING: ReadonlySet<Role> = new Set(["recorder", "server", "reader"]);

export function accessVerdicts(facts: Facts): Verdict[] {
  const { access } = facts;
  // Whether or not the commands are known: the keys decide first.
  if (!access.keys) return [scriptVerdict(facts), keysVerdict(facts)].flat();
  return [...scriptVerdict(facts), ...roleVerdicts(facts)];
}

const calls = (role: Role) => commandsOf(role).includes("EVALSHA");

function scriptVerdict(facts: Facts): Verdict[] {
  const { access, asked } = facts;
  const commands = valueOf(access.commands);
  const states = ["EVAL", "EVALSHA"].map((name) => [name, commands?.get(name)] as const);
  const absent = states.filter(([, state]) => state === "absent").map(([name]) => name);
  if (access.scripts === "absent" && !absent.includes("EVAL")) absent.unshift("EVAL");
  if (absent.length > 0)
    return [
      critical(
        "scripts",
        `this Redis has no ${absent.join(" and ")}: renamed or disabled, so nothing can fold records`,
        `take ${absent.map((name) => `rename-command ${name}`).join(" and ")} out of its configuration and restart it`,
      ),
    ];
  if (!calls(asked.role)) return [];
  if (access.scripts === "yes") return [ok("scripts", "can be called")];
  if (access.scripts === undefined) return [unknown("scripts", "EVAL was answered with an error")];
  // A refused user has the verdict about its rights.
  return commands !== undefined ? [] : [missing(facts, ["EVAL"])];
}

/** A word of a command line, for a POSIX shell. */
const quoted = (word: string) => (/^[\w+:.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

const setUser = (user: string, rules: readonly string[]) =>
  ["redis-cli ACL SETUSER", ...[user, ...rules].map(quoted)].join(" ");

function keysVerdict({ access, asked, shards }: Facts): Verdict[] {
  const { prefix, role } = asked;
  const patterns = aclRules({ prefix, shards, role }).filter((rule) => rule.includes("~"));
  return [
    critical(
      "rights",
      `the Redis user ${JSON.stringify(access.user)} may not use the keys of the prefix ${JSON.stringify(prefix)}`,
      `${setUser(access.user, patterns)}, or correct --prefix`,
    ),
  ];
}

/** `enough`: the roles that the user has the rights of. */
function missing(
  { access: { user }, asked, shards }: Facts,
  names: readonly string[],
  enough: readonly Role[] = [],
): Verdict {
  const others = enough.length === 0 ? "" : `; it is a ${some(enough)} (if so, say --role ${enough.at(-1)!})`;
  const rules = names.map((name) => `+${name.toLowerCase()}`);
  return critical(
    "rights",
    `the Redis user ${JSON.stringify(user)} may not run ${some(names, 8)}, which the role ${asked.role} needs${others}`,
    `${setUser(user, rules)}; all that it needs: ${aclCommand(asked, shards)}`,
  );
}

/** The command that prints all that the role needs. */
function aclCommand({ role, prefix, cluster }: Facts["asked"], shards: number): string {
  const options = [
    `--role ${role}`,
    ...(prefix === PREFIX ? [] : [`--prefix ${quoted(prefix)}`]),
    ...(shards === 1 ? [] : [`--shards ${shards}`]),
    ...(cluster ? ["--cluster"] : []),
  ];
  return `npx rollcall acl ${options.join(" ")}`;
}

const lacks = (commands: ReadonlyMap<string, Permission>, role: Role, wanted: Permission) =>
  commandsOf(role).filter((name) => commands.get(name) === wanted);

function roleVerdicts(facts: Facts): Verdict[] {
  const { access, asked } = facts;
  const { user } = access;
  if (!("known" in access.commands)) return [unknown("rights", access.commands.unknown)];
  const commands = access.commands.known;
  const { role } = asked;
  const [absent, refused] = [lacks(commands, role, "absent"), lacks(commands, role, "no")];
  const verdicts: Verdict[] = [];
  const gone = absent.filter((name) => name !== "EVAL" && name !== "EVALSHA" && !(name in SPARED));
  if (gone.length > 0)
    verdicts.push(
      critical(
        "commands",
        `this Redis has no ${some(gone, 8)}: renamed, disabled, or too old`,
        `take ${some(gone.map((name) => `rename-command ${name}`))} out of its configuration and restart it`,
      ),
    );
  const needed = refused.filter((name) => !(name in SPARED));
  if (needed.length > 0) {
    const enough = ROLES.filter((one) => [...lacks(commands, one, "no"), ...lacks(commands, one, "absent")].length === 0); // prettier-ignore
    return [...verdicts, missing(facts, needed, enough)];
  }
  for (const name of refused.filter((one) => one in SPARED))
    verdicts.push(
      note("rights", `without ${name.replace("|", " ")} ${SPARED[name]!}`, setUser(user, [`+${name.toLowerCase()}`])),
    ); // prettier-ignore
  return [...verdicts, ...excess(facts, commands)];
}

/** More than any role needs: for everybody who is not an administrator a risk, not a fault. */
function excess(
  { access: { user }, asked, shards }: Facts,
  commands: ReadonlyMap<string, Permission>,
): Verdict[] {
  const beyond = BEYOND.map(nameOf).filter((name) => commands.get(name) === "yes");
  const writes = READING.has(asked.role) && commands.get("HSET") === "yes";
  if (beyond.length === 0 && !writes)
    return [ok("rights", `the Redis user ${JSON.stringify(user)} has what a ${asked.role} needs`)];
  const what = writes ? "change the projection" : `run ${some(beyond.map((name) => name.replace("|", " ")))}`;
  const found = `the Redis user ${JSON.stringify(user)} may also ${what}, which a ${asked.role} does not need`;
  const remedy = `create one that may not: ${aclCommand(asked, shards)}`;
  return [asked.isRoleNamed ? warning("rights", found, remedy) : note("rights", found, remedy)];
}
