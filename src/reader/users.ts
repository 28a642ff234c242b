/** Users by id. */
import { PresenceError } from "../core/errors.ts";
import { LOOKUP_IDS_MAX } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";
import { checkUser } from "../core/user.ts";
import { fieldsOf, scored } from "../redis/decode.ts";
import type { Reply } from "../redis/port.ts";
import type { UserAnswer, UserPresence, UserProcess } from "./answers/users.ts";
import type { ShardAsOf } from "./as-of.ts";
import type { ReaderContext, UsersPart } from "./context.ts";
import { type JudgedUser, presence } from "./lapsed.ts";
import { LEASES_ASKED, processIn, slotIn } from "./leases.ts";
import type { Reader } from "./types.ts";

const ASKED = "HMGET of users";

/** One HMGET in each shard that has any of the users, and the commands of lapsed.ts. */
export function usersOver(context: ReaderContext): Pick<Reader, "user" | "lookup" | "isOnline"> {
  const { shards, keys, ask, combine, askUser, askUsers, view } = context;

  function usersIn(shard: number, ids: readonly string[]): Promise<UsersPart<undefined>> {
    return askUsers(shard, ["HMGET", view.users(keys[shard]!), ...ids], ASKED, (reply) => {
      const slots = fieldsOf(reply, ASKED, ids.length);
      return { found: ids.map((id, i) => [id, slots[i] ?? null]), more: undefined };
    });
  }

  async function user(id: string): Promise<UserAnswer> {
    const shard = shardOf(checkUser(id), shards);
    const { user: found, leases, asOf } = await askUser(shard, id, ASKED);
    const processes = processesOf(found, leases);
    return { ...presence(found), processes, asOf: combine(await withOthers(context, shard, asOf)) };
  }

  return {
    user,
    async isOnline(id) {
      const shard = shardOf(checkUser(id), shards);
      const { users, asOf } = await usersIn(shard, [id]);
      // Nobody is there, or nobody counts: only the age of every shard tells.
      if (view.scope !== undefined) combine(await withOthers(context, shard, asOf));
      return users[0]!.online;
    },
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

/** Sorted by id. A slot without a lease cannot be named: there are more than PROCESSES_MAX, or a key was edited by hand. */
function processesOf({ slots }: JudgedUser, leases: Reply | undefined): UserProcess[] {
  const sockets = new Map(slots ?? []);
  return scored(leases, LEASES_ASKED)
    .flatMap(([member]): UserProcess[] => {
      const found = sockets.get(slotIn(member));
      return found === undefined ? [] : [{ id: processIn(member), sockets: found }];
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The age of every shard. A cursor covers all shards, so an answer from one shard also reads the position of the others. */
export function withOthers(
  { keys, ask }: ReaderContext,
  shard: number,
  own: ShardAsOf,
): Promise<ShardAsOf[]> {
  return Promise.all(keys.map(async (_, other) => (other === shard ? own : (await ask(other, [])).asOf)));
}
