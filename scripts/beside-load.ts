/**
 * Runs a command beside a load that keeps every core busy: `npm run beside-load -- npm test`.
 *
 * Starts one busy process a core (or N), runs the command, ends them, and exits as the command did (128 plus the number
 * of the signal that ended it). What fails only here is a race: fix it where it is, not by a longer time-out.
 *
 * A busy process asks after every slice whether its owner still lives, so that none is left behind, whatever ends this.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism, constants } from "node:os";

const USAGE = "Usage: npm run beside-load -- [--busy N] [--] COMMAND [ARGUMENT …]\n";
const EXIT_USAGE = 2;
const EXIT_SIGNALLED = 128;

/** Busy for a second at a time; in between it ends if its owner has gone. */
const BUSY = `
  process.on("disconnect", () => process.exit());
  const slice = () => { const end = performance.now() + 1_000; while (performance.now() < end); setImmediate(slice); };
  slice();`;

const rest = process.argv.slice(2);
const busy = rest[0] === "--busy" ? Number(rest.splice(0, 2)[1]) : availableParallelism();
if (rest[0] === "--") rest.shift();
const [command, ...args] = rest;
if (command === undefined || command.startsWith("-") || !(Number.isSafeInteger(busy) && busy > 0)) {
  process.stderr.write(USAGE);
  process.exit(EXIT_USAGE);
}

const load = Array.from({ length: busy }, () =>
  spawn(process.execPath, ["-e", BUSY], { stdio: ["ignore", "ignore", "inherit", "ipc"] }),
);
// A terminal sends Ctrl-C to the command as well; whoever signals us alone means it.
const running = spawn(command, args, { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => running.kill(signal));
try {
  const [code, signal] = (await once(running, "exit")) as [number | null, NodeJS.Signals | null];
  process.exitCode = code ?? EXIT_SIGNALLED + constants.signals[signal!];
} catch (error) {
  process.stderr.write(`${command} cannot be run: ${(error as Error).message}\n`);
  process.exitCode = EXIT_USAGE;
} finally {
  for (const child of load) child.kill("SIGKILL");
}
