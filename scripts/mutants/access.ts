/** Breaks of who may do what: the users that `rollcall acl` prints, and what is open without a token. */
import type { Mutant } from "./mutant.ts";

const ROLES = "test/unit/access/roles.test.ts";
const REFUSED = "test/unit/access/refused.test.ts";
const LACKING = "test/unit/access/lacking.test.ts";
const AUTH = "test/unit/http/auth.test.ts";
const OPERATIONS = "test/scenario/functions/operations.test.ts";

function mutant(name: string, test: string, file: string, find: string, replace: string): Mutant {
  return { name: `access-${name}`, breaks: "INV-8", tests: [test], edits: [{ file, find, replace }] };
}

const TABLE = "src/core/access.ts";
const APP = "src/http/app.ts";

export const ACCESS_MUTANTS: readonly Mutant[] = [
  mutant("all-of-client", REFUSED, TABLE, '"CLIENT|SETNAME", ', '"CLIENT", '),
  mutant("all-of-memory", REFUSED, TABLE, '"MEMORY|USAGE",', '"MEMORY",'),
  mutant("all-of-cluster", REFUSED, TABLE, "...(cluster ? CLUSTER : [])", '"CLUSTER"'),
  mutant("select-always", REFUSED, TABLE, '...(select ? ["SELECT"] : [])', '"SELECT"'),
  mutant("channels", REFUSED, TABLE, '"resetchannels",', '"allchannels", "+subscribe",'),
  mutant(
    "keys-of-longer-prefixes",
    ROLES,
    TABLE,
    "`${sign}~${tag}:${name}`",
    "`${sign}~${tag.slice(0, -1)}*:${name}`",
  ),
  mutant("pattern-of-any-digits", ROLES, TABLE, '.replace(/\\d/g, "[0-9]")', '.replace(/\\d+/g, "[0-9]*")'),
  mutant("operator-cannot-forget", ROLES, TABLE, '"HINCRBY", "XREVRANGE"', '"HINCRBY"'),
  mutant("pattern-is-not-quoted", ROLES, TABLE, 'text.replace(/[\\\\*?[\\]]/g, "\\\\$&")', "text"),
  mutant("reader-writes", REFUSED, TABLE, '"PFCOUNT", "MULTI", "EXEC",', '"PFCOUNT", "MULTI", "EXEC", "HSET",'),
  mutant("superfluous-command", ROLES, TABLE, 'commands: ["XADD", "HMGET"]', 'commands: ["XADD", "HMGET", "HGET"]'),
  mutant("missing-command", ROLES, TABLE, '"ZSCAN", "HINCRBY"', '"HINCRBY"'),
  mutant("transaction-that-may-not-run", LACKING, "src/redis/errors.ts", " || /NOPERM/.test(saidIn(error))", ""),
  mutant("multi-that-may-not-run", LACKING, "src/redis/errors.ts", "[error, ...previousErrors]", "[error]"),
  mutant("probes-open-all-routes", AUTH, APP, "return composed(options, routesOf, \"users\");", "return composed(options, routesOf, undefined);"),
  mutant("probes-port-serves-all", OPERATIONS, APP, 'resolveAppOptions({ ...input, probes: "open", docs: false }), probesOf,', 'resolveAppOptions({ ...input, probes: "open", docs: false }), routesOf,'),
  mutant("probes-open-by-default", OPERATIONS, "src/http/options.ts", 'probes: ProbesAccess = "closed"', 'probes: ProbesAccess = "open"'),
]; // prettier-ignore
