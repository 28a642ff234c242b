/** What `npm start` is given, checked before anything starts. */
import { parseArgs } from "node:util";

export const HELP = `Usage: npm start [-- --once] [--users N] [--ttl MS]

Runs a small cluster on this machine and shows that its presence counts are right, whatever happens to a node:
a Redis, three Socket.IO processes, some hundred users with several tabs each, and the edge API in workerd.
Without flags it goes on until Ctrl-C, killing and restarting nodes.

  --once      plays the story once, checks every stage and exits with 0 or 1, within a minute
  --users N   how many users, 4 to 500; 200 by default
  --ttl MS    how long a process is believed after its last record, 1000 to 10000 ms; 3000 by default
  --help      this text

REDIS_URL names the Redis to use, under a prefix of its own; without it a Redis is started and stopped again.
`;

const USERS = 200;
const USERS_MIN = 4;
/** Every change is told to every client, and all clients share one process here. */
const USERS_MAX = 500;
const TTL_MS = 3_000;
/** A client of a killed node has to find another one within two thirds of this, on a busy machine too. */
const TTL_MS_MIN = 1_000;
/** A stage waits for a lease to run out, and all of them have to fit into a minute. */
export const TTL_MS_MAX = 10_000;

export interface DemoOptions {
  readonly once: boolean;
  readonly users: number;
  /** Lease of a process, ms. */
  readonly ttl: number;
}

/** The options, or "help". Throws TypeError with a message for the person who typed. */
export function readArguments(args: readonly string[]): DemoOptions | "help" {
  const { values } = parseArgs({
    args: [...args],
    options: {
      once: { type: "boolean" },
      users: { type: "string" },
      ttl: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) return "help";
  return {
    once: values.once === true,
    users: whole("--users", values.users, USERS, USERS_MIN, USERS_MAX),
    ttl: whole("--ttl", values.ttl, TTL_MS, TTL_MS_MIN, TTL_MS_MAX),
  };
}

function whole(
  flag: string,
  text: string | undefined,
  otherwise: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return otherwise;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw new TypeError(
      `${flag} must be a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`,
    );
  }
  return value;
}
