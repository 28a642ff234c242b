/** All that Redis holds of scopes in one shard, and what must agree in it: INV-1, INV-4 and INV-16 (docs/protocol.md, "Scopes"). */
import type { Redis } from "ioredis";
import type { ShardKeys } from "../src/core/keys.ts";
import { SCOPE_UNIT } from "../src/core/limits.ts";
import { isSlots, slotsOf } from "./slots.ts";

type Table<T> = Record<string, T>;

export interface ScopesRead {
  /** Scope → score. */
  readonly scores: Table<number>;
  /** Scope → id → text of slots. */
  readonly hashes: Table<Table<string>>;
  /** Slot → scope → memberships; "" → their sum. */
  readonly memberships: Table<Table<string>>;
  readonly lingering: Table<number>;
  readonly lingerers: Table<number>;
  readonly told: readonly string[];
  /** Entries of `moves` of which the first is the oldest. */
  readonly moves: readonly (readonly [id: string, fields: readonly string[]])[];
  /** Of the totals; null: missing. */
  readonly total: string | null;
  readonly moved: string | null;
  readonly tracks: readonly string[];
}

const NAMES = new Set(["scopes", "lingering", "lingerers", "told", "moves"]);

/** Everything at once, of a shard at rest; or all but the changes, of which there may be many. */
export async function readScopes(
  redis: Redis,
  keys: ShardKeys,
  { withMoves = true }: { withMoves?: boolean } = {},
): Promise<ScopesRead> {
  const start = `${keys.tag}:`;
  const [names, [total = null, moved = null, tracks]] = await Promise.all([
    redis.keys(`${start.replaceAll(/[\\*?[\]]/g, "\\$&")}*`),
    redis.hmget(keys.totals, "lingering", "moved", "tracks"),
  ]);
  const found = names.map((key) => key.slice(start.length));
  const isUsed = found.some((name) => NAMES.has(name) || /^scopes?:/.test(name));
  const read = { total, moved, tracks: tracks ? (JSON.parse(tracks) as string[]) : [] };
  if (!isUsed)
    return {
      scores: {},
      hashes: {},
      memberships: {},
      lingering: {},
      lingerers: {},
      told: [],
      moves: [],
      ...read,
    };
  const scores = async (name: string) => {
    const flat = await redis.zrange(start + name, "0", "-1", "WITHSCORES");
    return Object.fromEntries(
      Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!, Number(flat[2 * i + 1])]),
    );
  };
  const hashes = async (prefix: string) =>
    Object.fromEntries(
      await Promise.all(
        found
          .filter((name) => name.startsWith(prefix))
          .map(async (name): Promise<[string, Table<string>]> => [
            name.slice(prefix.length),
            await redis.hgetall(start + name),
          ]),
      ),
    );
  const [all, members, own, lingering, lingerers, told, moves] = await Promise.all([
    scores("scopes"),
    hashes("scope:"),
    hashes("scopes:"),
    scores("lingering"),
    scores("lingerers"),
    redis.smembers(`${start}told`),
    withMoves ? redis.xrange(`${start}moves`, "-", "+") : [],
  ]);
  return {
    scores: all,
    hashes: members,
    memberships: membershipsIn(own),
    lingering,
    lingerers,
    told,
    moves,
    ...read,
  };
}

/** Without who has been absent since a process ended, which its hash has beside its memberships. */
export function membershipsIn(own: ScopesRead["memberships"]): ScopesRead["memberships"] {
  return Object.fromEntries(
    Object.entries(own).map(([slot, table]) => [
      slot,
      Object.fromEntries(Object.entries(table).filter(([name]) => !name.startsWith("-"))),
    ]),
  );
}

/** The same as PlainScopes of the model has it. */
export function plainOf(read: ScopesRead) {
  const map = <T, U>(table: Table<T>, to: (value: T, key: string) => U) =>
    Object.fromEntries(Object.entries(table).map(([key, value]) => [key, to(value, key)]));
  return {
    scopes: map(read.scores, (score, scope) => ({
      users: map(read.hashes[scope] ?? {}, (text) => Object.fromEntries(slotsOf(text))),
      sockets: score % SCOPE_UNIT,
      told: read.told.includes(scope),
    })),
    lingering: read.lingering,
    memberships: map(
      Object.fromEntries(
        Object.entries(read.memberships).filter(([, scopes]) => Object.keys(scopes).length > 0),
      ),
      (scopes) =>
        Object.fromEntries(
          Object.entries(scopes).flatMap(([scope, n]) => (scope === "" ? [] : [[scope, Number(n)]])),
        ),
    ),
    tracks: read.tracks,
  };
}

/** The transitions in entries of `moves`: one after the other. */
export function* transitionsOf(
  moves: ScopesRead["moves"],
): Generator<{ scope: string; cause: string; user: string } | "rebuilt"> {
  for (const [, fields] of moves) {
    for (let i = 0; i < fields.length; i += 2) {
      const scope = fields[i]!;
      if (scope === "rebuilt") yield scope;
      if (!scope.startsWith("/")) continue;
      if (fields.indexOf(scope) !== i) throw new Error(`${scope} is in an entry of moves twice`);
      for (const [cause, users] of Object.entries(JSON.parse(fields[i + 1]!) as Table<string[]>))
        for (const user of users) yield { scope, cause, user };
    }
  }
}

/** The same as plainMoves of the model has them: scope → cause → users. */
export function plainMovesOf(moves: ScopesRead["moves"]): Table<Table<string[]>> {
  const plain: Table<Table<string[]>> = {};
  for (const one of transitionsOf(moves)) {
    if (one === "rebuilt") throw new Error("the projection was rebuilt");
    ((plain[one.scope] ??= {})[one.cause] ??= []).push(one.user);
  }
  for (const causes of Object.values(plain)) for (const users of Object.values(causes)) users.sort();
  return plain;
}

/** Throws unless everything agrees. `users`: ids in the whole. `slots`: of processes that are not buried. */
export function checkScopes(read: ScopesRead, users: ReadonlySet<string>, slots: ReadonlySet<string>): void {
  checkScopeKeys(read, users, slots);
  same("totals.moved", read.moved ?? undefined, read.moves.at(-1)?.[0]);
  checkMoves(read);
}

/** The same without the changes. */
export function checkScopeKeys(
  read: ScopesRead,
  users: ReadonlySet<string>,
  slots: ReadonlySet<string>,
): void {
  const lingering = checkMembers(read, users);
  const members = (table: object) => Object.keys(table).sort().join(" ");
  same("INV-1: lingering", members(read.lingering), [...lingering].sort().join(" "));
  same("INV-1: lingerers", members(read.lingerers), members(read.lingering));
  for (const [member, score] of Object.entries(read.lingerers)) same(`INV-1: lingerer ${member}`, score, 0);
  same("totals.lingering", Number(read.total ?? 0), lingering.size);
  const isUsed = Object.keys(read.scores).length > 0 || read.moves.length > 0;
  if (isUsed && read.total === null) throw new Error("totals.lingering is missing");
  for (const scope of read.told)
    if (read.scores[scope] === undefined) throw new Error(`INV-1: ${scope} is told, and nobody is there`);
  for (const slot of Object.keys(read.memberships))
    if (!slots.has(slot)) throw new Error(`INV-1: scopes:${slot} belongs to no process`);
}

function same(what: string, found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`${what} is ${String(found)}, not ${String(wanted)}`);
}

/** Scores against hashes against the memberships of processes. Returns the members in grace, as `lingering` has to have them. */
function checkMembers({ scores, hashes, memberships }: ScopesRead, users: ReadonlySet<string>): Set<string> {
  const lingering = new Set<string>();
  const counted = new Map<string, number>();
  const add = (slot: string | number, scope: string, n: number) =>
    counted.set(`${slot} ${scope}`, (counted.get(`${slot} ${scope}`) ?? 0) + n);
  same(
    "INV-1: the scopes that have members",
    Object.keys(hashes).sort().join(),
    Object.keys(scores).sort().join(),
  );
  for (const [scope, texts] of Object.entries(hashes)) {
    let sockets = 0;
    for (const [user, text] of Object.entries(texts)) {
      if (!isSlots(text) || (user === "" && text === "0"))
        throw new Error(`INV-1: ${scope} holds ${text} for ${user}`);
      for (const [slot, n] of slotsOf(text)) {
        sockets += n;
        add(slot, scope, n);
        add(slot, "", n);
      }
      if (text !== "0") continue;
      lingering.add(`${Buffer.byteLength(user)}:${user}${scope}`);
      if (!users.has(user)) throw new Error(`INV-16: ${user} lingers in ${scope} and is not in users`);
    }
    const inScope = Object.keys(texts).filter((user) => user !== "").length;
    same(`INV-1: the score of ${scope}`, scores[scope], SCOPE_UNIT * inScope + sockets);
  }
  const declared = Object.entries(memberships).flatMap(([slot, scopes]) =>
    Object.entries(scopes).map(([scope, n]) => `${slot} ${scope}: ${n}`),
  );
  const wanted = [...counted].map(([name, n]) => `${name}: ${n}`);
  same("INV-1: memberships of processes", declared.sort().join("; "), wanted.sort().join("; "));
  return lingering;
}

/**
 * INV-4 in scopes. A scope can be told late, when somebody is there already, and no longer once nobody is: so the first change of
 * a user can be a departure, and who came while it was not told is in no change. But whoever came is told to go.
 */
function checkMoves({ moves, hashes }: ScopesRead): void {
  const online = new Map<string, { scope: string; user: string }>();
  for (const one of transitionsOf(moves)) {
    if (one === "rebuilt") {
      online.clear();
      continue;
    }
    const { scope, user, cause } = one;
    const key = JSON.stringify([scope, user]);
    if (user === "") throw new Error(`an anonymous socket is in a change of ${scope}`);
    if (cause !== "connect") online.delete(key);
    else if (online.has(key)) throw new Error(`INV-4: ${user} came to ${scope} twice`);
    else online.set(key, { scope, user });
  }
  for (const { scope, user } of online.values())
    if (!Object.hasOwn(hashes[scope] ?? {}, user))
      throw new Error(`INV-4: ${user} was not told to leave ${scope}`);
}
