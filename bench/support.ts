/** What several benchmarks share: medians, what Redis says it used, and Socket.IO's recipe. */
import type { Redis } from "ioredis";
import { BUDGET } from "../src/core/limits.ts";
import type { ShardKeys } from "../src/core/keys.ts";
import { project } from "../src/lua/generated.ts";
import { parseReply, type StepResult } from "../src/projector/call.ts";
import type { Reply } from "../src/redis/port.ts";

/** The middle value; the mean of the two middle ones for an even count. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value that `share` of them do not exceed. NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}

export function chunks<T>(items: readonly T[], size: number): T[][] {
  const all: T[][] = [];
  for (let i = 0; i < items.length; i += size) all.push(items.slice(i, i + size));
  return all;
}

/** User + system CPU of Redis's main thread so far, µs. */
export async function cpuOf(redis: Redis): Promise<number> {
  const info = await redis.info("cpu");
  const field = (name: string) => Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]);
  return 1e6 * (field("used_cpu_sys_main_thread") + field("used_cpu_user_main_thread"));
}

/** Bytes through Redis so far, in both directions. What asking for them adds is in the next answer. */
export async function bytesThrough(redis: Redis): Promise<number> {
  const info = await redis.info("stats");
  const field = (name: string) => Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]);
  return field("total_net_input_bytes") + field("total_net_output_bytes");
}

/** Calls of each command so far, those within scripts included. */
export async function callsOf(redis: Redis): Promise<Map<string, number>> {
  const stats = await redis.info("commandstats");
  return new Map(
    [...stats.matchAll(/cmdstat_([^:]+):calls=(\d+)/g)].map(([, name, calls]) => [name!, Number(calls)]),
  );
}

/** The script of the recipe for a socket that goes. */
export const DOWN = `
local n = redis.call('HINCRBY', KEYS[1], ARGV[1], -1)
if n == 0 then redis.call('HDEL', KEYS[1], ARGV[1]) end
return n`;

/**
 * The arguments of a call of the projector, after EVALSHA and the hash. Needs the script loaded (loadProjector). `keyArguments`: of a
 * caller that has keys.
 */
export function projectArguments(keys: ShardKeys, keyArguments: readonly string[] = [], keep = ""): string[] {
  const own = ["1", String(BUDGET), "1", "", "", "group", "", "", keep, ...keyArguments];
  return [String(keys.list.length), ...keys.list, ...own];
}

export async function loadProjector(redis: Redis): Promise<void> {
  await redis.script("LOAD", project.text);
}

/** The result of a call. Throws when a record was not folded: then the figures are of something else. */
export function folded(reply: unknown): StepResult {
  const result = parseReply(reply as Reply);
  if (result.rejected + result.fenced + result.skipped > 0 || result.rebuilt)
    throw new Error(`not folded: ${JSON.stringify(result)}`);
  return result;
}

/** One call of the projector. Resolves with its result. */
export async function step(
  redis: Redis,
  keys: ShardKeys,
  keyArguments?: readonly string[],
): Promise<StepResult> {
  return folded(await redis.call("EVALSHA", project.sha1, ...projectArguments(keys, keyArguments)));
}

/** How long each script that `run` calls held Redis, ms, from its slow log. */
export async function heldBy(redis: Redis, run: () => Promise<unknown>): Promise<number[]> {
  await redis.config("SET", "slowlog-max-len", "1000000");
  await redis.call("SLOWLOG", "RESET");
  await redis.config("SET", "slowlog-log-slower-than", "0");
  await run();
  await redis.config("SET", "slowlog-log-slower-than", "-1");
  const entries = (await redis.call("SLOWLOG", "GET", "-1")) as [number, number, number, string[]][];
  return entries.filter((entry) => /^eval/i.test(entry[3][0]!)).map((entry) => entry[2] / 1000);
}
