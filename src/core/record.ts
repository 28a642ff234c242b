/**
 * A record: what one process did since its last record, as the flat field list of one stream entry.
 * docs/protocol.md, "Records", is the specification; src/lua/project reads what this writes.
 */
import { PROTOCOL } from "./limits.ts";

/**
 * The lists of a record. `disconnect`: the transport dropped, grace applies. `leave`: one side said goodbye, no grace.
 * `close`: the server closes, grace applies.
 */
export const LISTS = ["connect", "disconnect", "leave", "close"] as const;
export type ListName = (typeof LISTS)[number];

/** The same for memberships of scopes: `join`, and as `disconnect`, `leave` and `close` are, `drop`, `part` and `shut`. */
export const SCOPE_LISTS = ["join", "drop", "part", "shut"] as const;
export type ScopeListName = (typeof SCOPE_LISTS)[number];

/** What the first record of a process reports about it. */
export interface About {
  readonly host: string;
  readonly pid: number;
  readonly version: string;
  /** How long its users stay present after a dropped transport, ms. */
  readonly grace: number;
  /** The scopes it tracks, as the patterns of docs/protocol.md; undefined: none, and its records have no fields of scopes. */
  readonly tracks?: readonly string[] | undefined;
}

/** The users of each list: a user who is listed twice has two sockets. */
export type Lists = { readonly [Name in ListName]?: readonly string[] };

/** Each item is a scope and the users of its memberships; `""` is an anonymous socket. `*` before a scope: its changes are told. */
export type ScopeLists = { readonly [Name in ScopeListName]?: readonly (readonly string[])[] };

export interface RecordEntry extends Lists, ScopeLists {
  readonly process: string;
  /** 1, 2, 3 … per process and shard. */
  readonly seq: number;
  /** How long this record renews the lease, ms. */
  readonly ttl: number;
  /** In the first record only. */
  readonly about?: About;
  /** Sockets without a user that are open now; absent: as many as before. */
  readonly anonymous?: number;
  /** Check digit: the sockets this process has after this record, in this shard. */
  readonly sockets: number;
  /** `io.engine.clientsCount`; reported to shard 0 only. */
  readonly connections?: number;
  /** Check digit: the memberships this process has after this record, in this shard. In all records or, if it tracks no scopes, in none. */
  readonly memberships?: number;
  /** Each item is a socket's id, its user, `""` for an anonymous one, and the scopes it is in now, at least one. */
  readonly open?: readonly (readonly string[])[];
  /** The ids of sockets that have gone. */
  readonly gone?: readonly string[];
  /** Check digit: the sockets of `open` this process has after this record, in this shard. In all records or, if it keeps no ids, in none. */
  readonly ids?: number;
  /** The process ends with this record. */
  readonly bye?: boolean;
  /** Earlier incarnations of the same server, ended by this record. */
  readonly replaces?: readonly string[];
}

/** How many operations a record has: sockets and memberships that came or went, and ids of sockets. */
export function operationsOf(record: RecordEntry): number {
  let operations = (record.open?.length ?? 0) + (record.gone?.length ?? 0);
  for (const name of LISTS) operations += record[name]?.length ?? 0;
  for (const name of SCOPE_LISTS) for (const scope of record[name] ?? []) operations += scope.length - 1;
  return operations;
}

/** The fields of a record in the order of the protocol, ready for XADD. */
export function encodeRecord(record: RecordEntry): string[] {
  const fields = ["process", record.process, "seq", String(record.seq), "ttl", String(record.ttl)];
  const {
    about,
    anonymous,
    connections,
    memberships,
    open = [],
    gone = [],
    ids,
    bye,
    replaces = [],
  } = record;
  if (about !== undefined) {
    fields.push(
      "hello",
      about.host,
      "pid",
      String(about.pid),
      "version",
      about.version,
      "protocol",
      PROTOCOL,
    );
    if (about.grace > 0) fields.push("grace", String(about.grace));
    if (about.tracks !== undefined) fields.push("tracks", JSON.stringify(about.tracks));
  }
  for (const name of LISTS) {
    const users = record[name];
    if (users !== undefined && users.length > 0) fields.push(name, JSON.stringify(users));
  }
  if (anonymous !== undefined) fields.push("anonymous", String(anonymous));
  fields.push("sockets", String(record.sockets));
  if (connections !== undefined) fields.push("connections", String(connections));
  for (const name of SCOPE_LISTS) {
    const scopes = record[name];
    if (scopes !== undefined && scopes.length > 0) fields.push(name, JSON.stringify(scopes));
  }
  if (memberships !== undefined) fields.push("memberships", String(memberships));
  if (open.length > 0) fields.push("open", JSON.stringify(open));
  if (gone.length > 0) fields.push("gone", JSON.stringify(gone));
  if (ids !== undefined) fields.push("ids", String(ids));
  if (bye === true) fields.push("bye", "");
  if (replaces.length > 0) fields.push("replaces", JSON.stringify(replaces));
  return fields;
}
