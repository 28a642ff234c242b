/**
 * All users present: page by page, one by one, or as a list.
 *
 * A listing has one cursor into `changes`, taken before its first page and carried in its page cursors. The changes after it
 * contain everyone who came or went while the pages were read (INV-17).
 */
import { decodePageCursor, encodePageCursor, type PageCursor } from "../core/cursor.ts";
import { orInternal, PresenceError } from "../core/errors.ts";
import { LIST_USERS_MAX, PAGE_USERS_MAX } from "../core/limits.ts";
import { list, pairs, text } from "../redis/decode.ts";
import type { AsOf } from "./answers/as-of.ts";
import type { UserPresence, UsersPage } from "./answers/users.ts";
import type { ReaderContext } from "./context.ts";
import { resolveListOptions, resolvePageOptions } from "./options.ts";
import type { PageOptions, Reader, UsersIterator } from "./types.ts";
import { withOthers } from "./users.ts";

/** After so many empty scans, page() returns an empty page with a cursor. */
const EMPTY_SCANS_MAX = 100;
const ASKED = "HSCAN of users";

/** HSCAN, one shard after another, and the commands of lapsed.ts. */
export function pagesOver(context: ReaderContext): Pick<Reader, "page" | "users" | "usersList"> {
  const { shards, keys, askUsers, combine, view } = context;

  async function page(options: PageOptions = {}): Promise<UsersPage> {
    const { cursor, limit } = resolvePageOptions(options);
    let at = cursor === undefined ? undefined : decodePageCursor(cursor, shards, view.mark);
    for (let scans = 1; ; scans++) {
      const { shard, scan } = at ?? { shard: 0, scan: "0" };
      const command = ["HSCAN", view.users(keys[shard]!), scan, "COUNT", String(limit)] as const;
      const part = await askUsers(shard, command, ASKED, (reply) => {
        const [place, found] = list(reply, ASKED, 2);
        return { found: pairs(found, ASKED).filter(([id]) => view.isUser(id)), more: text(place, ASKED) };
      });
      const users = part.users.filter(({ online }) => online);
      const isLast = part.more === "0" && shard + 1 === shards;
      // HSCAN may return nothing for a part of a table that has shrunk: skip some empty scans before returning an empty page.
      const isEmpty = users.length === 0 && !isLast && scans < EMPTY_SCANS_MAX;
      if (isEmpty && at !== undefined) {
        at = nextOf({ shard, scan: part.more, changes: at.changes });
        continue;
      }
      // Take the other shards' positions in `changes` before any of their users are read.
      const asOf = combine(await withOthers(context, shard, part.asOf));
      const changes = at?.changes ?? asOf.cursor;
      at = nextOf({ shard, scan: part.more, changes });
      if (isEmpty) continue;
      return { users, next: isLast ? null : encodePageCursor(at), asOf: { ...asOf, cursor: changes } };
    }
  }

  /** Called with the first page, before any of its users are returned. */
  async function* pages(onFirst: (asOf: AsOf) => void): AsyncGenerator<readonly UserPresence[], void> {
    let cursor: string | undefined;
    do {
      const { users, next, asOf } = await page({ cursor, limit: PAGE_USERS_MAX });
      if (cursor === undefined) onFirst(asOf);
      yield users;
      cursor = next ?? undefined;
    } while (cursor !== undefined);
  }

  function users(): UsersIterator {
    let cursor: string | undefined;
    async function* each(): AsyncGenerator<UserPresence, undefined, undefined> {
      try {
        for await (const some of pages((asOf) => (cursor = asOf.cursor))) yield* some;
      } catch (error) {
        throw orInternal(error);
      }
      return undefined;
    }
    const generator = each();
    return {
      get cursor() {
        return cursor;
      },
      next: () => generator.next(),
      return: () => generator.return(undefined),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  return {
    page,
    users,
    async usersList(options = {}) {
      const { max } = resolveListOptions(options);
      const found = new Map<string, UserPresence>();
      let first: AsOf | undefined;
      for await (const some of pages((asOf) => (first = asOf))) {
        for (const user of some) found.set(user.id, user);
        if (found.size > max) throw tooMany(max);
      }
      return { users: [...found.values()], asOf: first! };
    },
  };
}

/** Where to scan next: in the next shard once HSCAN has finished this one. */
function nextOf({ shard, scan, changes }: PageCursor): PageCursor {
  return scan === "0" ? { shard: shard + 1, scan, changes } : { shard, scan, changes };
}

function tooMany(max: number): PresenceError {
  const instead = max < LIST_USERS_MAX ? `raise \`max\`, up to ${LIST_USERS_MAX}, or iterate` : "iterate";
  return new PresenceError("LIMIT_EXCEEDED", `more than ${max} users are present: ${instead} users()`);
}
