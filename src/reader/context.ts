/** What the methods of a reader share: the port, the keys, and how to read a shard. */
import { PresenceError } from "../core/errors.ts";
import { keysOf, type ShardKeys } from "../core/keys.ts";
import { redisError } from "../redis/errors.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "../redis/port.ts";
import { checkShards } from "../redis/shards.ts";
import type { AsOf } from "./answers/as-of.ts";
import { type ReaderInternals, type ReaderOptions, resolveReaderOptions } from "./options.ts";
import { AS_OF_COUNT, asOfCommands, combineAsOf, readAsOf, type ShardAsOf } from "./as-of.ts";

/** One shard's replies, and how old they are. */
export interface ShardAnswer {
  readonly replies: readonly Reply[];
  readonly asOf: ShardAsOf;
}

/** How the methods of one reader read Redis. Its functions reject with PresenceError, as the reader's methods do. */
export interface ReaderContext {
  readonly shards: number;
  /** One item per shard. */
  readonly keys: readonly ShardKeys[];
  /** The clock, ms. */
  readonly now: () => number;
  /** Checks that the prefix has this reader's number of shards. Rejects with SHARDS_MISMATCH. */
  readonly open: () => Promise<void>;
  /** Runs `commands` on one shard and reads the age of the answers, in one transaction. */
  readonly ask: (shard: number, commands: readonly ReadCommand[]) => Promise<ShardAnswer>;
  /** The same on every shard. */
  readonly askAll: (
    commands: (keys: ShardKeys, shard: number) => readonly ReadCommand[],
  ) => Promise<ShardAnswer[]>;
  /** Runs commands on one shard, given by its keys, without the age. */
  readonly askPlain: (commands: readonly ReadCommand[]) => Promise<readonly Reply[]>;
  /** The `asOf` of an answer made of these parts, one per shard. */
  readonly combine: (parts: readonly ShardAsOf[]) => AsOf;
}

/** Throws PresenceError OPTIONS_INVALID. */
export function contextOf(
  port: ReadPort,
  options: ReaderOptions,
  { now = Date.now }: ReaderInternals,
): ReaderContext {
  const { prefix, shards, staleAfter } = resolveReaderOptions(options);
  const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));

  async function askPlain(commands: readonly ReadCommand[]): Promise<readonly Reply[]> {
    const replies = await port.read(commands);
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
    await checkShards(async (command) => (await port.read([command]))[0], prefix, shards);
    checked = true;
  }

  async function ask(shard: number, commands: readonly ReadCommand[]): Promise<ShardAnswer> {
    await open();
    const replies = await askPlain([...asOfCommands(keys[shard]!), ...commands]);
    return { asOf: readAsOf(replies, shards, now()), replies: replies.slice(AS_OF_COUNT) };
  }

  return {
    shards,
    keys,
    now,
    open,
    ask,
    askPlain,
    async askAll(commands) {
      await open();
      return Promise.all(keys.map((own, shard) => ask(shard, commands(own, shard))));
    },
    combine: (parts) => combineAsOf(parts, staleAfter),
  };
}
