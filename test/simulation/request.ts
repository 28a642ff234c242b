/** What a process sends to Redis in one go, before it is commands: a record gets its id, and the oracle its copy, on arrival. */
import type { RecordEntry } from "../../src/core/record.ts";
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
