/** Finds the command and runs it. One file a command; each takes its own arguments and resolves with the exit code. */
import { VERSION } from "../core/version.ts";
import { acl, ACL_HELP } from "./acl.ts";
import { check, CHECK_HELP } from "./check.ts";
import { conformance, CONFORMANCE_HELP } from "./conformance.ts";
import { doctor, DOCTOR_HELP } from "./doctor.ts";
import { complain, print } from "./print.ts";

const HELP = `rollcall ${VERSION}

  rollcall conformance -- <command>   checks a recorder written in any language
  rollcall acl                        prints the Redis users that each role needs

  rollcall doctor                     says what is wrong with a Redis and the presence in it, and what to do
  rollcall check                      a plugin for Nagios and Icinga

  rollcall --help, rollcall --version
  rollcall <command> --help
`;

/**
 * Exit codes: 0, all is well; 1, a check failed; 2, the command line is wrong, or there is no Redis for the conformance kit; 3, `doctor`
 * did not reach Redis. `check` has those of Nagios.
 */
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
    case "doctor":
      if (rest[0] === "--help") {
        print(DOCTOR_HELP);
        return 0;
      }
      return doctor(rest);
    case "check":
      if (rest[0] === "--help") {
        print(CHECK_HELP);
        return 0;
      }
      return check(rest);
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
