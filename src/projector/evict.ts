/**
 * evict: an operator ends a process by hand, as a server that took its place would: a record that says it is replaced.
 */
import { ID_BYTES_MAX, RECORDS_KEPT, TTL_MS } from "../core/limits.ts";
import { invalid } from "../core/options.ts";
import { encodeRecord } from "../core/record.ts";
import { isBefore } from "../core/stream-id.ts";
import { utf8Length } from "../core/utf8.ts";
import { VERSION } from "../core/version.ts";
import type { ShardKeys } from "../core/keys.ts";
import { fieldsOf, text } from "../redis/decode.ts";
import type { WritePort } from "../redis/port.ts";
import type { StepResult } from "./call.ts";

/** Most calls; the rest is left to the next projector. Each does as much as the budget allows. */
const CALLS_MAX = 1_000;

/** Returns it, or throws PresenceError OPTIONS_INVALID. */
export function checkProcess(id: unknown): string {
  const good = typeof id === "string" && id !== "" && id.isWellFormed() && utf8Length(id) <= ID_BYTES_MAX;
  if (!good)
    invalid(`evict() takes the id of a process, 1 to ${ID_BYTES_MAX} bytes, as processes() gives it`);
  return id;
}

/** Resolves with whether it was live or fenced in this shard. */
export async function evictFrom(
  port: WritePort,
  keys: ShardKeys,
  process: string,
  step: () => Promise<StepResult>,
  sign: (fields: readonly string[], recordsKey: string) => Promise<readonly string[]>,
): Promise<boolean> {
  const asked = "HMGET of states";
  const [line = null] = fieldsOf(await port.call(["HMGET", keys.states, process]), asked, 1);
  const record = encodeRecord({
    process: `evict.${crypto.randomUUID()}`,
    seq: 1,
    ttl: TTL_MS,
    about: { host: "evict", pid: 0, version: VERSION, grace: 0 },
    sockets: 0,
    bye: true,
    replaces: [process],
  });
  const signed = await sign(record, keys.records);
  const add = ["XADD", keys.records, "MAXLEN", "~", String(RECORDS_KEPT), "*", ...signed] as const;
  const id = text(await port.call(add), "XADD");
  for (let calls = 0; calls < CALLS_MAX; calls++) {
    const { foldedId, more } = await step();
    if (!more && !isBefore(foldedId, id)) break;
  }
  return line !== null && /^(?:live|fenced) /.test(line);
}
