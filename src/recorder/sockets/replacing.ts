/**
 * Ends the older sockets of a user who connects anew, on all processes: core/only-one.ts decides, and this carries it out. Each counted
 * namespace is a contest of its own. Processes tell each other through Socket.IO's adapter; since it may lose what it is told, a
 * process tells it again, once per heartbeat, of users who have sockets on other processes too.
 */
import type { Server, Socket } from "socket.io";
import { listenerFailed, orInternal } from "../../core/errors.ts";
import { NEWEST_SLICE } from "../../core/limits.ts";
import { type Announcement, OnlyOne, type Verdict } from "../../core/only-one.ts";
import { shardOf } from "../../core/shard.ts";
import { isStreamId } from "../../core/stream-id.ts";
import type { RecordWatcher } from "../context.ts";
import { isAlone } from "./level.ts";
import type { Reports } from "./reports.ts";
import { ANONYMOUS } from "./users.ts";
import type { SocketWatcher } from "./watcher.ts";

/** The event between servers. Its arguments: the prefix of the keys, and a list of [namespace and user, record, n]. */
const EVENT = "rollcall:newest";

export interface ReplacingOptions {
  readonly io: Server;
  readonly prefix: string;
  readonly shards: number;
  readonly reports: Reports;
  /**
   * Which of these users of a shard, at most NEWEST_SLICE, have sockets on more than one process, as far as is known. May reject:
   * it is asked again with the next heartbeat.
   */
  readonly elsewhere: (shard: number, users: readonly string[]) => Promise<ReadonlySet<string>>;
}

/** A namespace has no comma. */
const contestOf = (namespace: string, user: string): string => `${namespace},${user}`;
const userIn = (contest: string): string => contest.slice(contest.indexOf(",") + 1);

export class Replacing implements SocketWatcher, RecordWatcher {
  readonly #own: ReplacingOptions;
  readonly #core: OnlyOne<Socket>;
  /** The contest of each socket whose user is known. */
  readonly #contests = new WeakMap<Socket, string>();
  #isComparing = false;
  #isDetached = false;

  constructor(options: ReplacingOptions) {
    this.#own = options;
    this.#core = new OnlyOne(options.shards);
    options.io.sockets.on(EVENT, this.#onHeard);
  }

  settled(socket: Socket, user: string): void {
    if (user === ANONYMOUS) return this.gone(socket);
    const contest = contestOf(socket.nsp.name, user);
    if (this.#contests.get(socket) === contest) return;
    this.#contests.set(socket, contest);
    this.#end(this.#core.connected(contest, shardOf(user, this.#own.shards), socket));
  }

  gone(socket: Socket): void {
    this.#contests.delete(socket);
    this.#core.left(socket);
  }

  taken(shard: number): void {
    this.#core.taken(shard);
  }

  appended(shard: number, id: string): void {
    this.#carryOut(this.#core.appended(shard, id));
  }

  heartbeat(): void {
    const { sockets } = this.#own.io;
    if (!sockets.listeners(EVENT).includes(this.#onHeard)) sockets.on(EVENT, this.#onHeard);
    if (this.#isComparing || !this.#reaches) return;
    this.#isComparing = true;
    // The recorder reports that Redis does not answer.
    const ends = (): void => void (this.#isComparing = false);
    this.#compare().then(ends, ends);
  }

  detached(): void {
    this.#isDetached = true;
    this.#own.io.sockets.off(EVENT, this.#onHeard);
    this.#core.clear();
  }

  /** Announces the users who are on several processes. */
  async #compare(): Promise<void> {
    const { shards, elsewhere } = this.#own;
    const byShard = Array.from({ length: shards }, (): string[] => []);
    for (const contest of this.#core.contests) byShard[shardOf(userIn(contest), shards)]!.push(contest);
    for (const [shard, contests] of byShard.entries()) {
      for (let i = 0; i < contests.length && !this.#isDetached; i += NEWEST_SLICE) {
        const slice = contests.slice(i, i + NEWEST_SLICE);
        const found = await elsewhere(shard, slice.map(userIn));
        const several = slice.filter((contest) => found.has(userIn(contest)));
        this.#announce(this.#core.announcements(several));
      }
    }
  }

  #carryOut({ ended, announced }: Verdict<Socket>): void {
    this.#end(ended);
    this.#announce(announced);
  }

  #end(sockets: readonly Socket[]): void {
    for (const socket of sockets) {
      try {
        // Another namespace of the same connection is a contest of its own.
        socket.disconnect(isAlone(socket));
      } catch (cause) {
        const kind = "listeners that threw when a replaced socket was disconnected";
        this.#own.reports.error(kind, () => {
          return listenerFailed("a listener of a socket's `disconnecting` or `disconnect`", "threw", cause);
        });
      }
    }
  }

  #announce(announced: readonly Announcement[]): void {
    const { io, prefix, reports } = this.#own;
    if (announced.length === 0 || this.#isDetached || !this.#reaches) return;
    for (let i = 0; i < announced.length; i += NEWEST_SLICE) {
      const items = announced
        .slice(i, i + NEWEST_SLICE)
        .map(({ contest, record, n }) => [contest, record, n]);
      try {
        io.sockets.serverSideEmit(EVENT, prefix, items);
      } catch (error) {
        reports.error("bugs in Rollcall", () => orInternal(error));
      }
    }
  }

  /** Whether the adapter can reach other servers: the one of a single server logs a warning of its own with each attempt. */
  get #reaches(): boolean {
    const { adapter } = this.#own.io.sockets;
    return ownerOf(adapter, "serverSideEmit") !== ownerOf(adapter, "addAll");
  }

  readonly #onHeard = (prefix: unknown, items: unknown): void => {
    if (prefix !== this.#own.prefix || !Array.isArray(items) || items.length > NEWEST_SLICE) return;
    for (const item of items as unknown[]) {
      if (!Array.isArray(item)) continue;
      const [contest, record, n] = item as unknown[];
      if (typeof contest !== "string" || typeof record !== "string" || typeof n !== "number") continue;
      if (isStreamId(record) && Number.isSafeInteger(n))
        this.#carryOut(this.#core.heard({ contest, record, n }));
    }
  };
}

/** The class that has a method. Adapters of several servers extend the one of a single server, which has addAll(). */
function ownerOf(adapter: object, method: string): unknown {
  let owner: unknown = adapter;
  while (typeof owner === "object" && owner !== null && !Object.hasOwn(owner, method))
    owner = Object.getPrototypeOf(owner);
  return owner;
}
