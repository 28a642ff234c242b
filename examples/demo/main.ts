/**
 * The demo: `npm start`, or `npm start -- --once` to check every stage.
 *
 * Ctrl-C (SIGINT), SIGTERM and SIGHUP shut it down; a second one, or a shutdown that takes too long, kills what is left.
 */
import { BridgeError } from "../../packages/upstash-bridge/src/index.ts";
import { LocalRedisError } from "../../packages/local-redis/src/index.ts";
import { type DemoOptions, HELP, readArguments } from "./arguments.ts";
import { Latest, Tally } from "./changes.ts";
import { ChildError, killEveryGroup } from "../../rig/child.ts";
import { DemoError } from "./errors.ts";
import { listenForKeys, Wishes } from "./keys.ts";
import { playLive } from "./live.ts";
import { playOnce } from "./once.ts";
import { seconds } from "../../rig/pace.ts";
import { CHANGES_MAX } from "./table.ts";
import { openView, trialOf } from "./view.ts";
import { graceOf, openWorld, type World, type WorldOptions } from "./world.ts";

/** The exit code for wrong arguments, as in shells. */
const EXIT_USAGE = 2;
/** Added to the number of the signal that ended a command, as in shells. */
const EXIT_SIGNALLED = 128;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** npm forwards Ctrl-C although the terminal has already sent it: two signals within this time, ms, are one Ctrl-C. */
const PAIR_MS = 500;
/** How long a shutdown may take, ms. */
const CLOSE_TIMEOUT_MS = 12_000;
/** `--once` must end within a minute, including the shutdown. */
const ONCE_TIMEOUT_MS = 45_000;

/** Not an error: the user ended the demo. */
class Interrupted extends Error {
  readonly signal: keyof typeof SIGNALS;
  readonly exitCode: number;
  constructor(signal: keyof typeof SIGNALS) {
    super(`ended by ${signal}`);
    this.signal = signal;
    this.exitCode = EXIT_SIGNALLED + SIGNALS[signal];
  }
}

process.exitCode = await main();

async function main(): Promise<number> {
  let options: DemoOptions | "help";
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return EXIT_USAGE;
  }
  if (options === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  const stop = new AbortController();
  listenForSignals(stop);
  try {
    await (options.once ? once(options, stop) : live(options, stop));
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      print(
        options.once ? `Ended by ${error.signal}; nothing is left behind.` : "Ended; nothing is left behind.",
      );
      // Without --once this is the normal end.
      return options.once ? error.exitCode : 0;
    }
    if (
      error instanceof DemoError ||
      error instanceof ChildError ||
      error instanceof LocalRedisError ||
      error instanceof BridgeError
    ) {
      process.stderr.write(`${error.message}\n`);
      return 1;
    }
    throw error;
  }
}

async function once(options: DemoOptions, stop: AbortController): Promise<void> {
  const timer = setTimeout(() => {
    stop.abort(new DemoError(`the stages did not end within ${seconds(ONCE_TIMEOUT_MS)}`));
  }, ONCE_TIMEOUT_MS);
  const began = performance.now();
  const tally = new Tally();
  try {
    await within(
      options,
      stop,
      (node, change) => tally.hear(node, change),
      (world) => playOnce(world, tally, stop.signal, print),
    );
  } finally {
    clearTimeout(timer);
  }
  print(`ok  everything in ${seconds(performance.now() - began)}, and nothing is left behind`);
}

async function live(options: DemoOptions, stop: AbortController): Promise<void> {
  const latest = new Latest(CHANGES_MAX);
  await within(
    options,
    stop,
    (_, change) => latest.hear(change),
    async (world) => {
      print(`Dashboard: ${world.edge.url}`);
      print(["Try it:", ...trialOf(world)].join("\n  "));
      const view = openView(world);
      const wishes = new Wishes();
      const stopKeys = listenForKeys(process.stdin, wishes);
      try {
        await playLive({
          world,
          signal: stop.signal,
          wishes,
          changes: () => latest.list(),
          show: (shot, caption) => view.show(shot, caption),
        });
      } finally {
        stopKeys();
        view.close();
        print("Shutting down: users leave, nodes say goodbye …");
      }
    },
  );
}

/** Opens a world, runs `happen` in it and shuts it down, by force if that takes too long. */
async function within(
  options: DemoOptions,
  stop: AbortController,
  onChange: WorldOptions["onChange"],
  happen: (world: World) => Promise<void>,
): Promise<void> {
  const { ttl, users } = options;
  const began = performance.now();
  print(`Rollcall demo: ${users} users, 3 nodes, lease ${ttl} ms, grace ${graceOf(options)} ms. Starting …`);
  const closing = () => setTimeout(() => giveUp("the shutdown took too long", 1), CLOSE_TIMEOUT_MS);
  let timer: NodeJS.Timeout | undefined;
  stop.signal.addEventListener("abort", () => (timer ??= closing()), { once: true });
  try {
    const onFailure = (error: DemoError) => stop.abort(error);
    const onProgress = (what: string) =>
      print(`  ${what.padEnd(36)} ${seconds(performance.now() - began).padStart(7)}`);
    const world = await openWorld({ options, signal: stop.signal, onChange, onFailure, onProgress });
    try {
      print(`Started in ${seconds(performance.now() - began)}: ${world.engine}, 3 nodes, workerd.`);
      print(`pids ${world.pids.join(" ")}`);
      await happen(world);
    } finally {
      timer ??= closing();
      await world[Symbol.asyncDispose]();
    }
  } finally {
    clearTimeout(timer);
  }
}

function listenForSignals(stop: AbortController): void {
  process.once("exit", killEveryGroup);
  let first = Number.NaN;
  for (const name of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) {
    process.on(name, () => {
      if (Number.isNaN(first)) {
        first = performance.now();
        stop.abort(new Interrupted(name));
      } else if (performance.now() - first > PAIR_MS) {
        giveUp("ended by force", EXIT_SIGNALLED + SIGNALS[name]);
      }
    });
  }
  // The reader of our output is gone (`npm start | head`, a closed window): end the demo.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", () => stop.abort(new Interrupted("SIGHUP")));
  }
}

/** Exits at once: the children's groups are killed on "exit", and Redis by its watchdog. */
function giveUp(reason: string, exitCode: number): never {
  process.stderr.write(`${reason}\n`);
  process.exit(exitCode);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
