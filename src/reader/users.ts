/** Users by id. */
import { PresenceError } from "../core/errors.ts";
import { LOOKUP_IDS_MAX } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";
import { checkUser } from "../core/user.ts";
import { fieldsOf } from "../redis/decode.ts";
import type { UserAnswer, UserPresence } from "./answers/users.ts";
import type { ShardAsOf } from "./as-of.ts";
import type { ReaderContext, UsersPart } from "./context.ts";
import type { Reader } from "./types.ts";

const ASKED = "HMGET of users";

/** One HMGET in each shard that has any of the users, and the commands of lapsed.ts. */
export function usersOver(context: ReaderContext): Pick<Reader, "user" | "lookup" | "isOnline"> {
  const { shards, keys, ask, combine, askUsers, view } = context;

  function usersIn(shard: number, ids: readonly string[]): Promise<UsersPart<undefined>> {
    return askUsers(shard, ["HMGET", view.users(keys[shard]!), ...ids], ASKED, (reply) => {
      const slots = fieldsOf(reply, ASKED, ids.length);
      return { found: ids.map((id, i) => [id, slots[i] ?? null]), more: undefined };
    });
  }

  async function user(id: string): Promise<UserAnswer> {
    const shard = shardOf(checkUser(id), shards);
    const { users, asOf } = await usersIn(shard, [id]);
    return { ...users[0]!, asOf: combine(await withOthers(context, shard, asOf)) };
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
      const parts = await Promise.all(
        byShard.map(async (ids, shard) =>
          ids.length === 0 ? { users: [], asOf: (await ask(shard, [])).asOf } : usersIn(shard, ids),
        ),
      );
      const found = new Map<string, UserPresence>();
      for (const part of parts) for (const one of part.users) found.set(one.id, one);
      return {
        users: users.map((id) => found.get(id)!),
        asOf: combine(parts.map(({ asOf }) => asOf)),
      };
    },
  };
}

/** The age of every shard. A cursor covers all shards, so an answer from one shard also reads the position of the others. */
export function withOthers(
  { keys, ask }: ReaderContext,
  shard: number,
  own: ShardAsOf,
): Promise<ShardAsOf[]> {
  return Promise.all(keys.map(async (_, other) => (other === shard ? own : (await ask(other, [])).asOf)));
}
