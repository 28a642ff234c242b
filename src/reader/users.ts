/** Users by id. */
import { PresenceError } from "../core/errors.ts";
import { LOOKUP_IDS_MAX } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";
import { checkUser } from "../core/user.ts";
import { fieldsOf, integer } from "../redis/decode.ts";
import type { UserAnswer, UserPresence } from "./answers/users.ts";
import type { ShardAsOf } from "./as-of.ts";
import type { ReaderContext } from "./context.ts";
import type { Reader } from "./types.ts";

const ASKED = "HMGET of users";

/** One HMGET in each shard that has any of the users. */
export function usersOver(context: ReaderContext): Pick<Reader, "user" | "lookup" | "isOnline"> {
  const { shards, keys, ask, askAll, combine } = context;

  async function user(id: string): Promise<UserAnswer> {
    const shard = shardOf(checkUser(id), shards);
    const { replies, asOf } = await ask(shard, [["HMGET", keys[shard]!.users, id]]);
    const [sockets] = fieldsOf(replies[0], ASKED, 1);
    const parts = await withOthers(context, shard, asOf);
    return { ...presenceOf(id, sockets ?? null, ASKED), asOf: combine(parts) };
  }

  return {
    user,
    isOnline: async (id) => (await user(id)).online,
    async lookup(users) {
      if (users.length > LOOKUP_IDS_MAX) {
        throw new PresenceError(
          "OPTIONS_INVALID",
          `lookup takes at most ${LOOKUP_IDS_MAX} users, got ${users.length}`,
        );
      }
      const byShard = keys.map((): string[] => []);
      for (const id of users) byShard[shardOf(checkUser(id), shards)]!.push(id);
      const answers = await askAll((own, shard) =>
        byShard[shard]!.length === 0 ? [] : [["HMGET", own.users, ...byShard[shard]!]],
      );
      const found = new Map<string, UserPresence>();
      for (const [shard, ids] of byShard.entries()) {
        if (ids.length === 0) continue;
        const sockets = fieldsOf(answers[shard]!.replies[0], ASKED, ids.length);
        for (const [i, id] of ids.entries()) found.set(id, presenceOf(id, sockets[i] ?? null, ASKED));
      }
      return {
        users: users.map((id) => found.get(id)!),
        asOf: combine(answers.map(({ asOf }) => asOf)),
      };
    },
  };
}

/** A user from its value in the hash `users`: the number of sockets, 0 in grace; null: absent. */
export function presenceOf(id: string, sockets: string | null, asked: string): UserPresence {
  return { id, online: sockets !== null, sockets: sockets === null ? 0 : integer(sockets, asked) };
}

/** The age of every shard. A cursor covers all shards, so an answer from one shard also reads the position of the others. */
export function withOthers(
  { keys, ask }: ReaderContext,
  shard: number,
  own: ShardAsOf,
): Promise<ShardAsOf[]> {
  return Promise.all(keys.map(async (_, other) => (other === shard ? own : (await ask(other, [])).asOf)));
}
