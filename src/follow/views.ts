/**
 * Follows views by one stream so that the changes emitted for each always add up to its users, whatever was lost: a trimmed
 * stream, FLUSHALL, a failover, a rebuilt projection. src/core/mirror.ts decides what to emit; this file reads for it.
 *
 * The place in the stream and its proof are one for all views. After a gap it takes a cursor, pages through the users of each view and
 * emits at once who came online. Who went offline is emitted after a settling time, the longest lease seen, within which every
 * live process has registered again. A mirror that does not fit is dropped; from then on changes are passed through, and a gap is
 * only reported as a gap.
 *
 * A view that is added later is read beside the stream, on another connection, since XREAD blocks this one: what comes meanwhile waits
 * for it. If that fails, it is read where the stream is, between two reads.
 */
import { type Change, REBUILT } from "../core/change.ts";
import type { PresenceError } from "../core/errors.ts";
import { keysOf } from "../core/keys.ts";
import { LEVEL_CHUNK, LEVEL_MS, SETTLE_LEASES, VIEWS_AT_ONCE } from "../core/limits.ts";
import type { Logger } from "../core/options.ts";
import { isBefore, STREAM_START } from "../core/stream-id.ts";
import { type GuardedOperation, type ResyncReason, typeOfError } from "../core/telemetry.ts";
import type { View } from "../core/view.ts";
import { fieldsOf, list, timeOrNull } from "../redis/decode.ts";
import type { StreamEntry } from "../redis/entries.ts";
import { pause } from "../time/pause.ts";
import { processRuntime } from "../time/runtime.ts";
import { ask, forEach, longestLease, pages } from "./asking.ts";
import { Bound, type Followed, followedOf, type GapReason, type Hearer, type Part } from "./followed.ts";
import type { Source } from "./sources.ts";
import { endOf, tail, type TailOptions, type TailPort } from "./tail.ts";

export interface ViewsOptions extends Pick<
  TailOptions,
  "redis" | "onState" | "runtime" | "open" | "coalesce" | "telemetry"
> {
  readonly prefix: string;
  readonly shards: number;
  /** The lease of this process: the shortest settling time, ms. */
  readonly ttl: number;
  /** Most users that the mirrors of all views hold. */
  readonly max: number;
  readonly logger: Logger;
  readonly source: Source;
  /** What is logged when a mirror is dropped. */
  readonly full: string;
  /** Where a view that is added later is read; without it, where the stream is. */
  readonly beside?: TailPort | undefined;
}

/** What is kept of one stream. */
interface Stream {
  /** The longest lease when leases were last read, ms. */
  ttl: number;
  /** The last slot assigned when leases were last read: a process that registers takes the next. */
  slots: string | null;
  /** Why it has to start again, if known. */
  reason: GapReason | undefined;
  /** When to compare next, on the runtime's clock. */
  looks: number;
  started: boolean;
}

interface Before {
  /** When the totals were written. */
  readonly at: Date;
  readonly slots: string | null;
  /** What scopes have is void: it is being deleted after a rebuild. */
  readonly isVoid: boolean;
  /** Those that have users whose changes are not in the stream. */
  readonly untold: ReadonlySet<Followed>;
}

interface ReadOptions {
  /** Whether the reading still counts. */
  readonly isCurrent?: () => boolean;
  /** Who is missing need not be waited for. */
  readonly isUnwaited?: boolean;
}

export interface Views {
  /** Resolves when the place in every stream is known. */
  readonly ready: Promise<void>;
  add(view: View, hearer: Hearer): Followed;
  /** Nothing is emitted after the call. */
  remove(followed: Followed): void;
  /** Ends it and closes its connections. Idempotent; nothing is emitted after the call. */
  close(): Promise<void>;
}

const ASKED = "HMGET of the totals";

export function followViews(options: ViewsOptions): Views {
  const { prefix, shards, source, logger, beside, telemetry, runtime = processRuntime } = options;
  const closing = new AbortController();
  const { signal } = closing;
  const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
  const streams = keys.map((): Stream => ({
    ttl: options.ttl,
    slots: null,
    reason: undefined,
    looks: 0,
    started: false,
  }));
  const views = new Map<string | undefined, Followed>();
  const bound = new Bound(options.max);
  const said = new Set<string>();

  const isOver = ({ removed }: Followed) => removed || signal.aborted;

  function warnOnce(message: string): void {
    if (!said.has(message)) logger.warn(message);
    said.add(message);
  }

  /** Drops the mirror of a view if it is too large. Returns whether it is dropped. */
  function isDropped(followed: Followed, part: Part): boolean {
    if (!bound.exceeds(followed, part)) return followed.dropped;
    warnOnce(options.full);
    if (!isOver(followed)) followed.hearer.onGap({ reason: "full" });
    return true;
  }

  /** What is known before views are read, in one transaction. */
  async function beforeReading(port: TailPort, shard: number, all: readonly Followed[]): Promise<Before> {
    const scopes = all.filter(({ view }) => view.scope !== undefined);
    const views = scopes.map(({ view }) => view);
    const [first, ...replies] = await ask(port, [
      ["HMGET", keys[shard]!.totals, "ran", "slots", "clearing"],
      ...(views.length > 0 ? source.levels(keys[shard]!, views) : []),
    ]);
    const [ran = null, slots = null, clearing] = fieldsOf(first, ASKED, 3);
    const levels = views.length > 0 ? source.levelsOf(replies, views.length) : [];
    return {
      at: new Date(timeOrNull(ran, ASKED) ?? Date.now()),
      slots,
      isVoid: clearing === "1",
      untold: new Set(scopes.filter((_, i) => levels[i]!.users > 0 && !levels[i]!.isTold)),
    };
  }

  /** Reads who is in a view. Later entries of the stream than `place` may be in it too. */
  async function read(
    followed: Followed,
    shard: number,
    port: TailPort,
    place: string,
    before: Before,
    { isCurrent = () => true, isUnwaited = false }: ReadOptions = {},
  ): Promise<void> {
    const part = followed.parts[shard]!;
    const { state } = part;
    const { view } = followed;
    // Until it is complete nothing is emitted, so what an attempt before has found says nothing.
    if (!part.started) state.clear();
    state.begin();
    part.untold = before.untold.has(followed);
    if (!(before.isVoid && view.scope !== undefined)) {
      for await (const found of pages(port, view.users(keys[shard]!), signal)) {
        if (isOver(followed) || !isCurrent()) return;
        for (const [field] of found) if (view.isUser(field)) state.seen(field, before.at, place);
        if (isDropped(followed, part)) break;
      }
    }
    if (isOver(followed) || followed.dropped || !isCurrent()) return;
    state.read();
    if (!part.started) state.settled();
    else if (isUnwaited) part.settles = runtime.now();
    else part.settles = runtime.now() + SETTLE_LEASES * streams[shard]!.ttl;
  }

  /** The part has been read up to `place`. */
  function done(followed: Followed, part: Part, place: string): void {
    part.started = true;
    part.again = false;
    part.from = place;
    if (followed.parts.every(({ started }) => started)) followed.started.resolve();
  }

  /** Tells that `call` compares mirrors with Redis, if there is a reason for that. */
  async function resynced<T>(
    shard: number,
    reason: ResyncReason | undefined,
    call: () => Promise<T>,
  ): Promise<T> {
    const begin = () => telemetry!.begin("resync", { shard, stream: source.name, reason: reason! });
    const resyncing: GuardedOperation<"resync"> | undefined =
      reason === undefined ? undefined : telemetry?.apart(begin);
    try {
      const result = await call();
      resyncing?.done({});
      return result;
    } catch (error) {
      resyncing?.failed(typeOfError(error));
      throw error;
    }
  }

  function start(shard: number, port: TailPort): Promise<string> {
    const isAgain = [...views.values()].some(({ parts, dropped }) => parts[shard]!.started && !dropped);
    const reason = streams[shard]!.reason === "rebuilt" ? "rebuilt" : "lost";
    return resynced(shard, isAgain ? reason : undefined, () => startAnew(shard, port));
  }

  async function startAnew(shard: number, port: TailPort): Promise<string> {
    const own = streams[shard]!;
    own.started = false;
    // Not `change` of the totals: an existing entry can be checked later, even after a manual edit or an eviction.
    const place = await endOf(port, source.stream(keys[shard]!));
    const all = [...views.values()];
    const before = await beforeReading(port, shard, all);
    // Keep the longest lease so far: a process from before the gap may still have to register again.
    own.ttl = await longestLease(port, keys[shard]!.about, own.ttl, signal);
    own.slots = before.slots;
    const reason = own.reason ?? "lost";
    if (all.some(({ parts, dropped }) => parts[shard]!.started && !dropped))
      logger.info(`changes are missing (${reason}): comparing with users`);
    await forEach(all, VIEWS_AT_ONCE, async (followed) => {
      const part = followed.parts[shard]!;
      part.beside = undefined;
      part.unproved = false;
      if (isOver(followed)) return;
      if (followed.dropped && part.started) followed.hearer.onGap({ reason });
      if (!followed.dropped) await read(followed, shard, port, place, before);
      done(followed, part, place);
    });
    own.started = true;
    own.reason = undefined;
    return place;
  }

  /** Reads a view that was added while its stream is being read. */
  async function readBeside(followed: Followed, shard: number, port: TailPort): Promise<void> {
    const part = followed.parts[shard]!;
    const waiting: Change[] = [];
    part.beside = waiting;
    const isCurrent = () => part.beside === waiting;
    try {
      // From here on its changes wait, so this is a place after which none is missing.
      const place = await endOf(port, source.stream(keys[shard]!));
      const before = await beforeReading(port, shard, [followed]);
      if (isCurrent() && !isOver(followed)) await read(followed, shard, port, place, before, { isCurrent });
      if (!isCurrent() || isOver(followed)) return;
      part.beside = undefined;
      part.unproved = place !== STREAM_START;
      done(followed, part, place);
      for (const change of waiting) apply(followed, part, change);
      isDropped(followed, part);
    } catch {
      // It is read where the stream is, and a failure is reported there.
      if (isCurrent()) part.beside = undefined;
    }
  }

  /** Emits who is missing. Returns false when the entry at `place` is gone, so that no user is certain to be missing. */
  async function settle(followed: Followed, shard: number, port: TailPort, place: string): Promise<boolean> {
    const part = followed.parts[shard]!;
    const { state } = part;
    const { scope } = followed.view;
    const { totals } = keys[shard]!;
    const stream = source.stream(keys[shard]!);
    for (const chunk of state.missing()) {
      if (isOver(followed) || followed.dropped) return true;
      // An empty chunk: collecting it took a while, so let others run.
      if (chunk.length === 0) {
        await pause(0, signal, runtime);
        continue;
      }
      const [reply, told, proof] = await ask(port, [
        ["HMGET", followed.view.users(keys[shard]!), ...chunk],
        ["HMGET", totals, "ran", "clearing"],
        ["XRANGE", stream, place, place, "COUNT", "1"],
      ]);
      if (place !== STREAM_START && list(proof, "XRANGE of changes").length === 0) return false;
      const [ran = null, clearing] = fieldsOf(told, ASKED, 2);
      if (clearing === "1" && scope !== undefined) {
        // Until that is done no process can register.
        part.settles = runtime.now() + SETTLE_LEASES * streams[shard]!.ttl;
        return true;
      }
      const at = new Date(timeOrNull(ran, ASKED) ?? Date.now());
      const found = fieldsOf(reply, "HMGET of users", chunk.length);
      for (const [i, user] of chunk.entries()) {
        if (found[i] === null) state.gone(user, at, place);
        else state.seen(user, at, place);
      }
    }
    state.settled();
    isDropped(followed, part);
    return true;
  }

  /** The level check: compares with what the projection counts. Two checks in a row that differ have a view read again. */
  async function compare(shard: number, port: TailPort, place: string): Promise<void> {
    const own = streams[shard]!;
    const { totals, about } = keys[shard]!;
    const stream = source.stream(keys[shard]!);
    const all = [...views.values()].filter(({ parts, dropped }) => !dropped && parts[shard]!.started);
    const [first, ...replies] = await ask(port, [
      ["HMGET", totals, "slots"],
      ...source.levels(keys[shard]!, all.map(({ view }) => view)),
      ["XRANGE", stream, place === STREAM_START ? "-" : `(${place}`, "+", "COUNT", "1"],
    ]); // prettier-ignore
    const [slots = null] = fieldsOf(first, ASKED, 1);
    if (slots !== own.slots) own.ttl = await longestLease(port, about, options.ttl, signal);
    own.slots = slots;
    // The difference may be in entries that are not read yet.
    if (list(replies.pop(), "XRANGE of changes").length > 0) return;
    const levels = source.levelsOf(replies, all.length);
    for (const [i, followed] of all.entries()) {
      const part = followed.parts[shard]!;
      const { users, isTold } = levels[i]!;
      if (part.again || part.state.phase !== "level") continue;
      if (!isTold && users > 0) part.untold = true;
      else if (part.untold) part.again = true;
      else if (part.state.look(users)) {
        part.again = true;
        warnOnce("the mirror differs from the totals although no change was missing: comparing with users");
      }
    }
  }

  /** Whether the places are still there at which views were read beside the stream; those of which it is gone are read again. */
  async function prove(shard: number, port: TailPort, place: string): Promise<void> {
    const parts = [...views.values()].map((followed) => followed.parts[shard]!);
    const open = parts.filter(({ unproved }) => unproved);
    if (open.length === 0) return;
    const stream = source.stream(keys[shard]!);
    const proofs = await ask(
      port,
      open.map(({ from }) => ["XRANGE", stream, from, from, "COUNT", "1"] as const),
    );
    for (const [i, part] of open.entries()) {
      const isThere = list(proofs[i], "XRANGE of changes").length > 0;
      if (!isThere) {
        part.again = true;
        part.untold = false;
      }
      // Once the stream has been read up to there, its own places prove themselves.
      if (!isThere || !isBefore(place, part.from)) part.unproved = false;
    }
  }

  async function look(group: readonly number[], at: (string | undefined)[], port: TailPort): Promise<number> {
    let wait = LEVEL_MS;
    for (const [k, shard] of group.entries()) {
      const place = at[k];
      if (place !== undefined && !(await lookAt(shard, port, place))) at[k] = undefined;
      if (signal.aborted) return 0;
      wait = Math.min(wait, streams[shard]!.looks - runtime.now());
      for (const { parts, dropped } of views.values()) {
        const { state, settles } = parts[shard]!;
        if (!dropped && state.phase === "settling") wait = Math.min(wait, settles - runtime.now());
      }
    }
    return wait;
  }

  /** Returns false when the stream has to start again. */
  async function lookAt(shard: number, port: TailPort, place: string): Promise<boolean> {
    const own = streams[shard]!;
    let isThere = true;
    await prove(shard, port, place);
    await forEach(views.values(), VIEWS_AT_ONCE, async (followed) => {
      const part = followed.parts[shard]!;
      const { state, settles } = part;
      if (followed.dropped || part.beside !== undefined || !part.started || part.again) return;
      if (state.phase !== "settling" || runtime.now() < settles) return;
      if (!(await settle(followed, shard, port, place))) isThere = false;
    });
    if (!isThere || signal.aborted) return isThere;
    if (runtime.now() >= own.looks) {
      own.looks = runtime.now() + LEVEL_MS;
      await compare(shard, port, place);
    }
    const anew = [...views.values()].filter(({ parts }) => {
      const { started, again, beside: isRead } = parts[shard]!;
      return isRead === undefined && (!started || again);
    });
    if (anew.length === 0 || signal.aborted) return true;
    const differs = anew.some(({ parts, dropped }) => {
      const { started, untold } = parts[shard]!;
      return started && !untold && !dropped;
    });
    await resynced(shard, differs ? "differs" : undefined, async () => {
      const before = await beforeReading(port, shard, anew);
      await forEach(anew, VIEWS_AT_ONCE, async (followed) => {
        const part = followed.parts[shard]!;
        if (isOver(followed)) return;
        // Its changes have begun to be told: no process was lost, so none has to register again.
        const isUnwaited = part.untold;
        if (!followed.dropped) await read(followed, shard, port, place, before, { isUnwaited });
        part.unproved = false;
        done(followed, part, place);
      });
    });
    return true;
  }

  /** Returns whether it changes anything. */
  function apply(followed: Followed, part: Part, change: Change): boolean {
    if (!isBefore(part.from, change.id) || isOver(followed)) return true;
    if (!followed.dropped) return part.state.apply(change);
    followed.hearer.onChange(change);
    return true;
  }

  /** Applies what an entry says about one view. Returns false if that contradicts what was emitted. */
  function applyAll(followed: Followed, part: Part, changes: readonly Change[]): boolean {
    if (part.beside !== undefined) {
      if (part.beside.length + changes.length > LEVEL_CHUNK) part.beside = undefined;
      else part.beside.push(...changes);
      return true;
    }
    // Before the next read it is read where the stream is then.
    if (part.untold) part.again = true;
    if (!part.started || part.again) return true;
    let news = true;
    for (const change of changes) news = apply(followed, part, change) && news;
    isDropped(followed, part);
    return news;
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
    let told = 0;
    for (const { id, fields } of entries) {
      if (fields[0] === REBUILT) {
        streams[shard]!.reason = "rebuilt";
        return "restart";
      }
      for (const [scope, changes] of source.decode(id, fields, (one) => views.has(one))) {
        if (signal.aborted) return;
        const followed = views.get(scope);
        if (followed === undefined) continue;
        news = applyAll(followed, followed.parts[shard]!, changes) && news;
        told += changes.length;
      }
      if (told < LEVEL_CHUNK) continue;
      told = 0;
      await pause(0, signal, runtime);
    }
    if (!news) return "doubt";
  }

  /** While nothing could be read, every process may have had to register again: the settling time starts over. */
  function onState(error: PresenceError | null, group: readonly number[]): void {
    for (const shard of group)
      for (const { parts } of views.values()) {
        const part = parts[shard]!;
        if (part.state.phase === "settling")
          part.settles = error === null ? runtime.now() + SETTLE_LEASES * streams[shard]!.ttl : Infinity;
      }
    options.onState?.(error, group);
  }

  const reading = tail({
    ...options,
    streams: keys.map(source.stream),
    onEntries: deliver,
    level: { start, look },
    onState,
  });
  let adding: Followed[] = [];
  /** Those that were added in one turn. */
  async function readAdded(port: TailPort): Promise<void> {
    await Promise.resolve();
    const added = adding;
    adding = [];
    const parts = added.flatMap((followed) => keys.map((_, shard) => [followed, shard] as const));
    await forEach(parts, VIEWS_AT_ONCE, async ([followed, shard]) => {
      const part = followed.parts[shard]!;
      if (streams[shard]!.started && !part.started && !isOver(followed))
        await readBeside(followed, shard, port);
    });
  }
  return {
    ready: reading.ready,
    add(view, hearer) {
      const followed = followedOf(view, shards, hearer, () => signal.aborted);
      views.set(view.scope, followed);
      if (beside !== undefined && adding.push(followed) === 1) void readAdded(beside);
      return followed;
    },
    remove(followed) {
      if (views.get(followed.view.scope) === followed) views.delete(followed.view.scope);
      followed.removed = true;
      bound.clear(followed);
      followed.started.resolve();
    },
    async close() {
      closing.abort();
      await reading.close();
      for (const { started } of views.values()) started.resolve();
    },
  };
}
