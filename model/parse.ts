/** Checks whether an entry of the log is a record: docs/protocol.md, "Records". */
import {
  DIGITS_MAX,
  FIELDS_MAX,
  ID_BYTES_MAX,
  LIST_BYTES_MAX,
  OPERATIONS_MAX,
  PROTOCOL,
  REPLACES_MAX,
  SCOPE_BYTES_MAX,
  SCOPE_OPERATIONS,
  TTL_MS_MAX,
} from "../src/core/limits.ts";
import { LISTS, type ListName } from "../src/core/record.ts";
import { utf8Length } from "../src/core/utf8.ts";

/** The lists of memberships, in their order: they came, their transport dropped, they left, their server closes. */
export const SCOPE_LISTS = ["join", "drop", "part", "shut"] as const;
export type ScopeListName = (typeof SCOPE_LISTS)[number];

/** One item of such a list. */
export interface ScopeUsers {
  readonly scope: string;
  /** Whether its changes are asked for. */
  readonly told: boolean;
  /** "" is an anonymous socket. */
  readonly users: readonly string[];
}

export interface ParsedRecord {
  readonly process: string;
  readonly seq: number;
  readonly ttl: number;
  readonly texts: Readonly<Record<string, string>>;
  readonly grace: number;
  readonly tracks: readonly string[] | undefined;
  readonly lists: readonly { readonly name: ListName; readonly users: readonly string[] }[];
  readonly scopeLists: readonly { readonly name: ScopeListName; readonly items: readonly ScopeUsers[] }[];
  readonly operations: number;
  readonly anonymous: number | undefined;
  readonly sockets: number;
  readonly connections: number | undefined;
  /** Undefined: the process tracks no scopes. */
  readonly memberships: number | undefined;
  readonly bye: boolean;
  readonly replaces: readonly string[];
}

export interface Malformed {
  readonly reason: string;
}

const ORDER = [
  "hello", "pid", "version", "protocol", "grace", "tracks", ...LISTS, "anonymous", "sockets", "connections",
  ...SCOPE_LISTS, "memberships", "bye", "replaces",
]; // prettier-ignore
const COUNTS = new Set(["anonymous", "sockets", "connections", "memberships"]);

class Refusal extends Error {}

function refuse(reason: string): never {
  throw new Refusal(reason);
}

function whole(text: string, most: number): number | undefined {
  if (text.length > 15 || !/^\d+$/.test(text)) return undefined;
  return Number(text) <= most ? Number(text) : undefined;
}

/** Redis decodes the escapes of the whole text before it looks at any item, so half a pair is wrong wherever it is. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null) return true;
  return Object.entries(value).every(([key, item]) => key.isWellFormed() && isWellFormed(item));
}

function jsonListOf(name: string, text: string): unknown[] {
  if (utf8Length(text) > LIST_BYTES_MAX) refuse(`${name} is too long`);
  let list: unknown;
  try {
    list = text.startsWith("[") ? JSON.parse(text) : undefined;
  } catch {
    // Treated as not a list.
  }
  if (!Array.isArray(list) || !isWellFormed(list)) return refuse(`${name} is no JSON list`);
  return list as unknown[];
}

function listOf(name: string, text: string, most = ID_BYTES_MAX): string[] {
  const list = jsonListOf(name, text);
  for (const id of list) {
    if (typeof id !== "string") return refuse(`${name} holds something that is no text`);
    if (id === "") refuse(`${name} holds an empty id`);
    if (utf8Length(id) > most) refuse(`${name} holds an id that is too long`);
  }
  return list as string[];
}

function scopeListOf(name: string, text: string): ScopeUsers[] {
  return jsonListOf(name, text).map((item) => {
    if (!Array.isArray(item) || item.length < 2) return refuse(`${name} holds something that is no list`);
    const [first, ...users] = item as unknown[];
    if (typeof first !== "string") return refuse(`${name} holds something that is no text`);
    const told = first.startsWith("*");
    const scope = told ? first.slice(1) : first;
    if (!scope.startsWith("/") || utf8Length(scope) > SCOPE_BYTES_MAX) refuse(`${name} holds no scope`);
    for (const user of users) {
      if (typeof user !== "string") return refuse(`${name} holds something that is no text`);
      if (utf8Length(user) > ID_BYTES_MAX) refuse(`${name} holds an id that is too long`);
    }
    return { scope, told, users: users as string[] };
  });
}

/** `proven`: whether a caller with keys accepts the `mac` of these fields (mac.ts). */
export type Proof = (fields: readonly string[]) => boolean;

export function parseRecord(fields: readonly string[], proven: Proof = () => true): ParsedRecord | Malformed {
  try {
    return parse(fields, proven);
  } catch (error) {
    if (error instanceof Refusal) return { reason: error.message };
    throw error;
  }
}

function parse(fields: readonly string[], proven: Proof): ParsedRecord {
  if (fields[0] !== "process" || fields[2] !== "seq" || fields[4] !== "ttl")
    refuse("a record starts with process, seq, ttl");
  if (fields.length > FIELDS_MAX) refuse("too many fields");
  if (!proven(fields)) refuse("mac");
  const process = fields[1]!;
  const seq = whole(fields[3]!, 1e15);
  const ttl = whole(fields[5]!, TTL_MS_MAX);
  if (process === "" || utf8Length(process) > ID_BYTES_MAX) refuse("process is empty, too long or not UTF-8");
  if (seq === undefined || seq < 1 || String(seq) !== fields[3])
    return refuse("seq is not a whole number from 1");
  if (ttl === undefined || ttl < 1) return refuse("ttl is out of range");

  const texts: Record<string, string> = Object.create(null) as Record<string, string>;
  const numbers: Record<string, number> = {};
  const lists: { name: ListName; users: string[] }[] = [];
  const scopeLists: { name: ScopeListName; items: ScopeUsers[] }[] = [];
  let tracks: string[] | undefined;
  let replaces: string[] = [];
  let operations = 0;
  let last = -1;
  for (let i = 6; i + 1 < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    const place = ORDER.indexOf(name);
    if (place === -1) {
      if (utf8Length(name) > ID_BYTES_MAX || utf8Length(value) > LIST_BYTES_MAX)
        refuse("a name or value is too long");
      continue;
    }
    if (place <= last) refuse(`${name} is not in its place`);
    last = place;
    if ((LISTS as readonly string[]).includes(name)) {
      const users = listOf(name, value);
      operations += users.length;
      if (operations > OPERATIONS_MAX) refuse("too many operations");
      lists.push({ name: name as ListName, users });
    } else if ((SCOPE_LISTS as readonly string[]).includes(name)) {
      const items = scopeListOf(name, value);
      for (const { users } of items) operations += SCOPE_OPERATIONS + users.length;
      if (operations > OPERATIONS_MAX) refuse("too many operations");
      scopeLists.push({ name: name as ScopeListName, items });
    } else if (COUNTS.has(name)) {
      numbers[name] = whole(value, 10 ** DIGITS_MAX - 1) ?? refuse(`${name} is not a whole number`);
    } else if (name === "grace" || name === "protocol") {
      numbers[name] = whole(value, TTL_MS_MAX) ?? refuse(`${name} is out of range`);
      if (name === "protocol" && numbers[name] > Number(PROTOCOL)) refuse(`protocol ${value}`);
      texts[name] = String(numbers[name]);
    } else if (name === "tracks") {
      tracks = listOf(name, value, SCOPE_BYTES_MAX + 1);
    } else if (name === "replaces") {
      replaces = listOf(name, value);
      if (replaces.length > REPLACES_MAX) refuse("too many replaces");
    } else {
      if (utf8Length(value) > ID_BYTES_MAX) refuse(`${name} is too long or not UTF-8`);
      texts[name] = value;
    }
  }
  const { sockets, memberships } = numbers;
  if (sockets === undefined) return refuse("sockets is missing");
  if (scopeLists.length > 0 && memberships === undefined) return refuse("memberships is missing");
  return {
    process,
    seq,
    ttl,
    texts,
    grace: numbers["grace"] ?? 0,
    tracks,
    lists,
    scopeLists,
    operations,
    anonymous: numbers["anonymous"],
    sockets,
    connections: numbers["connections"],
    memberships,
    bye: "bye" in texts,
    replaces,
  };
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
