/** What commands that run until they are stopped have in common. */
import type { Logger } from "../core/options.ts";
import type { From } from "../node/serve-from.ts";
import { type Call, EXIT } from "./command.ts";
import { environmentOf, readFrom } from "./environment.ts";
import { escaped, Printer } from "./print.ts";

/** Lines to stderr. */
export function loggerOf({ io }: Call): Logger {
  const printer = new Printer(io);
  const say = (message: string) => printer.say(escaped(message));
  return { info: say, warn: say, error: say };
}

/** A service of src/node. Ends with 0 on SIGTERM and SIGINT: that is how it is meant to end. */
export async function runService(
  call: Call,
  service: (from: From) => Promise<void>,
  keeps: readonly string[] = [],
): Promise<number> {
  const failing = new AbortController();
  const signal = AbortSignal.any([failing.signal, call.io.signal]);
  const fail = () => failing.abort();
  const environment = environmentOf(call, keeps);
  try {
    await service({ environment, signal, fail, logger: loggerOf(call) });
  } catch (error) {
    readFrom(call, () => {
      throw error;
    });
  }
  return EXIT.ok;
}
