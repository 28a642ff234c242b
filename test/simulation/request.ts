/** What a process sends to Redis in one go, before it is commands: a record gets its id, and the oracle its copy, on arrival. */
import { parseRecord, type ScopeUsers } from "../../model/parse.ts";
import { encodeRecord, type RecordEntry } from "../../src/core/record.ts";
import type { Command } from "../../src/redis/port.ts";

/** An entry of the log that is no record. */
export interface Noise {
  readonly noise: readonly string[];
}

/** A command, or something to append to the log. */
export type Part = Command | RecordEntry | Noise;
export type Request = readonly Part[];

/** Why Redis refuses: no memory, a replica, still loading. */
export type Refusal = "OOM" | "READONLY" | "LOADING";

export function isCommand(part: Part): part is Command {
  return Array.isArray(part);
}

/** The record that an XADD of a recorder appends, without what it says about the process; undefined for any other part. */
export function recordOf(part: Part): RecordEntry | undefined {
  if (!isCommand(part)) return "noise" in part ? undefined : part;
  if (part[0] !== "XADD") return undefined;
  const parsed = parseRecord(part.slice(part.indexOf("*") + 1));
  if ("reason" in parsed) throw new Error(`the recorder made no record: ${parsed.reason}`);
  const {
    process,
    seq,
    ttl,
    lists,
    scopeLists,
    anonymous,
    sockets,
    connections,
    memberships,
    bye,
    replaces,
  } = parsed;
  return {
    process, seq, ttl, sockets, bye,
    ...Object.fromEntries(lists.map(({ name, users }) => [name, users])),
    ...Object.fromEntries(scopeLists.map(({ name, items }) => [name, items.map(listed)])),
    ...(anonymous !== undefined && { anonymous }),
    ...(connections !== undefined && { connections }),
    ...(memberships !== undefined && { memberships }),
    ...(replaces.length > 0 && { replaces }),
  }; // prettier-ignore
}

/** As a record has it. */
function listed({ scope, told, users }: ScopeUsers): string[] {
  return [told ? `*${scope}` : scope, ...users];
}

/** What a part appends to the log; undefined: nothing. */
export function fieldsOf(part: Part): readonly string[] | undefined {
  if (!isCommand(part)) return "noise" in part ? part.noise : encodeRecord(part);
  return part[0] === "XADD" ? part.slice(part.indexOf("*") + 1) : undefined;
}
