/** `rollcall check`: a plugin for Nagios, Icinga and what takes their plugins. One line, and an exit code. */
import { parseArgs } from "node:util";
import { PresenceError } from "../core/errors.ts";
import { resolveKeyOptions } from "../core/key-options.ts";
import { SHARDS_MAX } from "../core/limits.ts";
import { invalid } from "../core/options.ts";
import { judge, UNKNOWN, type Bounds } from "../doctor/plugin.ts";
import type { Where } from "../doctor/reach.ts";
import { CONNECTING, loadDoctor, numberOf, TIMEOUT_MS, useError, whereOf } from "./connecting.ts";
import { STANDARD, type Surroundings } from "./print.ts";

const WARNING_LAG_MS = 5_000;
const CRITICAL_LAG_MS = 60_000;
const LAG_MS_MOST = 86_400_000;

export const CHECK_HELP = `rollcall check [options]

A plugin for Nagios and Icinga: one line with figures, and their exit codes. It needs what the Redis user \`reader\` may do.

  --redis <url>         redis:// or rediss:// (REDIS_URL; else UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN)
  --prefix <prefix>     (presence)
  --shards <n>          the number your servers have (as many as Redis says)
  --cluster             it is a Redis Cluster
  --warning-lag <ms>    work has waited for a projector for longer (${WARNING_LAG_MS})
  --critical-lag <ms>   (${CRITICAL_LAG_MS})
  --min-processes <n>   fewer live servers are critical (1)
  --max-rejected <n>    more rejected entries than this, of all time, are a warning (no limit)
  --timeout <ms>        how long to wait for Redis (${TIMEOUT_MS})

Exit codes: 0, OK; 1, WARNING; 2, CRITICAL, also when Redis is not reached; 3, UNKNOWN, also when the command line is wrong.`;

const OPTIONS = {
  ...CONNECTING,
  "warning-lag": { type: "string" },
  "critical-lag": { type: "string" },
  "min-processes": { type: "string" },
  "max-rejected": { type: "string" },
} as const;

interface Given {
  readonly where: Where;
  readonly prefix: string;
  readonly bounds: Bounds;
}

export async function check(
  args: readonly string[],
  { print, env }: Surroundings = STANDARD,
): Promise<number> {
  const given = read(args, env);
  if (typeof given === "string") {
    // Nagios shows the first line of standard output, so that is where it has to be.
    print(`ROLLCALL UNKNOWN - ${given}; rollcall check --help`);
    return UNKNOWN;
  }
  const loaded = await loadDoctor();
  if (loaded === undefined) {
    print("ROLLCALL UNKNOWN - it needs ioredis, or @upstash/redis for a REST API: npm i ioredis");
    return UNKNOWN;
  }
  const { measure } = await import("../doctor/measure.ts");
  const { line, exit } = await judge(
    () => measure(loaded.reach, given.where, { prefix: given.prefix, shards: given.bounds.shards }),
    given.bounds,
  );
  print(line);
  return exit;
}

/** Text: what is wrong. */
function read(args: readonly string[], env: Surroundings["env"]): Given | string {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const { prefix } = resolveKeyOptions({ prefix: values.prefix });
    const number = (name: "warning-lag" | "critical-lag" | "min-processes" | "max-rejected", most: number) =>
      numberOf(name, values[name], 0, most);
    const bounds: Bounds = {
      shards: numberOf("shards", values.shards, 1, SHARDS_MAX),
      warningLag: number("warning-lag", LAG_MS_MOST) ?? WARNING_LAG_MS,
      criticalLag: number("critical-lag", LAG_MS_MOST) ?? CRITICAL_LAG_MS,
      minProcesses: number("min-processes", 1_000_000) ?? 1,
      maxRejected: number("max-rejected", Number.MAX_SAFE_INTEGER),
    };
    if (bounds.warningLag > bounds.criticalLag)
      invalid(`--warning-lag (${bounds.warningLag}) must not be above --critical-lag (${bounds.criticalLag})`);
    return { where: whereOf(values, env), prefix, bounds };
  } catch (error) {
    if (error instanceof PresenceError) return error.message;
    const text = useError(error, Object.keys(OPTIONS));
    if (text === undefined) throw error;
    return text;
  }
} // prettier-ignore
