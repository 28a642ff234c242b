/** What the methods of a reader share: the port, the keys, and how to read a shard. */
import { PresenceError } from "../core/errors.ts";
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { fieldsOf, scored } from "../redis/decode.ts";
import { redisError } from "../redis/errors.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "../redis/port.ts";
import { checkShards } from "../redis/shards.ts";
import type { AsOf } from "./answers/as-of.ts";
import type { UserPresence } from "./answers/users.ts";
import { type ReaderInternals, type ReaderOptions, resolveReaderOptions } from "./options.ts";
import { asOfCommands, asOfCount, combineAsOf, readAsOf, type ShardAsOf } from "./as-of.ts";
import { RedisClock } from "./clock.ts";
import { type JudgedUser, Lapsed, lapsedCommand } from "./lapsed.ts";
import { LEASES_ASKED, leasesCommand, processIn, slotIn } from "./leases.ts";
import { checkTracked } from "./tracked.ts";
import { type View, viewOf, WHOLE } from "../core/view.ts";

/** A query sent with a clock this far behind Redis's is sent again, ms. */
const CLOCK_OFF_MS = 50;

/** One shard's replies, and how old they are. */
export interface ShardAnswer {
  readonly replies: readonly Reply[];
  readonly asOf: ShardAsOf;
}

/** Users with their value in the hash `users`; null: absent. */
export type Found = readonly (readonly [id: string, slots: string | null])[];

/** One shard's part of an answer about users. */
export interface UsersPart<T> {
  readonly users: readonly UserPresence[];
  readonly more: T;
  readonly asOf: ShardAsOf;
}

/** How the methods of one reader read Redis. Its functions reject with PresenceError, as the reader's methods do. */
export interface ReaderContext {
  /** What its answers are about: the whole, or one scope. */
  readonly view: View;
  /** What this process tracks itself. */
  readonly tracks: readonly string[];
  /** The same within a scope. */
  readonly within: (scope: string) => ReaderContext;
  readonly shards: number;
  /** One item per shard. */
  readonly keys: readonly ShardKeys[];
  /** Checks that the prefix has this reader's number of shards. Rejects with SHARDS_MISMATCH. */
  readonly open: () => Promise<void>;
  /** Runs `commands` on one shard and reads the age of the answers, in one transaction. */
  readonly ask: (shard: number, commands: readonly ReadCommand[]) => Promise<ShardAnswer>;
  /** The same on every shard. */
  readonly askAll: (
    commands: (keys: ShardKeys, shard: number) => readonly ReadCommand[],
  ) => Promise<ShardAnswer[]>;
  /**
   * Reads users from one shard with one command, and leaves out those who have lapsed (lapsed.ts). `find` decodes the reply;
   * `asked` names the command, for error messages.
   */
  readonly askUsers: <T>(
    shard: number,
    command: ReadCommand,
    asked: string,
    find: (reply: Reply | undefined) => { readonly found: Found; readonly more: T },
  ) => Promise<UsersPart<T>>;
  /** Reads one user from one shard and leaves out what has lapsed; with the reply of leasesCommand(). */
  readonly askUser: (
    shard: number,
    id: string,
    asked: string,
  ) => Promise<{ readonly user: JudgedUser; readonly leases: Reply | undefined; readonly asOf: ShardAsOf }>;
  /** Which processes of one shard have a lease that has not expired (lapsed.ts), in any order; and replies read in the same transaction. */
  readonly askLive: (
    shard: number,
    commands: (keys: ShardKeys) => readonly ReadCommand[],
  ) => Promise<{
    readonly processes: readonly { readonly slot: number; readonly process: string }[];
    readonly replies: readonly Reply[];
  }>;
  /** Runs commands on one shard, given by its keys, without the age. */
  readonly askPlain: (commands: readonly ReadCommand[]) => Promise<readonly Reply[]>;
  /** The `asOf` of an answer made of these parts, one per shard. Throws SCOPE_UNTRACKED where nobody is in a scope that is not tracked. */
  readonly combine: (parts: readonly ShardAsOf[]) => AsOf;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function contextOf(
  port: ReadPort,
  options: ReaderOptions,
  { now, elapsed = now ?? (() => performance.now()), tracks = [] }: ReaderInternals,
): ReaderContext {
  const { prefix, shards, staleAfter } = resolveReaderOptions(options);
  const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));

  const clocks = keys.map(({ clock }) => new RedisClock(clock, now));
  const lapses = keys.map((own) => new Lapsed(own, askPlain));
  /** When Redis last failed to answer. */
  let lostAt = -Infinity;

  async function read(commands: readonly ReadCommand[]): Promise<(Reply | ReplyError)[]> {
    try {
      return await port.read(commands);
    } catch (error) {
      lostAt = elapsed();
      throw error;
    }
  }

  async function askPlain(commands: readonly ReadCommand[]): Promise<readonly Reply[]> {
    const replies = await read(commands);
    if (!Array.isArray(replies) || replies.length !== commands.length) {
      throw new PresenceError("REPLY_INVALID", `${commands.length} commands got another number of replies`);
    }
    return replies.map((reply) => {
      if (reply instanceof ReplyError) throw redisError(reply);
      return reply;
    });
  }

  /** The outcome, not a promise of it: in a Worker, a promise never settles if the request that started it has ended. */
  let checked = false;
  async function open(): Promise<void> {
    if (checked) return;
    await checkShards(async (command) => (await read([command]))[0], prefix, shards);
    checked = true;
  }

  async function ask(
    view: View,
    shard: number,
    commands: readonly ReadCommand[] | ((clock: number) => readonly ReadCommand[]),
  ): Promise<ShardAnswer> {
    const clock = clocks[shard]!;
    await open();
    const asked = typeof commands === "function" ? commands(clock.now()) : commands;
    const time = clock.commands();
    const sentAt = clock.steady();
    const replies = await askPlain([...asOfCommands(keys[shard]!, view), ...asked, ...time]);
    if (time.length > 0) {
      const moved = clock.heard(replies.slice(-time.length), sentAt);
      // The deadlines were read up to a time that was too early.
      if (typeof commands === "function" && moved > CLOCK_OFF_MS) return ask(view, shard, commands);
    }
    const first = asOfCount(view);
    const own = replies.slice(first, first + asked.length);
    return { asOf: readAsOf(replies, { shards, view, now: clock.now() }), replies: own };
  }

  const contextWith = (view: View): ReaderContext => ({
    view,
    tracks,
    within: (scope) => contextWith(viewOf(scope)),
    shards,
    keys,
    open,
    ask: (shard, commands) => ask(view, shard, commands),
    askPlain,
    async askUsers(shard, command, asked, find) {
      const { replies, asOf } = await ask(view, shard, (clock) => [
        command,
        lapsedCommand(keys[shard]!, clock),
      ]);
      const { found: fields, more } = find(replies[0]);
      const found = isVoid(view, asOf) ? fields.map(([id]) => [id, null] as const) : fields;
      const { now: at, records } = asOf;
      const judged = { found, lapsed: replies[1], now: at, records, asked, view };
      return { users: await lapses[shard]!.judge(judged, elapsed() - lostAt), more, asOf };
    },
    async askUser(shard, id, asked) {
      const own = keys[shard]!;
      const { replies, asOf } = await ask(view, shard, [["HMGET", view.users(own), id], leasesCommand(own)]);
      const [slots = null] = fieldsOf(replies[0], asked, 1);
      const found = [[id, isVoid(view, asOf) ? null : slots]] as const;
      const judged = { found, lapsed: replies[1], now: asOf.now, records: asOf.records, asked, view };
      const [user] = await lapses[shard]!.judgeSlots(judged, elapsed() - lostAt);
      return { user: user!, leases: replies[1], asOf };
    },
    async askLive(shard, commands) {
      const own = keys[shard]!;
      const { replies, asOf } = await ask(WHOLE, shard, [leasesCommand(own), ...commands(own)]);
      // Each process as a user who has a socket on it.
      const found = scored(replies[0], LEASES_ASKED).map(([member]) => [member, slotIn(member)] as const);
      const { now: at, records } = asOf;
      const judged = { found, lapsed: replies[0], now: at, records, asked: LEASES_ASKED, view: WHOLE };
      const members = await lapses[shard]!.judgeSlots(judged, elapsed() - lostAt);
      // Of a process that has ended, users may be present in grace, and no sockets.
      const processes = members
        .filter(({ slots }) => slots !== null && slots.length > 0)
        .map(({ id: member }) => ({ slot: Number(slotIn(member)), process: processIn(member) }));
      return { processes, replies: replies.slice(1) };
    },
    async askAll(commands) {
      await open();
      return Promise.all(keys.map((own, shard) => ask(view, shard, commands(own, shard))));
    },
    combine(parts) {
      checkTracked(view, parts, tracks);
      return combineAsOf(parts, staleAfter, view);
    },
  });
  return contextWith(WHOLE);
}

/** What is left of a scope that is not in `scopes` any more, because that key was evicted, is deleted when the scope is used again. */
function isVoid({ scope }: View, { users, sockets }: ShardAsOf): boolean {
  return scope !== undefined && users + sockets === 0;
}
