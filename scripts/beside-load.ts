/**
 * Runs a command under a load that keeps every core busy: `npm run beside-load -- npm test`.
 *
 * Starts one busy process per core (or N), runs the command, ends them, and exits with the command's code (128 plus the number
 * of the signal that ended it). A test that fails only here has a race: fix the race, do not lengthen a timeout.
 *
 * After every slice a busy process checks whether its owner is alive, so that none is left behind.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { availableParallelism, constants } from "node:os";

const USAGE = "Usage: npm run beside-load -- [--busy N] [--] COMMAND [ARGUMENT …]\n";
const EXIT_USAGE = 2;
const EXIT_SIGNALLED = 128;

/** Busy for a second at a time; in between it exits if its owner has ended. */
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
// A terminal sends Ctrl-C to the command too; a signal to this process alone is forwarded.
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
