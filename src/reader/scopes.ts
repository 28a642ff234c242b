/**
 * How large scopes are. `scopes` of a shard is a sorted set: users and sockets are in one score, so one command answers for one scope or
 * for a thousand, and the largest come first. A user is in one shard, so the counts of several add up.
 */
import { PresenceError } from "../core/errors.ts";
import { COUNTS_IN_MAX, SCOPES_LOOKED_MAX, SCOPES_MERGED_MAX, SCOPE_UNIT } from "../core/limits.ts";
import { checkScope, partsOf } from "../core/scope.ts";
import { isTracked } from "../core/scope-patterns.ts";
import { fieldsOf, list, scored } from "../redis/decode.ts";
import type { CountsInAnswer, ScopeCounts, ScopeSize, ScopesPage } from "./answers/scopes.ts";
import { scopeCountsOf } from "./as-of.ts";
import type { ReaderContext } from "./context.ts";
import { resolveScopesOptions } from "./options.ts";
import { patternsOf } from "./tracked.ts";
import type { Reader, ScopeName, ScopesOptions } from "./types.ts";

const ASKED = "ZRANGE of scopes";
/** Scopes of one read. */
const CHUNK = 1_000;

/** Four commands per shard, whatever the size of the scope. */
export function scopeCountsOver(context: ReaderContext): () => Promise<ScopeCounts> {
  return async () => {
    const parts = (await context.askAll(() => [])).map(({ asOf }) => asOf);
    const asOf = context.combine(parts);
    const sum = (pick: "users" | "sockets") => parts.reduce((all, part) => all + part[pick], 0);
    return { users: sum("users"), sockets: sum("sockets"), asOf };
  };
}

export function scopesOver(context: ReaderContext): Pick<Reader, "scopes" | "countsIn"> {
  const { keys, askAll, askPlain, combine } = context;

  async function countsIn(names: readonly ScopeName[]): Promise<CountsInAnswer> {
    if (!Array.isArray(names) || names.length > COUNTS_IN_MAX)
      throw new PresenceError("OPTIONS_INVALID", `countsIn takes a list of at most ${COUNTS_IN_MAX} scopes`);
    const scopes = (names as readonly ScopeName[]).map(({ namespace = "/", room }) =>
      checkScope(namespace, room),
    );
    const answers = await askAll((own) => [
      ["HMGET", own.totals, "tracks"],
      ...(scopes.length > 0 ? [["ZMSCORE", own.scopes, ...scopes] as const] : []),
    ]);
    const known = answers.map(({ replies }) => fieldsOf(replies[0], "HMGET of the totals", 1)[0] ?? null);
    const patterns = [...patternsOf(known.map((tracks) => ({ tracks }))), ...context.tracks];
    const scores = answers.map(({ replies }) =>
      scopes.length > 0 ? list(replies[1], "ZMSCORE of scopes", scopes.length) : [],
    );
    return {
      scopes: scopes.map((scope, i) => {
        const parts = scores.map((own) => scopeCountsOf(own[i]!));
        const users = parts.reduce((all, part) => all + part.users, 0);
        const sockets = parts.reduce((all, part) => all + part.sockets, 0);
        const answer = users + sockets > 0 ? "yes" : isTracked(patterns, scope);
        const tracked = answer === "unknown" ? null : answer === "yes";
        const numbers = tracked === true ? { users, sockets } : { users: null, sockets: null };
        return { ...nameOf(scope), tracked, ...numbers };
      }),
      asOf: combine(answers.map(({ asOf }) => asOf)),
    };
  }

  async function scopes(options: ScopesOptions = {}): Promise<ScopesPage> {
    const { namespace, prefix, cursor, limit } = resolveScopesOptions(options);
    const place = cursor === undefined ? undefined : decode(cursor);
    const fits = (scope: string) => {
      const { namespace: own, room } = partsOf(scope);
      if (namespace !== undefined && own !== namespace) return false;
      return prefix === "" || room?.startsWith(prefix) === true;
    };
    const asOf = combine((await askAll(() => [])).map((answer) => answer.asOf));
    const { found, next } =
      keys.length === 1 ? await inOrder(place, limit, fits) : await merged(place, limit, fits);
    return { scopes: found.map(([scope, score]) => sizeOf(scope, score)), next: next && encode(next), asOf };
  }

  /** One shard: its own order, from a score on; `skip` have this score and were on earlier pages. */
  async function inOrder(place: Place | undefined, limit: number, fits: (scope: string) => boolean) {
    const found: Scored[] = [];
    let { score, skip } = place ?? { score: Infinity, skip: 0 };
    for (let looked = 0; looked < SCOPES_LOOKED_MAX; looked += CHUNK) {
      const highest = score === Infinity ? "+inf" : String(score);
      const [reply] = await askPlain([
        ["ZRANGE", keys[0]!.scopes, highest, "-inf", "BYSCORE", "REV", "LIMIT", String(skip), String(CHUNK), "WITHSCORES"],
      ]); // prettier-ignore
      const page = scored(reply, ASKED);
      for (const [i, [scope, own]] of page.entries()) {
        if (own === score) skip++;
        else [score, skip] = [own, 1];
        if (!fits(scope)) continue;
        found.push([scope, own]);
        const isLast = page.length < CHUNK && i === page.length - 1;
        if (found.length === limit) return { found, next: isLast ? null : { score, skip } };
      }
      if (page.length < CHUNK) return { found, next: null };
    }
    return { found, next: { score, skip } };
  }

  /** Several shards: what is largest is known only when all are added up. */
  async function merged(place: Place | undefined, limit: number, fits: (scope: string) => boolean) {
    const totals = new Map<string, number>();
    let read = 0;
    for (const own of keys) {
      for (let from = 0; ; from += CHUNK) {
        const [reply] = await askPlain([
          ["ZRANGE", own.scopes, String(from), String(from + CHUNK - 1), "WITHSCORES"],
        ]);
        const page = scored(reply, ASKED);
        read += page.length;
        if (read > SCOPES_MERGED_MAX) throw tooMany();
        for (const [scope, score] of page)
          if (fits(scope)) totals.set(scope, (totals.get(scope) ?? 0) + score);
        if (page.length < CHUNK) break;
      }
    }
    const { score, skip } = place ?? { score: Infinity, skip: 0 };
    const sorted = [...totals].sort(([a, x], [b, y]) => y - x || (a < b ? 1 : -1));
    const from = sorted.findIndex(([, own]) => own <= score);
    const rest = from === -1 ? [] : sorted.slice(from);
    const ties = rest.filter(([, own]) => own === score).length;
    const start = Math.min(skip, ties);
    const found = rest.slice(start, start + limit);
    const last = found.at(-1);
    if (last === undefined || start + limit >= rest.length) return { found, next: null };
    const before = rest.slice(0, start + limit).filter(([, own]) => own === last[1]).length;
    return { found, next: { score: last[1], skip: before } };
  }

  return { scopes, countsIn };
}

type Scored = [scope: string, score: number];

/** After which scope a page ends: its score, and how many with this score were on a page. */
interface Place {
  readonly score: number;
  readonly skip: number;
}

function nameOf(scope: string): { namespace: string; room: string | null } {
  const { namespace, room = null } = partsOf(scope);
  return { namespace, room };
}

function sizeOf(scope: string, score: number): ScopeSize {
  const users = Math.floor(score / SCOPE_UNIT);
  return { ...nameOf(scope), users, sockets: score - users * SCOPE_UNIT };
}

function encode({ score, skip }: Place): string {
  return `s${score}.${skip}`;
}

/** Throws PresenceError CURSOR_INVALID. */
function decode(cursor: string): Place {
  const [, score, skip] = /^s(\d{1,16})\.(\d{1,9})$/.exec(cursor) ?? [];
  if (score === undefined || !Number.isSafeInteger(Number(score)))
    throw new PresenceError("CURSOR_INVALID", "invalid cursor; start again without one");
  return { score: Number(score), skip: Number(skip) };
}

function tooMany(): PresenceError {
  const message = `more than ${SCOPES_MERGED_MAX} scopes in several shards cannot be put in order: ask for single ones with countsIn()`;
  return new PresenceError("LIMIT_EXCEEDED", message);
}
