/**
 * Chaos tests with real processes: `npm run chaos -- --minutes N --seed S`. Exits with 1 when something did not heal within its
 * limit, an online user was reported offline, or a process ended unexpectedly.
 *
 * SIGINT and SIGTERM shut it down; a second one, or a shutdown that takes too long, kills what is left.
 */
import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { killEveryGroup } from "../rig/child.ts";
import { FAULTS, faultNamed } from "../test/chaos/faults.ts";
import { tableOf } from "../test/chaos/ledger.ts";
import { runChaos } from "../test/chaos/run.ts";

const HELP = `Usage: npm run chaos [-- --minutes N] [--seed S] [--shards N] [--users N] [--faults N] [--only NAME]...

  --minutes N   no fault begins later than this; default 2
  --seed S      repeats the faults, their order and their targets; default random
  --shards N    number of shards, 1 to 16; default: the seed decides
  --users N     number of users, 4 to 500; default 60
  --faults N    at most so many faults
  --only NAME   only this fault; can be given several times. One of:
                ${FAULTS.map(({ name }) => name).join("\n                ")}
`;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;
/** How many of the last events are shown after a failure. */
const EVENTS_SHOWN = 60;
/** How long a shutdown may take, ms. */
const CLOSE_TIMEOUT_MS = 15_000;

interface Options {
  readonly minutes: number;
  readonly seed: string;
  readonly users: number;
  readonly shards: number | undefined;
  readonly faults: number | undefined;
  readonly only: readonly string[] | undefined;
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let options: Options | "help";
  try {
    options = readArguments(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${HELP}`);
    return EXIT_USAGE;
  }
  if (options === "help") {
    process.stdout.write(HELP);
    return 0;
  }
  const stop = new AbortController();
  listenForSignals(stop);
  const { seed, minutes, users, shards, faults, only } = options;
  const again = ["npm run chaos --", `--seed ${seed} --minutes ${minutes} --users ${users}`, ...(shards === undefined ? [] : [`--shards ${shards}`]), ...(faults === undefined ? [] : [`--faults ${faults}`]), ...(only ?? []).map((name) => `--only ${JSON.stringify(name)}`)].join(" "); // prettier-ignore
  console.log(`chaos, seed ${seed}`);
  const began = performance.now();
  const events: string[] = [];
  function onEvent(text: string, quiet: boolean): void {
    const line = `${((performance.now() - began) / 1000).toFixed(1).padStart(7)} s  ${text}`;
    events.push(line);
    events.splice(0, events.length - EVENTS_SHOWN);
    if (!quiet) console.log(line);
  }
  const failure = (problems: readonly string[]) =>
    ["", "The last events:", ...events, "", ...problems.map((problem) => `FAILED: ${problem}`), `Again: ${again}`].join("\n"); // prettier-ignore
  try {
    const duration = minutes * 60_000;
    const { rows, problems, about } = await runChaos({ seed, duration, users, shards, faults, only, signal: stop.signal, onEvent }); // prettier-ignore
    if (problems.length > 0) console.log(failure(problems));
    console.log(`\n${tableOf(rows)}\n\n${about}, seed ${seed}: ${problems.length === 0 ? "all is well" : `${problems.length} failure(s)`}`); // prettier-ignore
    return problems.length === 0 ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) return EXIT_INTERRUPTED;
    console.log(failure([error instanceof Error ? (error.stack ?? error.message) : String(error)]));
    return 1;
  }
}

/** Throws TypeError with a message for the user. */
function readArguments(args: readonly string[]): Options | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "2" },
      seed: { type: "string", default: randomBytes(4).toString("hex") },
      users: { type: "string", default: "60" },
      shards: { type: "string" },
      faults: { type: "string" },
      only: { type: "string", multiple: true },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  if (!/^\w+$/.test(values.seed)) throw new TypeError("--seed must be letters and digits");
  for (const name of values.only ?? []) faultNamed(name);
  return {
    minutes: number("--minutes", values.minutes, 0.1, 24 * 60),
    seed: values.seed,
    users: number("--users", values.users, 4, 500),
    shards: values.shards === undefined ? undefined : number("--shards", values.shards, 1, 16),
    faults: values.faults === undefined ? undefined : number("--faults", values.faults, 1, 100_000),
    only: values.only,
  };
}

function number(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new TypeError(`${flag} must be a number from ${least} to ${most}, got ${JSON.stringify(text)}`);
  return value;
}

function listenForSignals(stop: AbortController): void {
  // Redis has its own watchdog.
  process.once("exit", killEveryGroup);
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      // npm forwards Ctrl-C although the terminal has already sent it: only a later signal is a second one.
      if (!stop.signal.aborted) {
        stop.abort(new Error(`ended by ${name}`));
        setTimeout(() => process.exit(EXIT_INTERRUPTED), CLOSE_TIMEOUT_MS).unref();
        setTimeout(() => process.on(name, () => process.exit(EXIT_INTERRUPTED)), 500).unref();
      }
    });
  }
}
