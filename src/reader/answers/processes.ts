/** `processes()` and GET /v1/processes. */
import * as v from "valibot";
import { PROCESS_STATES, type ProcessState } from "../../core/process.ts";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf, time } from "./schema.ts";

/** One registration of a Socket.IO process, summed over its shards. */
export interface ProcessPresence {
  /** Never reused: a process that registers again gets a new id. */
  readonly id: string;
  readonly state: ProcessState;
  readonly sockets: number;
  /** Low-level connections, as of its last record. */
  readonly connections: number;
  /** When its lease expires unless a record renews it; null once the process has ended. */
  readonly leaseUntil: Date | null;
  /** When its first record was folded, on Redis's clock. */
  readonly startedAt: Date | null;
  /** Reported at registration, as are the next two; null if not reported. */
  readonly host: string | null;
  readonly pid: number | null;
  /** Its version of Rollcall. */
  readonly version: string | null;
  /** Why it was fenced; absent if it never was. */
  readonly reason?: string | undefined;
}

/** All processes, sorted by id. */
export interface ProcessesAnswer {
  readonly processes: readonly ProcessPresence[];
  readonly asOf: AsOf;
}

const processSchema = schemaOf<ProcessPresence>()(
  v.strictObject({
    id: v.string(),
    state: v.picklist(PROCESS_STATES),
    sockets: count,
    connections: count,
    leaseUntil: v.nullable(time),
    startedAt: v.nullable(time),
    host: v.nullable(v.string()),
    pid: v.nullable(count),
    version: v.nullable(v.string()),
    reason: v.optional(v.pipe(v.string(), v.description("Why it was fenced."))),
  }),
);

/** JSON of ProcessesAnswer. */
export const processesAnswerSchema = schemaOf<ProcessesAnswer>()(
  v.strictObject({ processes: v.array(processSchema), asOf: asOfSchema }),
);
