/** The environment of a call, with its flags in it under the names that src/edge/environment.ts reads. */
import { VARIABLES } from "../edge/variables.ts";
import { PresenceError } from "../core/errors.ts";
import type { Call } from "./command.ts";
import { UsageError } from "./command.ts";
import { TABLE } from "./table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables of this command alone: those of the API and the projector do not know them, and refuse what they do not know. */
const OWN: ReadonlySet<string> = new Set(
  TABLE.flatMap(({ flags }) => flags.flatMap(({ env }) => (env === null || env in VARIABLES ? [] : [env]))),
);

/**
 * `keeps`: variables of this command that are refused all the same, because somebody who sets one here means another: ROLLCALL_TOKEN for
 * ROLLCALL_TOKENS.
 */
export function environmentOf({ entry, given, io }: Call, keeps: readonly string[] = []): Environment {
  const environment = Object.fromEntries(
    Object.entries(io.env).filter(([name]) => !OWN.has(name) || keeps.includes(name)),
  );
  for (const { name, env } of entry.flags) {
    if (env === null || OWN.has(env) || !given.isOnLine(name)) continue;
    const value = given.text(name) ?? given.number(name);
    if (value !== undefined) environment[env] = String(value);
  }
  return environment;
}

/** What `read` makes of it: an invalid variable is wrong use, and is named without its value, or the flag that was given instead. */
export function readFrom<T>({ entry, given }: Call, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof PresenceError && error.code === "OPTIONS_INVALID")) throw error;
    const flag = entry.flags.find(
      ({ name, env }) => env !== null && given.isOnLine(name) && error.message.startsWith(`${env}: `),
    );
    const said =
      flag === undefined ? error.message : `--${flag.name}${error.message.slice(flag.env!.length)}`;
    throw new UsageError(said, { cause: error });
  }
}
