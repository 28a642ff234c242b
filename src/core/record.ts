/**
 * A record: what one process did since its last record, as the flat field list of one stream entry.
 * docs/protocol.md, "Records", is the specification; src/lua/parts/parse.lua reads what this writes.
 */

/** The transport dropped (`disconnect`, grace applies) or one side said goodbye (`leave`, none). */
export type OperationName = "connect" | "disconnect" | "leave";

export interface Operation {
  readonly op: OperationName;
  /** `""` for an anonymous socket: counted as a socket, not as a user. */
  readonly user: string;
}

/** What the first record of a process says about it. */
export interface About {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** How long its users stay present after a dropped transport, ms. */
  readonly grace: number;
}

export interface RecordEntry {
  readonly process: string;
  /** 1, 2, 3 … per process and shard. */
  readonly seq: number;
  /** How long this record renews the lease, ms. */
  readonly ttl: number;
  /** In the first record only. */
  readonly about?: About;
  readonly operations: readonly Operation[];
  /** The process ends with this record. */
  readonly bye?: boolean;
  /** Earlier incarnations of the same server, ended by this record. */
  readonly replaces?: readonly string[];
  /** Check digit: the sockets this process has after this record, in this shard. */
  readonly sockets: number;
  /** `io.engine.clientsCount`; reported to shard 0 only. */
  readonly connections?: number;
}

/** The fields of a record in the order of the protocol, ready for XADD. */
export function encodeRecord(record: RecordEntry): string[] {
  const fields = ["process", record.process, "seq", String(record.seq), "ttl", String(record.ttl)];
  const { about } = record;
  if (about !== undefined) {
    fields.push("hello", about.host, "pid", String(about.pid), "version", about.version);
    if (about.grace > 0) fields.push("grace", String(about.grace));
  }
  for (const { op, user } of record.operations) fields.push(op, user);
  if (record.bye === true) fields.push("bye", "");
  for (const id of record.replaces ?? []) fields.push("replaces", id);
  fields.push("sockets", String(record.sockets));
  if (record.connections !== undefined) fields.push("connections", String(record.connections));
  return fields;
}
