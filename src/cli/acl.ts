/** `rollcall acl`: prints the Redis users of src/core/access.ts. Needs no Redis. */
import { parseArgs } from "node:util";
import { ACL_VERSIONS, aclLine, type AclVersion, type Role, ROLES, whoIs } from "../core/access.ts";
import { PresenceError } from "../core/errors.ts";
import { complain, print } from "./print.ts";

export const ACL_HELP = `rollcall acl [options]

Prints a command for redis-cli that makes a Redis user with what a role needs and nothing else. Put a password in place of a-password.

  --role <role>      only this role; may be repeated (all)
${ROLES.map((role) => `                       ${role.padEnd(18)} ${whoIs(role)}`).join("\n")}
  --prefix <prefix>  (presence)
  --shards <n>       (1)
  --redis <version>  ${ACL_VERSIONS.join(", ")}: the oldest server it is for (7.2, and Valkey)
  --cluster          for a Redis Cluster: run it on each node
  --select           the client selects a database other than 0

Exit codes: 0; 2, the command line is wrong.`;

export function acl(args: readonly string[]): number {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        role: { type: "string", multiple: true, default: [...ROLES] },
        prefix: { type: "string" },
        shards: { type: "string" },
        redis: { type: "string" },
        cluster: { type: "boolean", default: false },
        select: { type: "boolean", default: false },
      },
    });
    const { role: roles, shards, redis, ...rest } = values;
    const lines = roles.map((role) => {
      const options = {
        ...rest,
        // Checked there, as all options are.
        role: role as Role,
        redis: redis as AclVersion | undefined,
        shards: shards === undefined ? undefined : Number(shards),
      };
      const line = aclLine(options);
      return `# ${role}: ${whoIs(options.role)}\n${line}`;
    });
    print(lines.join("\n\n"));
    return 0;
  } catch (error) {
    const isUse = error instanceof PresenceError || error instanceof TypeError;
    if (!isUse) throw error;
    complain(`rollcall acl: ${error.message}\n\n${ACL_HELP}`);
    return 2;
  }
}
