/** Stream entries as XREAD and XREADGROUP answer: RESP2 with pairs, RESP3 with a map, which ioredis flattens. */
import type { Reply } from "./port.ts";

export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** Stream by stream; none when nothing came. */
export function streamsOf(reply: Reply): [key: string, entries: StreamEntry[]][] {
  if (!Array.isArray(reply)) return [];
  const pairs: [string, StreamEntry[]][] = [];
  const add = (key: Reply, entries: Reply) =>
    pairs.push([key as string, (entries as [string, string[]][]).map(([id, fields]) => ({ id, fields }))]);
  if (Array.isArray(reply[0])) for (const [key, entries] of reply as Reply[][]) add(key!, entries!);
  else for (let i = 0; i < reply.length; i += 2) add(reply[i], reply[i + 1]);
  return pairs;
}
