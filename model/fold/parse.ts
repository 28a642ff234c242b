/**
 * Is this entry a record? docs/protocol.md, "Records", field by field. The reasons are those in `rejected`.
 */
import { ID_BYTES_MAX, OPERATIONS_MAX, REPLACES_MAX, TTL_MS_MAX } from "../../src/core/limits.ts";
import type { Operation } from "../../src/core/record.ts";
import { utf8Length } from "../../src/core/utf8.ts";

export interface ParsedRecord {
  readonly process: string;
  readonly seq: number;
  readonly ttl: number;
  readonly about: ReadonlyMap<string, string>;
  readonly operations: readonly Operation[];
  readonly bye: boolean;
  readonly replaces: readonly string[];
  readonly sockets: number;
  readonly connections: number | undefined;
}

export interface Malformed {
  readonly reason: string;
}

const ABOUT = new Set(["hello", "pid", "version", "grace"]);
const OPERATIONS = new Set(["connect", "disconnect", "leave"]);
/** How much of an unknown name the reason repeats, in bytes. */
const NAME_BYTES = 40;

/** A whole number: 1 to 15 digits and nothing else, no sign, no exponent. */
function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function isLong(text: string): boolean {
  return utf8Length(text) > ID_BYTES_MAX;
}

/** `<id>:users` names a key of process <id>, so no other process can be called that. */
function isProcessId(text: string): boolean {
  return text !== "" && !isLong(text) && !text.endsWith(":users");
}

/** `fields` is the entry's flat list of names and values. */
export function parseRecord(fields: readonly string[]): ParsedRecord | Malformed {
  const no = (reason: string): Malformed => ({ reason });
  if (fields[0] !== "process" || fields[2] !== "seq" || fields[4] !== "ttl") {
    return no("a record starts with process, seq, ttl");
  }
  const [, process = "", , , ,] = fields;
  const seq = whole(fields[3]);
  const ttl = whole(fields[5]);
  if (!isProcessId(process)) return no("process is empty, too long or ends in :users");
  if (seq === undefined || seq < 1) return no("seq is not a whole number from 1");
  if (ttl === undefined || ttl < 1 || ttl > TTL_MS_MAX) return no("ttl is out of range");

  let i = 6;
  const about = new Map<string, string>();
  for (; ABOUT.has(fields[i] ?? ""); i += 2) {
    const [name, value] = [fields[i]!, fields[i + 1]!];
    if (isLong(value)) return no(`${name} is too long`);
    if (name === "grace" && (whole(value) ?? Infinity) > TTL_MS_MAX) return no("grace is out of range");
    about.set(name, value);
  }

  const operations: Operation[] = [];
  for (; OPERATIONS.has(fields[i] ?? ""); i += 2) {
    const [op, user] = [fields[i] as Operation["op"], fields[i + 1]!];
    if (operations.length === OPERATIONS_MAX) return no("too many operations");
    if (isLong(user)) return no("a user id is too long");
    operations.push({ op, user });
  }

  // A scope's operations, up to the check digit, are for a later version.
  if (fields[i] === "scope") while (i < fields.length && fields[i] !== "sockets") i += 2;

  let sockets: number | undefined;
  let connections: number | undefined;
  let bye = false;
  const replaces: string[] = [];
  for (; i < fields.length; i += 2) {
    const [name, value] = [fields[i]!, fields[i + 1]!];
    if (name === "sockets" && sockets === undefined) {
      sockets = whole(value);
      if (sockets === undefined) return no("sockets is not a whole number");
    } else if (name === "connections" && connections === undefined) {
      connections = whole(value);
      if (connections === undefined) return no("connections is not a whole number");
    } else if (name === "bye" && !bye) {
      bye = true;
    } else if (name === "replaces" && value !== process && isProcessId(value)) {
      replaces.push(value);
      if (replaces.length > REPLACES_MAX) return no("too many replaces");
    } else {
      return no(`unexpected ${cut(name, NAME_BYTES)}`);
    }
  }
  if (sockets === undefined) return no("sockets is missing");
  return { process, seq, ttl, about, operations, bye, replaces, sockets, connections };
}

/** At most `bytes` of `text`, whole characters only. (Redis cuts bytes; the last character may come out broken there.) */
export function cut(text: string, bytes: number): string {
  let kept = "";
  let length = 0;
  for (const character of text) {
    length += utf8Length(character);
    if (length > bytes) break;
    kept += character;
  }
  return kept;
}
