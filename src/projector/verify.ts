/**
 * verify: an operator's audit of the projection, in bounded steps while the system runs.
 *
 * Only a manual edit of the keys, or an engine that lost writes halfway, can make the parts of the projection disagree. Some
 * of it shows user by user: slots of no process, invalid values, a grace without a deadline. The rest shows in sums: a
 * process's sockets in `users` against `states`, and all processes against the totals. Sums are compared only if nothing was
 * written while they were counted, so a busy shard with many users may never allow it.
 */
import { PresenceError } from "../core/errors.ts";
import type { ShardKeys } from "../core/keys.ts";
import { PROCESSES_MAX, VERIFY_EXAMPLES_MAX, VERIFY_SLICE, VERIFY_TRIES } from "../core/limits.ts";
import { verify as script } from "../lua/generated.ts";
import { fieldsOf, integer, scored, text, texts } from "../redis/decode.ts";
import { redisError } from "../redis/errors.ts";
import { type Reply, ReplyError, type WritePort } from "../redis/port.ts";
import { evaluate } from "../redis/scripts.ts";
import type { resolveVerifyOptions } from "./options.ts";
import { countScopes, membershipsDeclared, membershipsOf, type ScopesCount } from "./verify-scopes.ts";

const KINDS = [
  "user", "grace", "process", "total", "member", "lingering", "scope-users", "scope-sockets", "memberships",
] as const; // prettier-ignore

/** A difference between the projection and what it should be. */
export interface Difference {
  /**
   * A user id, a process id, a scope (`/chat,news`: the namespace, and after a comma the room), or the name of a total: `users`, `graced`,
   * `sockets`, `connections`, `lingering` (users in grace in scopes), `scopes`, `memberships`.
   */
  readonly name: string;
  /** The scope of a `member` or `lingering`. */
  readonly scope?: string;
  /**
   * `user`: the sockets in `users`, those of processes that do not exist included. `grace`: whether there is a deadline, 1 for a
   * user who is not in grace, 0 for one who is. `process`: its sockets in `users`. `total`: a count of the totals. `member`: a user's
   * sockets in a scope, the user `""` for anonymous ones. `lingering`: as `grace`, in a scope. `scope-users`, `scope-sockets`: what is
   * counted of a scope. `memberships`: those that a process has by its own count.
   */
  readonly of: (typeof KINDS)[number];
  readonly shard: number;
  /** null: not a count. */
  readonly found: number | null;
  readonly expected: number;
}

/** What an audit found. */
export interface VerifyReport {
  /** Users checked, over all shards. */
  readonly checked: number;
  /** How many differences there were. */
  readonly differences: number;
  /** The first of them, at most 1,000. */
  readonly examples: readonly Difference[];
  /**
   * Whether they were corrected: slots of no process and graces without a deadline were removed, the totals set, and a process
   * whose sum differs, of sockets or of memberships, was fenced, so that it registers again with its full state.
   */
  readonly repaired: boolean;
  /** Shards whose sums could not be compared, because something was written during every count. Try again at a quieter time. */
  readonly busy: number;
  /** False: the signal fired first. */
  readonly complete: boolean;
}

export interface Part {
  /** The next cursor of a scan, or the mark. */
  readonly at: string;
  readonly looked: number;
  readonly values: string[];
  readonly differences: Omit<Difference, "shard">[];
}

const ASKED = "the script that verifies";

/** Throws PresenceError VERSION_MISMATCH for a reply of another version of the script, REPLY_INVALID for any other. */
function parse(reply: Reply): Part {
  if (!Array.isArray(reply) || reply.length < 4) {
    throw new PresenceError(
      "VERSION_MISMATCH",
      "the script of verify replied in another version's format: update all processes to the same version of rollcall",
    );
  }
  const [at, looked, , count, ...rest] = reply;
  const all = texts(rest, ASKED);
  const first = integer(count, ASKED);
  const differences: Part["differences"] = [];
  for (let i = first; i + 3 < all.length; i += 4) {
    const found = all[i + 2] === "" ? NaN : Number(all[i + 2]);
    const of = KINDS.find((kind) => kind === all[i])!;
    differences.push({
      of,
      ...(of === "member" || of === "lingering" ? memberOf(all[i + 1]!) : { name: all[i + 1]! }),
      found: Number.isNaN(found) ? null : found,
      expected: Number(all[i + 3]),
    });
  }
  return { at: text(at, ASKED), looked: integer(looked, ASKED), values: all.slice(0, first), differences };
}

/** A scope and a user. */
function memberOf(json: string): { readonly name: string; readonly scope: string } {
  const [scope, name] = JSON.parse(json) as [string, string];
  return { name, scope };
}

/** A process id and its line of `states`. */
interface Registered {
  readonly id: string;
  readonly line: string;
  readonly state: string;
  readonly sockets: number;
  readonly anonymous: number;
  readonly connections: number;
  readonly slot: string;
}

function registeredOf(id: string, line: string): Registered {
  const [state = "", , sockets, anonymous, connections, slot = ""] = line.split(" ");
  return {
    id,
    line,
    state,
    slot,
    sockets: Number(sockets),
    anonymous: Number(anonymous),
    connections: Number(connections),
  };
}

/** One count of one shard. */
interface Count {
  readonly mark: string;
  readonly checked: number;
  readonly differences: Part["differences"];
  /** Slot → sockets in `users`. */
  readonly sums: ReadonlyMap<string, number>;
  readonly registered: readonly Registered[];
  /** undefined: no scope was ever used. */
  readonly scopes: ScopesCount | undefined;
}

export type Ask = (what: string, cursor?: string, ...more: string[]) => Promise<Part>;

/** The last slot assigned, and the ranges of slots up to it that belong to existing processes. */
async function slotsOf(port: WritePort, keys: ShardKeys): Promise<string[]> {
  // In this order: a process that registers in between gets a slot after the last.
  const [totals, leases] = await port.pipeline([
    ["HMGET", keys.totals, "slots"],
    ["ZRANGE", keys.processes, "0", "+inf", "BYSCORE", "LIMIT", "0", String(2 * PROCESSES_MAX), "WITHSCORES"],
  ]);
  for (const reply of [totals, leases]) if (reply instanceof ReplyError) throw redisError(reply);
  const [last = null] = fieldsOf(totals as Reply, "HMGET of the totals", 1);
  const slots = scored(leases as Reply, "ZRANGE of leases").map(([member]) => Number.parseInt(member, 10));
  const ranges: [first: number, last: number][] = [];
  for (const slot of slots.sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && slot <= range[1] + 1) range[1] = slot;
    else ranges.push([slot, slot]);
  }
  return [last ?? "0", ...ranges.flat().map(String)];
}

async function countShard(
  ask: Ask,
  slots: () => Promise<string[]>,
  signal: AbortSignal | undefined,
): Promise<Count> {
  const {
    at: mark,
    values: [lingering = ""],
  } = await ask("mark");
  const somebodys = await slots();
  let checked = 0;
  const differences: Part["differences"] = [];
  const sums = new Map<string, number>();
  const registered = new Map<string, Registered>();
  const each = async (what: string, take: (part: Part) => void) => {
    let cursor = "0";
    do {
      if (signal?.aborted === true) return;
      const part = await ask(what, cursor, ...(what === "users" ? somebodys : []));
      differences.push(...part.differences);
      take(part);
      cursor = part.at;
    } while (cursor !== "0");
  };
  await each("users", ({ looked, values }) => {
    checked += looked;
    for (let i = 0; i < values.length; i += 2)
      sums.set(values[i]!, (sums.get(values[i]!) ?? 0) + Number(values[i + 1]));
  });
  await each("leaving", () => {});
  await each("states", ({ values }) => {
    for (let i = 0; i < values.length; i += 2)
      registered.set(values[i]!, registeredOf(values[i]!, values[i + 1]!));
  });
  const known = [...registered.values()];
  const scopes =
    lingering === ""
      ? undefined
      : await countScopes(
          ask,
          known.map(({ slot }) => slot).filter((slot) => slot !== "0"),
          somebodys,
          signal,
        );
  differences.push(...(scopes?.differences ?? []));
  return { mark, checked, differences, sums, registered: known, scopes };
}

interface Odd {
  readonly one: Registered;
  readonly of: "process" | "memberships";
  readonly found: number;
  readonly expected: number;
}

/** Processes whose sockets in `users` differ from `states`, or whose own memberships differ from those in scopes. */
function unequal({ sums, registered, scopes }: Count): Odd[] {
  return registered
    .filter(({ state }) => state !== "ended")
    .flatMap((one): Odd[] => {
      const found = sums.get(one.slot) ?? 0;
      const expected = one.sockets - one.anonymous;
      const memberships = scopes && membershipsOf(scopes, one.slot);
      return [
        ...(found === expected ? [] : [{ one, of: "process" as const, found, expected }]),
        ...(memberships === undefined ? [] : [{ one, of: "memberships" as const, ...memberships }]),
      ];
    });
}

const WHY = {
  process: ["sockets in users", "in states"],
  memberships: ["memberships of its own", "in scopes"],
} as const;

/** Rejects with PresenceError as a projector's step does. */
export async function verifyShards(
  port: WritePort,
  shards: readonly ShardKeys[],
  { repair, signal }: ReturnType<typeof resolveVerifyOptions>,
): Promise<VerifyReport> {
  let checked = 0;
  let differences = 0;
  let busy = 0;
  const examples: Difference[] = [];

  /** Counts one shard, up to a few times. Resolves to whether its sums could be compared. */
  async function audit(shard: number): Promise<boolean> {
    const ask: Ask = async (what, cursor = "", ...more) => {
      const args = [what, repair ? "1" : "0", cursor, String(VERIFY_SLICE), ...more];
      return parse(await evaluate(port, script, shards[shard]!.list, args));
    };
    /** By kind and name: each is reported once, however often it was counted. */
    const told = new Set<string>();
    const tell = (some: Part["differences"]) => {
      for (const one of some) {
        const name = JSON.stringify([one.of, one.name, one.scope]);
        if (told.has(name)) continue;
        told.add(name);
        differences++;
        if (examples.length < VERIFY_EXAMPLES_MAX) examples.push({ ...one, shard });
      }
    };
    let last = 0;
    let before = "";
    for (let tries = 1; tries <= VERIFY_TRIES && !isAborted(signal); tries++) {
      const count = await countShard(ask, () => slotsOf(port, shards[shard]!), signal);
      checked += count.checked - last;
      last = count.checked;
      tell(count.differences);
      if (isAborted(signal)) return true;
      const sum = (pick: (one: Registered) => number) =>
        String(count.registered.reduce((all, one) => all + pick(one), 0));
      const sockets = sum((one) => one.sockets);
      const connections = sum((one) => one.connections);
      const { scopes } = count;
      const memberships = scopes === undefined ? "" : String(membershipsDeclared(scopes));
      let { at, differences: some } = await ask("totals", count.mark, sockets, connections, memberships);
      // Something was written meanwhile, by this process or another.
      if (at === "") continue;
      tell(some);
      for (const [scope, [users, open]] of scopes?.large ?? []) {
        ({ at, differences: some } = await ask("score", at, scope, String(users), String(open)));
        tell(some);
        if (at === "") break;
      }
      if (at === "") continue;
      const odd = unequal(count);
      // A scan can return a user twice, so only a difference found by two counts is reported.
      const found = JSON.stringify(odd);
      if (odd.length > 0 && found !== before) {
        before = found;
        continue;
      }
      tell(odd.map(({ one: { id: name }, of, found: n, expected }) => ({ of, name, found: n, expected })));
      for (const { one, of, found: n, expected } of repair ? odd : []) {
        const [has, should] = WHY[of];
        ({ at } = await ask("fence", at, one.id, one.line, `verify: ${n} ${has}, ${expected} ${should}`));
        if (at === "") break;
      }
      return at !== "";
    }
    return isAborted(signal);
  }

  for (const shard of shards.keys()) {
    if (signal?.aborted === true) break;
    if (!(await audit(shard))) busy++;
  }
  return {
    checked,
    differences,
    examples,
    repaired: repair && differences > 0,
    busy,
    complete: signal?.aborted !== true,
  };
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}
