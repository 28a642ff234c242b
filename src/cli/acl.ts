/** `rollcall acl`: prints the Redis users of src/core/access.ts. Needs no Redis. */
import { aclLine, type AclVersion, type Role, ROLES, whoIs } from "../core/access.ts";
import { type Call, EXIT } from "./command.ts";
import { readFrom } from "./environment.ts";
import { Printer } from "./print.ts";

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const asked = given.list("role") as readonly Role[];
  const users = (asked.length === 0 ? ROLES : asked).map((role) => ({
    role,
    about: whoIs(role),
    command: readFrom(call, () =>
      aclLine({
        role,
        prefix: given.text("prefix"),
        shards: given.number("shards"),
        redis: given.text("redis") as AclVersion | undefined,
        cluster: given.on("cluster"),
        select: given.on("select"),
      }),
    ),
  }));
  if (given.on("json")) for (const user of users) printer.json(user);
  else printer.line(users.map(({ role, about, command }) => `# ${role}: ${about}\n${command}`).join("\n\n"));
  return EXIT.ok;
}
