/**
 * Patterns of scopes (docs/protocol.md, "Scopes", `tracks`): `*` stands for any text, a backslash takes the meaning from the character
 * after it. A pattern with `*` before its first `/` is of scopes whose changes are told; "?" stands for scopes that nobody can list,
 * since a RegExp or a function decides, and "#" says that the ids of sockets are kept. Pure.
 */
import { SCOPE_BYTES_MAX, TRACKS_BYTES_MAX, TRACKS_MAX } from "./limits.ts";
import { whyNoScope } from "./scope.ts";
import { utf8Length } from "./utf8.ts";

/** Scopes that cannot be listed. */
const UNLISTED = "?";
/** Stands for no scope: the ids of sockets are kept. */
const WITH_IDS = "#";

/** A pattern that matches this text and no other. */
export function escapePattern(text: string): string {
  return text.replaceAll(/[\\*]/g, String.raw`\$&`);
}

/** The texts between the wildcards of a pattern. A backslash at the end stands for itself. */
function segmentsOf(pattern: string): string[] {
  const segments: string[] = [];
  let segment = "";
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === "*") {
      segments.push(segment);
      segment = "";
      continue;
    }
    if (pattern[i] === "\\" && i + 1 < pattern.length) i++;
    segment += pattern[i]!;
  }
  return [...segments, segment];
}

/** The text that is all a pattern matches; undefined: it has a wildcard. */
function literalOf(pattern: string): string | undefined {
  const segments = segmentsOf(pattern);
  return segments.length === 1 ? segments[0] : undefined;
}

/**
 * A test of whole texts. The first place where a segment fits is always good enough, so nothing is tried twice: the time is that of
 * searching each segment once, whatever the pattern.
 */
export function compilePattern(pattern: string): (text: string) => boolean {
  const segments = segmentsOf(pattern);
  const first = segments.shift()!;
  const last = segments.pop();
  if (last === undefined) return (text) => text === first;
  const least = segments.reduce((sum, { length }) => sum + length, first.length + last.length);
  return (text) => {
    if (text.length < least || !text.startsWith(first) || !text.endsWith(last)) return false;
    const end = text.length - last.length;
    let at = first.length;
    for (const segment of segments) {
      const found = text.indexOf(segment, at);
      if (found === -1) return false;
      at = found + segment.length;
    }
    return at <= end;
  };
}

/** Whether a pattern matches all of a scope. Of what is before the first `/` nothing is known here. */
export function matchesPattern(pattern: string, scope: string): boolean {
  return compilePattern(pattern)(scope);
}

/** "unknown": nobody can say, because a function or a RegExp decides. */
export type Answer = "yes" | "no" | "unknown";

function answer(patterns: readonly string[], matches: (pattern: string) => boolean): Answer {
  if (patterns.some((pattern) => pattern !== UNLISTED && matches(pattern))) return "yes";
  return patterns.includes(UNLISTED) ? "unknown" : "no";
}

const hasMark = (pattern: string) => pattern.startsWith("*");

/** Whether a scope is tracked, by the `tracks` of a process. A text too long for a scope is not compared. */
export function isTracked(patterns: readonly string[], scope: string): Answer {
  if (scope.length > SCOPE_BYTES_MAX) return "no";
  return answer(patterns, (pattern) => matchesPattern(hasMark(pattern) ? pattern.slice(1) : pattern, scope));
}

/** Whether the changes of a scope are told. */
export function isTold(patterns: readonly string[], scope: string): Answer {
  if (scope.length > SCOPE_BYTES_MAX) return "no";
  return answer(patterns, (pattern) => hasMark(pattern) && matchesPattern(pattern.slice(1), scope));
}

/** Whether the ids of sockets are kept, by the `tracks` of a process. */
export function hasIds(patterns: readonly string[]): boolean {
  return patterns.includes(WITH_IDS);
}

/** What decides about a name: text decides by itself, anything else cannot be listed. For rooms the text is a pattern. */
type Matcher = string | object;

export interface TrackedBy {
  /** Texts are names, not patterns. */
  readonly namespaces: readonly Matcher[];
  /** True: all. */
  readonly rooms: true | readonly Matcher[];
  /** Those whose changes are told, of the tracked ones. True: all. */
  readonly changes: true | readonly Matcher[];
  /** Whether the ids of sockets are kept. */
  readonly ids?: boolean | undefined;
}

/** The list for the field `tracks` of a record: at most TRACKS_MAX patterns and TRACKS_BYTES_MAX bytes, or else only "?". */
export function tracksOf(by: TrackedBy): string[] {
  const names = textsOf(by.namespaces).filter((namespace) => isScope(namespace));
  const rooms = textsOf(by.rooms);
  const changes = textsOf(by.changes);
  const counts = [names.length * (1 + rooms.length), changes.length];
  const ids = by.ids === true ? [WITH_IDS] : [];
  if (counts.some((count) => count > TRACKS_MAX)) return [UNLISTED, ...ids];
  const overlaps = rooms.flatMap((room) => changes.map((change) => overlapOf(room, change)));
  const told = new Set(overlaps.filter((room) => typeof room === "string"));
  const patterns = names.flatMap((name) => {
    const namespace = escapePattern(name);
    return [
      by.changes === true ? `*${namespace}` : namespace,
      ...rooms.filter((room) => !told.has(room)).map((room) => `${namespace},${room}`),
      ...Array.from(told, (room) => `*${namespace},${room}`),
    ];
  });
  const isListed =
    [by.namespaces, by.rooms, by.changes].every(areTexts) && overlaps.every((room) => room !== undefined);
  const tracks = [...new Set(patterns), ...(isListed ? [] : [UNLISTED]), ...ids];
  const fits = tracks.length <= TRACKS_MAX && utf8Length(JSON.stringify(tracks)) <= TRACKS_BYTES_MAX;
  return fits ? tracks : [UNLISTED, ...ids];
}

function isScope(namespace: string): boolean {
  return whyNoScope({ namespace, room: undefined }) === undefined;
}

function areTexts(matchers: true | readonly Matcher[]): boolean {
  return matchers === true || matchers.every((matcher) => typeof matcher === "string");
}

function textsOf(matchers: true | readonly Matcher[]): string[] {
  return matchers === true ? ["*"] : matchers.filter((matcher) => typeof matcher === "string");
}

/** A pattern of what two patterns both match. Null: nothing; undefined: no pattern says it. */
function overlapOf(a: string, b: string): string | null | undefined {
  if (a === b || b === "*") return a;
  if (a === "*") return b;
  const [textA, textB] = [literalOf(a), literalOf(b)];
  if (textA !== undefined) return matchesPattern(b, textA) ? a : null;
  if (textB !== undefined) return matchesPattern(a, textB) ? b : null;
  return undefined;
}
