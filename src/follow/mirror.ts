/**
 * Follows the changes of a prefix so that the emitted changes always add up to `users`, whatever was lost: a trimmed
 * stream, FLUSHALL, a failover, a rebuilt projection. src/core/mirror.ts decides what to emit; this file reads for it.
 *
 * After a gap it takes a cursor, pages through `users` and emits at once who came online. Who went offline is emitted after
 * a settling time, the longest lease seen, within which every live process has registered again. A mirror that would exceed
 * `max` is dropped; from then on changes are passed through, and a gap is only reported as a gap.
 */
import { type Change, decodeChanges, REBUILT } from "../core/change.ts";
import { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { LEVEL_CHUNK, LEVEL_MS, SETTLE_LEASES, TTL_MS_MAX } from "../core/limits.ts";
import { MirrorState } from "../core/mirror.ts";
import type { Logger } from "../core/options.ts";
import { shardOf } from "../core/shard.ts";
import { STREAM_START } from "../core/stream-id.ts";
import { fieldsOf, integerOrNull, list, pairs, text, timeOrNull } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import { redisError } from "../redis/errors.ts";
import { type ReadCommand, type Reply, ReplyError } from "../redis/port.ts";
import { pause } from "../time/pause.ts";
import { processRuntime } from "../time/runtime.ts";
import { endOf, tail, type TailOptions, type TailPort } from "./tail.ts";

/** Why changes may be missing. */
export type GapReason =
  /** Entries after the last one read are gone: the stream was trimmed, flushed, or lost its end in a failover. */
  | "lost"
  /** The projection was rebuilt. */
  | "rebuilt"
  /** More than `mirrorMax` users are online: from now on lost changes are only reported as a gap. */
  | "full";

export interface Gap {
  readonly reason: GapReason;
}

/** Who is online, from memory: what this process has emitted to its listeners. */
export interface Mirror {
  /** Resolves when it is complete. Rejects with LIMIT_EXCEEDED when more than `mirrorMax` users are online. */
  readonly ready: Promise<void>;
  /** Whether the user is online; false before `ready`. Throws LIMIT_EXCEEDED once the mirror is dropped, CLOSED after close(). */
  has(user: string): boolean;
  /** How many users are online. Throws like has(). */
  readonly size: number;
}

export interface FollowOptions extends Pick<
  TailOptions,
  "redis" | "onState" | "runtime" | "open" | "coalesce"
> {
  readonly prefix: string;
  readonly shards: number;
  /** The lease of this process: the shortest settling time, ms. */
  readonly ttl: number;
  /** Most users the mirror holds. */
  readonly max: number;
  /** Neither may throw. */
  readonly onChange: (change: Change) => void;
  readonly onGap: (gap: Gap) => void;
  readonly logger: Logger;
}

export interface Following {
  /** Resolves when every change from then on will be emitted. */
  readonly ready: Promise<void>;
  readonly mirror: Mirror;
  /** Ends it and closes its connections. Idempotent; nothing is emitted after the call. */
  close(): Promise<void>;
}

/** What is kept for one shard besides the mirror's state. */
interface Shard {
  readonly state: MirrorState;
  started: boolean;
  /** When it may emit who is missing, on the runtime's clock. */
  settles: number;
  /** The longest lease when leases were last read, ms. */
  ttl: number;
  /** The last slot assigned when leases were last read: a process that registers takes the next. */
  slots: string | null;
  /** Why it has to start again, if known. */
  reason: GapReason | "drift" | undefined;
  looks: number;
}

const ASKED = "HMGET of the totals";

export function follow(options: FollowOptions): Following {
  const { prefix, shards, max, onChange, onGap, logger, runtime = processRuntime } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
  const all = keys.map((): Shard => ({
    state: new MirrorState((change) => !signal.aborted && onChange(change)),
    started: false,
    settles: 0,
    ttl: options.ttl,
    slots: null,
    reason: undefined,
    looks: 0,
  }));
  let dropped = false;
  const complete = Promise.withResolvers<void>();
  // Only a caller that uses the mirror has to handle the rejection.
  complete.promise.catch(() => {});

  const full = () =>
    new PresenceError(
      "LIMIT_EXCEEDED",
      `more than ${max} users are online: raise \`mirrorMax\`, or ask Redis with isOnline() and counts()`,
    );
  const size = () => all.reduce((sum, { state }) => sum + state.size, 0);

  /** Drops the mirror when it is too large. Returns whether it is dropped. */
  function bound(): boolean {
    if (dropped || size() <= max) return dropped;
    dropped = true;
    for (const { state } of all) state.clear();
    complete.reject(full());
    logger.warn(
      `more than ${max} users are online: without a mirror, lost changes are only reported as a gap`,
    );
    if (!signal.aborted) onGap({ reason: "full" });
    return true;
  }

  /** The pages of a hash. */
  async function* pages(port: TailPort, key: string): AsyncGenerator<[name: string, value: string][], void> {
    const asked = "HSCAN";
    let cursor = "0";
    do {
      const [reply] = await ask(port, [["HSCAN", key, cursor, "COUNT", String(LEVEL_CHUNK)]]);
      const [next, found] = list(reply, asked, 2);
      cursor = text(next, asked);
      yield pairs(found, asked);
    } while (cursor !== "0" && !signal.aborted);
  }

  /** The longest lease of all processes, and at least `least`. */
  async function leases(port: TailPort, shard: number, least: number): Promise<number> {
    let longest = least;
    for await (const found of pages(port, keys[shard]!.about))
      for (const [, about] of found) longest = Math.max(longest, ttlOf(about));
    return longest;
  }

  async function start(shard: number, port: TailPort): Promise<string> {
    const own = all[shard]!;
    const { state } = own;
    // Not `change` of the totals: an existing entry can be checked later, even after a manual edit or an eviction.
    const place = await endOf(port, keys[shard]!.changes);
    const [reply] = await ask(port, [["HMGET", keys[shard]!.totals, "ran", "slots"]]);
    const [ran = null, slots = null] = fieldsOf(reply, ASKED, 2);
    const at = new Date(timeOrNull(ran, ASKED) ?? Date.now());
    const reason = own.reason ?? "lost";
    if (dropped) {
      if (own.started && !signal.aborted) onGap({ reason: reason === "drift" ? "lost" : reason });
    } else {
      if (own.started) logger.info(`changes are missing (${reason}): comparing with users`);
      state.begin();
      for await (const found of pages(port, keys[shard]!.users)) {
        for (const [user] of found) state.seen(user, at, place);
        if (bound()) break;
      }
      if (signal.aborted) return place;
      if (!dropped) {
        // Keep the longest lease so far: a process from before the gap may still have to register again.
        own.ttl = await leases(port, shard, own.ttl);
        own.slots = slots;
        state.read();
        if (own.started) own.settles = runtime.now() + SETTLE_LEASES * own.ttl;
        else await settle(shard, port);
      }
    }
    own.started = true;
    own.reason = undefined;
    if (all.every(({ started }) => started)) complete.resolve();
    return place;
  }

  /** Emits who is missing. Returns false when the entry at `place` is gone, so that no user is certain to be missing. */
  async function settle(shard: number, port: TailPort, place?: string): Promise<boolean> {
    const { state } = all[shard]!;
    const { users, changes, totals } = keys[shard]!;
    for (const chunk of state.missing()) {
      if (signal.aborted || dropped) return true;
      // An empty chunk: collecting it took a while, so let others run.
      if (chunk.length === 0) {
        await pause(0, signal, runtime);
        continue;
      }
      const from = place ?? STREAM_START;
      const [reply, ran, proof] = await ask(port, [
        ["HMGET", users, ...chunk],
        ["HMGET", totals, "ran"],
        ["XRANGE", changes, from, from, "COUNT", "1"],
      ]);
      if (from !== STREAM_START && list(proof, "XRANGE of changes").length === 0) return false;
      const at = new Date(timeOrNull(fieldsOf(ran, ASKED, 1)[0] ?? null, ASKED) ?? Date.now());
      const found = fieldsOf(reply, "HMGET of users", chunk.length);
      for (const [i, user] of chunk.entries()) {
        if (found[i] === null) state.gone(user, at, from);
        else state.seen(user, at, from);
      }
    }
    state.settled();
    return true;
  }

  let warned = false;
  /** The level check: compares with the totals. Returns true, start again, when two checks in a row differ. */
  async function compare(shard: number, port: TailPort, place: string): Promise<boolean> {
    const own = all[shard]!;
    const { totals, changes } = keys[shard]!;
    const [reply, rest] = await ask(port, [
      ["HMGET", totals, "users", "slots"],
      ["XRANGE", changes, place === STREAM_START ? "-" : `(${place}`, "+", "COUNT", "1"],
    ]);
    const [users = null, slots = null] = fieldsOf(reply, ASKED, 2);
    if (slots !== own.slots) own.ttl = await leases(port, shard, options.ttl);
    own.slots = slots;
    // The difference may be in entries that are not read yet.
    if (list(rest, "XRANGE of changes").length > 0) return false;
    if (!own.state.look(integerOrNull(users, ASKED) ?? 0)) return false;
    if (!warned)
      logger.warn("the mirror differs from the totals although no change was missing: comparing with users");
    warned = true;
    return true;
  }

  async function look(group: readonly number[], at: (string | undefined)[], port: TailPort): Promise<number> {
    let wait = LEVEL_MS;
    for (const [k, shard] of group.entries()) {
      const own = all[shard]!;
      const place = at[k];
      if (dropped || place === undefined) continue;
      if (own.state.phase === "settling" && runtime.now() >= own.settles) {
        if (!(await settle(shard, port, place))) at[k] = undefined;
      } else if (runtime.now() >= own.looks) {
        own.looks = runtime.now() + LEVEL_MS;
        if (await compare(shard, port, place)) {
          at[k] = undefined;
          own.reason = "drift";
        }
      }
      if (signal.aborted) return 0;
      const next = own.state.phase === "settling" ? Math.min(own.settles, own.looks) : own.looks;
      wait = Math.min(wait, next - runtime.now());
    }
    return wait;
  }

  /**
   * Applies entries, with a pause after each that held many changes. A `rebuilt` entry means start again. An online of a user
   * who is online, or an offline of one who is not, means that a change may be missing: "doubt".
   */
  async function deliver(
    shard: number,
    entries: readonly StreamEntry[],
  ): Promise<void | "restart" | "doubt"> {
    let news = true;
    const own = all[shard]!;
    let told = 0;
    for (const { id, fields } of entries) {
      if (fields[0] === REBUILT) {
        own.reason = "rebuilt";
        return "restart";
      }
      for (const change of decodeChanges(id, fields)) {
        if (signal.aborted) return;
        if (dropped) onChange(change);
        else news = own.state.apply(change) && news;
        told++;
      }
      bound();
      if (told < LEVEL_CHUNK) continue;
      told = 0;
      await pause(0, signal, runtime);
    }
    if (!news) return "doubt";
  }

  /** While nothing could be read, every process may have had to register again: the settling time starts over. */
  function onState(error: PresenceError | null, streams: readonly number[]): void {
    for (const own of streams.map((shard) => all[shard]!))
      if (own.state.phase === "settling")
        own.settles = error === null ? runtime.now() + SETTLE_LEASES * own.ttl : Infinity;
    options.onState?.(error, streams);
  }

  const closed = () => new PresenceError("CLOSED", "this presence has been closed");
  function check(): void {
    if (dropped) throw full();
    if (signal.aborted) throw closed();
  }

  const reading = tail({
    ...options,
    streams: keys.map(({ changes }) => changes),
    onEntries: deliver,
    level: { start, look },
    onState,
  });
  return {
    ready: reading.ready,
    mirror: {
      ready: complete.promise,
      has(user) {
        check();
        return all[shardOf(user, shards)]!.state.has(user);
      },
      get size() {
        check();
        return size();
      },
    },
    async close() {
      closing.abort();
      await reading.close();
      complete.reject(closed());
    },
  };
}

/** One transaction. Rejects with the first error reply. */
async function ask(port: TailPort, commands: readonly ReadCommand[]): Promise<readonly Reply[]> {
  const replies = await port.read(commands);
  return replies.map((reply) => {
    if (reply instanceof ReplyError) throw redisError(reply);
    return reply;
  });
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
