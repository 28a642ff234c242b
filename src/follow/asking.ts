/** How a follower reads the projection beside a stream. */
import { LEVEL_CHUNK, TTL_MS_MAX } from "../core/limits.ts";
import { list, pairs, text } from "../redis/decode.ts";
import { redisError } from "../redis/errors.ts";
import { type ReadCommand, type ReadPort, type Reply, ReplyError } from "../redis/port.ts";

/** One transaction. Rejects with the first error reply. */
export async function ask(port: ReadPort, commands: readonly ReadCommand[]): Promise<readonly Reply[]> {
  const replies = await port.read(commands);
  return replies.map((reply) => {
    if (reply instanceof ReplyError) throw redisError(reply);
    return reply;
  });
}

/** The pages of a hash. */
export async function* pages(
  port: ReadPort,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<[name: string, value: string][], void> {
  const asked = "HSCAN";
  let cursor = "0";
  do {
    const [reply] = await ask(port, [["HSCAN", key, cursor, "COUNT", String(LEVEL_CHUNK)]]);
    const [next, found] = list(reply, asked, 2);
    cursor = text(next, asked);
    yield pairs(found, asked);
  } while (cursor !== "0" && !signal.aborted);
}

/** The longest lease in `about`, and at least `least`, ms. */
export async function longestLease(
  port: ReadPort,
  about: string,
  least: number,
  signal: AbortSignal,
): Promise<number> {
  let longest = least;
  for await (const found of pages(port, about, signal))
    for (const [, text] of found) longest = Math.max(longest, ttlOf(text));
  return longest;
}

/** The lease a process reported in `about`; 0 if none. */
function ttlOf(about: string): number {
  try {
    const { ttl } = JSON.parse(about) as { ttl?: unknown };
    const ms = Number(ttl);
    return Number.isFinite(ms) ? Math.min(Math.max(0, ms), TTL_MS_MAX) : 0;
  } catch {
    return 0;
  }
}

/** Runs `work` for each item, at most `atOnce` of them at a time. Rejects when all that were begun have ended. */
export async function forEach<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // All workers take from it; when one of them fails, it is ended and the others find nothing more.
  const shared = (function* () {
    yield* items;
  })();
  const workers = Array.from({ length: atOnce }, async () => {
    for (let next = shared.next(); next.done !== true; next = shared.next()) {
      try {
        await work(next.value);
      } catch (error) {
        shared.return();
        throw error;
      }
    }
  });
  const ends = await Promise.allSettled(workers);
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
