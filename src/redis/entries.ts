/** Stream entries from replies of XREAD and XREADGROUP: pairs in RESP2, a map in RESP3, which ioredis flattens. */
import { entriesOf, list, text } from "./decode.ts";
import type { Reply } from "./port.ts";

/** One stream entry. `fields` is a flat list of names and values. */
export interface StreamEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** The entries of each stream; an empty list for a null reply. Throws PresenceError REPLY_INVALID. */
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
