/** The leases of the processes: the sorted set `processes`. */
import type { ShardKeys } from "../core/keys.ts";
import { PROCESSES_MAX } from "../core/limits.ts";
import type { ReadCommand } from "../redis/port.ts";

export const LEASES_ASKED = "ZRANGE of leases";

/** All leases of a shard in one read: heartbeats change their order, so reading them in pages would miss some. */
export function leasesCommand(keys: ShardKeys): ReadCommand {
  return ["ZRANGE", keys.processes, "0", "+inf", "BYSCORE", "LIMIT", "0", String(PROCESSES_MAX), "WITHSCORES"]; // prettier-ignore
}

/** The process id from a member of `processes`, which is `<slot>:<id>`. */
export function processIn(member: string): string {
  return member.slice(member.indexOf(":") + 1);
}

/** The slot from such a member. */
export function slotIn(member: string): string {
  return member.slice(0, member.indexOf(":"));
}
