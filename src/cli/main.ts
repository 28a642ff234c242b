/** Finds the command and runs it. One file a command; each takes its own arguments and resolves with the exit code. */
import { VERSION } from "../core/version.ts";
import { acl, ACL_HELP } from "./acl.ts";
import { conformance, CONFORMANCE_HELP } from "./conformance.ts";
import { complain, print } from "./print.ts";

const HELP = `rollcall ${VERSION}

  rollcall conformance -- <command>   checks a recorder written in any language
  rollcall acl                        prints the Redis users that each role needs

  rollcall --help, rollcall --version
  rollcall conformance --help, rollcall acl --help
`;

/** Exit codes: 0, all is well; 1, a check failed; 2, the command line is wrong, or there is no Redis. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  switch (name) {
    case "conformance":
      if (rest[0] === "--help") {
        print(CONFORMANCE_HELP);
        return 0;
      }
      return conformance(rest);
    case "acl":
      if (rest[0] === "--help") {
        print(ACL_HELP);
        return 0;
      }
      return acl(rest);
    case "--version":
      print(VERSION);
      return 0;
    case "--help":
    case undefined:
      print(HELP);
      return 0;
    default:
      complain(`rollcall: there is no command ${JSON.stringify(name)}\n\n${HELP}`);
      return 2;
  }
}
