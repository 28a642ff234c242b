/** `counts()` and GET /v1/counts. */
import * as v from "valibot";
import { type AsOf, asOfSchema } from "./as-of.ts";
import { count, schemaOf } from "./schema.ts";

/** The counts over all processes and shards. */
export interface Counts {
  /** Users present, including those in grace. */
  readonly users: number;
  /** Open sockets, including anonymous ones. */
  readonly sockets: number;
  /** Low-level connections (`io.engine.clientsCount`), as of each process's last record. */
  readonly connections: number;
  readonly asOf: AsOf;
}

/** JSON of Counts. */
export const countsSchema = schemaOf<Counts>()(
  v.strictObject({ users: count, sockets: count, connections: count, asOf: asOfSchema }),
);
