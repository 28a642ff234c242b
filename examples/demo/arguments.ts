/** The arguments of `npm start`, checked before anything starts. */
import { parseArgs } from "node:util";

export const HELP = `Usage: npm start [-- --once] [--users N] [--ttl MS]

Runs a small cluster on this machine and shows that its presence counts stay correct while nodes crash and restart:
a Redis, three Socket.IO processes, some hundred users with several tabs each, and the edge API in workerd.
Without flags it runs until q or Ctrl-C, killing and restarting nodes. In a terminal, k kills one now, d drains one, p pauses.

  --once      runs every stage once, checks each one and exits with 0 or 1 within a minute
  --users N   number of users, 4 to 500; default 200
  --ttl MS    how long a process is believed after its last record, 1000 to 10000 ms; default 3000
  --help      this text

REDIS_URL selects a Redis, in which the demo uses a prefix of its own. Without it, a temporary Redis is started.
`;

const USERS = 200;
const USERS_MIN = 4;
/** Every change goes to every client, and all clients share one process here. */
const USERS_MAX = 500;
const TTL_MS = 3_000;
/** A client of a killed node must connect to another one within two thirds of this, even on a busy machine. */
const TTL_MS_MIN = 1_000;
/** A stage waits for a lease to expire, and all stages must fit into a minute. */
export const TTL_MS_MAX = 10_000;

export interface DemoOptions {
  readonly once: boolean;
  readonly users: number;
  /** Lease of a process, ms. */
  readonly ttl: number;
}

/** The options, or "help". Throws TypeError with a message for the user. */
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
