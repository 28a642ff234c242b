/** Stream entries as XREAD and XREADGROUP answer: RESP2 with pairs, RESP3 with a map, which ioredis flattens. */
import { entriesOf, list, text } from "./decode.ts";
import type { Reply } from "./port.ts";

/** One entry of a stream: names and values, flat. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** Stream by stream; none when nothing came. Throws PresenceError REPLY_INVALID. */
export function streamsOf(reply: Reply): [key: string, entries: StreamEntry[]][] {
  if (reply === null) return [];
  const asked = "XREAD";
  const found = list(reply, asked);
  const flat = Array.isArray(found[0]) ? found.flatMap((pair) => list(pair, asked, 2)) : found;
  const streams: [string, StreamEntry[]][] = [];
  for (let i = 0; i < flat.length; i += 2)
    streams.push([text(flat[i], asked), entriesOf(flat[i + 1], asked)]);
  return streams;
}
