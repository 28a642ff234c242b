/** `rollcall conformance -- <command>`: docs/conformance.md. */
import { parseArgs } from "node:util";
import { CHECKS } from "./conformance/checks.ts";
import { runChecks } from "./conformance/run.ts";
import { findRedis } from "./conformance/redis-server.ts";
import { complain, print } from "./print.ts";

export const CONFORMANCE_HELP = `rollcall conformance [options] -- <command of the recorder>

Starts the command, drives it with JSON lines over standard input and output, and checks what the projector makes of
its records. docs/conformance.md has the lines. Needs a Redis: REDIS_URL, or redis-server on PATH.

  --ttl <ms>      the lease the recorder is given (2000); a slow machine needs more
  --only <text>   only the checks whose names contain the text; may be repeated
  --at-once <n>   how many checks run at the same time (4)
  --signed        give the recorder a key, and accept only records that it has signed
  --list          print the names of the checks
  --json          print one JSON object a check

Exit codes: 0, every check passed; 1, one failed; 2, the command line is wrong, or there is no Redis.`;

/** A heartbeat is a third of it, and below this a busy machine misses some. */
const TTL_MS_LEAST = 500;
const TTL_MS_MOST = 60_000;

export async function conformance(args: readonly string[]): Promise<number> {
  const given = read(args);
  if (typeof given === "string") {
    complain(`rollcall conformance: ${given}\n\n${CONFORMANCE_HELP}`);
    return 2;
  }
  const checks = CHECKS.filter(
    ({ name }) => given.only.length === 0 || given.only.some((text) => name.includes(text)),
  );
  if (given.list) {
    for (const { name } of checks) print(name);
    return 0;
  }
  let redis;
  try {
    redis = await findRedis(process.env["REDIS_URL"]);
  } catch (error) {
    complain(`rollcall conformance: ${(error as Error).message}`);
    return 2;
  }
  try {
    let failed = 0;
    let ran = 0;
    for await (const { name, ok, skipped, reason, ms } of runChecks(redis, checks, given)) {
      ran++;
      if (!ok) failed++;
      if (given.json) print(JSON.stringify({ name, ok, skipped, reason, ms }));
      else if (ok) print(`ok ${ran} - ${name}${skipped === undefined ? "" : ` # skip ${skipped}`}`);
      else print(`not ok ${ran} - ${name}\n  ${reason!.replaceAll("\n", "\n  ")}`);
    }
    if (!given.json) print(`1..${ran}\n# ${ran - failed} passed, ${failed} failed`);
    return failed === 0 && ran > 0 ? 0 : 1;
  } finally {
    await redis.stop();
  }
}

interface Given {
  readonly command: readonly string[];
  readonly ttl: number;
  readonly atOnce: number;
  readonly only: readonly string[];
  readonly list: boolean;
  readonly json: boolean;
  readonly signed: boolean;
}

/** Text: what is wrong. */
function read(args: readonly string[]): Given | string {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        ttl: { type: "string", default: "2000" },
        "at-once": { type: "string", default: "4" },
        only: { type: "string", multiple: true, default: [] },
        signed: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    });
  } catch (error) {
    return (error as Error).message;
  }
  const { values, positionals: command } = parsed;
  const [ttl, atOnce] = [Number(values.ttl), Number(values["at-once"])];
  if (!Number.isInteger(ttl) || ttl < TTL_MS_LEAST || ttl > TTL_MS_MOST)
    return `--ttl is a whole number from ${TTL_MS_LEAST} to ${TTL_MS_MOST}`;
  if (!Number.isInteger(atOnce) || atOnce < 1 || atOnce > 32)
    return "--at-once is a whole number from 1 to 32";
  if (command.length === 0 && !values.list) return "the command of the recorder is missing";
  const { only, list, json, signed } = values;
  return { command, ttl, atOnce, only, list, json, signed };
}
