/** All users present: by page, one by one, or as a list. */
import { decodePageCursor, encodePageCursor, FIRST_PAGE } from "../core/cursor.ts";
import { orInternal, PresenceError } from "../core/errors.ts";
import { LIST_USERS_MAX, PAGE_USERS_MAX } from "../core/limits.ts";
import { list, pairs, text } from "../redis/decode.ts";
import type { UserPresence, UsersPage } from "./answers/users.ts";
import type { ReaderContext } from "./context.ts";
import { resolveListOptions, resolvePageOptions } from "./options.ts";
import type { PageOptions, Reader } from "./types.ts";
import { presenceOf, withOthers } from "./users.ts";

/** After so many empty scans, page() returns an empty page with a cursor. */
const EMPTY_SCANS_MAX = 100;
const ASKED = "HSCAN of users";

/** HSCAN, one shard after another. */
export function pagesOver(context: ReaderContext): Pick<Reader, "page" | "users" | "usersList"> {
  const { shards, keys, ask, combine } = context;

  async function page(options: PageOptions = {}): Promise<UsersPage> {
    const { cursor, limit } = resolvePageOptions(options);
    let at = cursor === undefined ? FIRST_PAGE : decodePageCursor(cursor, shards);
    for (let scans = 1; ; scans++) {
      const here = at.shard;
      const { replies, asOf } = await ask(here, [
        ["HSCAN", keys[here]!.users, at.scan, "COUNT", String(limit)],
      ]);
      const [place, found] = list(replies[0], ASKED, 2);
      const scan = text(place, ASKED);
      const users = pairs(found, ASKED).map(([id, sockets]) => presenceOf(id, sockets, ASKED));
      const next =
        scan !== "0" ? { shard: here, scan } : here + 1 < shards ? { shard: here + 1, scan: "0" } : null;
      // HSCAN may return nothing for a part of a table that has shrunk. Skip some empty scans before returning an empty page.
      if (users.length > 0 || next === null || scans === EMPTY_SCANS_MAX) {
        return {
          users,
          next: next === null ? null : encodePageCursor(next),
          asOf: combine(await withOthers(context, here, asOf)),
        };
      }
      at = next;
    }
  }

  async function* pages(): AsyncGenerator<readonly UserPresence[], void> {
    let cursor: string | undefined;
    do {
      const { users, next } = await page({ cursor, limit: PAGE_USERS_MAX });
      yield users;
      cursor = next ?? undefined;
    } while (cursor !== undefined);
  }

  return {
    page,
    async *users() {
      try {
        for await (const users of pages()) yield* users;
      } catch (error) {
        throw orInternal(error);
      }
    },
    async usersList(options = {}) {
      const { max } = resolveListOptions(options);
      const found = new Map<string, UserPresence>();
      for await (const users of pages()) {
        for (const user of users) found.set(user.id, user);
        if (found.size > max) throw tooMany(max);
      }
      return [...found.values()];
    },
  };
}

function tooMany(max: number): PresenceError {
  const instead = max < LIST_USERS_MAX ? `raise \`max\`, up to ${LIST_USERS_MAX}, or iterate` : "iterate";
  return new PresenceError("LIMIT_EXCEEDED", `more than ${max} users are present: ${instead} users()`);
}
