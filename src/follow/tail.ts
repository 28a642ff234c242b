/**
 * Follows streams with XREAD BLOCK on its own connection, from one id to the next, without polling.
 *
 * A lost connection is retried with jittered back-off, and reading continues after the last entry delivered. XREAD skips
 * silently over missing entries. So with a `level`, each id that was read from is checked: its entry must still exist after
 * the following ones were read. This is checked after a lost connection, after a silence, when an entry looks wrong, and
 * under load once a second; checking every time would cost Redis half as much again as the reading.
 */
import { pauseAfter } from "../core/backoff.ts";
import type { PresenceError } from "../core/errors.ts";
import { Coalescing } from "./coalescing.ts";
import { BLOCK_MS, CHANGES_KEPT, COALESCE_MS, PROVING_MS, TAIL_ENTRIES } from "../core/limits.ts";
import { isBefore, STREAM_START } from "../core/stream-id.ts";
import type { GuardedSink } from "../core/telemetry.ts";
import { connect, isStandalone, type Connection, type RedisInput } from "../redis/connect.ts";
import { entriesOf, integer } from "../redis/decode.ts";
import { type StreamEntry, streamsOf } from "../redis/entries.ts";
import { explained, redisError } from "../redis/errors.ts";
import { ReplyError } from "../redis/port.ts";
import { pause } from "../time/pause.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";

export type TailPort = Connection["port"];

/** Compares what is derived from the streams with the data itself. When it rejects, as a port does, it is called again. */
export interface Level {
  /** The id to read a stream from. Called at first, and again when the entry at the last id is gone (`lost`). */
  start(stream: number, port: TailPort, lost: boolean): Promise<string>;
  /**
   * Called between two reads, with the ids read up to; set one to `undefined` to start that stream again. Returns how long
   * the next call can wait, ms.
   */
  look(streams: readonly number[], at: (string | undefined)[], port: TailPort): Promise<number>;
}

export interface TailOptions {
  readonly redis: RedisInput;
  readonly streams: readonly string[];
  /**
   * Gets the index of the stream in `streams`. Must not throw. Reading continues when it is done; `restart` starts the stream
   * again, `doubt` has its id checked before the next read.
   */
  readonly onEntries: (
    stream: number,
    entries: readonly StreamEntry[],
  ) => void | Promise<void | "restart" | "doubt">;
  /** Called when reading begins to fail, when it fails for another reason, and once when it works again; on a Cluster, per stream. */
  readonly onState?: ((error: PresenceError | null, streams: readonly number[]) => void) | undefined;
  /** Without it, reading starts at the end of the stream and gaps are not detected. */
  readonly level?: Level | undefined;
  /** How long to wait after a delivery at a high rate, ms; entries that arrive meanwhile are delivered together. */
  readonly coalesce?: number | undefined;
  readonly runtime?: Runtime | undefined;
  readonly telemetry?: GuardedSink | undefined;
  /** Opens the connections. */
  readonly open?: typeof connect | undefined;
}

export interface Tail {
  /** Resolves when the start position of every stream is known: later entries will be delivered. */
  readonly ready: Promise<void>;
  /** Stops reading and closes the connections. Idempotent; nothing is delivered after the call. */
  close(): Promise<void>;
}

export function tail({
  redis,
  streams,
  onEntries,
  onState = () => {},
  level,
  coalesce = COALESCE_MS,
  runtime = processRuntime,
  telemetry,
  open = connect,
}: TailOptions): Tail {
  const closing = new AbortController();
  const { signal } = closing;
  const onRestored = () => telemetry?.happened("reconnected", { connection: "tail" });
  const connection = () => open(redis, { timeout: BLOCK_MS * 2, name: "rollcall-tail", onRestored });
  const probe = connection();
  // On a Cluster a command takes keys of one slot only: one reader per stream.
  const groups = isStandalone(probe.client) ? [streams.map((_, i) => i)] : streams.map((_, i) => [i]);
  const connections = groups.map((_, i) => (i === 0 ? probe : connection()));
  const at = streams.map((): string | undefined => undefined);

  async function follow(group: readonly number[], connection: Connection, started: () => void) {
    const { port } = connection;
    /** The connection that the current places were read on, by when it was restored. */
    let since = connection.reconnectedAt;
    const lost = new Set<number>();
    /** Stream → the id it was read from, which is still to be checked. */
    const unproved = new Map<number, string>();
    /** When to check them, on the runtime's clock. */
    let due = 0;
    /** The oldest id stands for the later ones: a stream loses its beginning first. The start of a stream proves nothing. */
    const doubt = (i: number) => {
      const place = at[i];
      if (place !== undefined && (unproved.get(i) ?? STREAM_START) === STREAM_START) unproved.set(i, place);
    };
    const keys = group.map((i) => streams[i]!);
    const coalescing = new Coalescing(coalesce);
    let failures = 0;
    let reason: string | undefined;
    const works = () => {
      if (failures > 0) onState(null, group);
      failures = 0;
      reason = undefined;
    };

    async function start(): Promise<void> {
      for (const i of group) {
        if (at[i] !== undefined) continue;
        unproved.delete(i);
        const place = await (level?.start(i, port, lost.has(i)) ?? endOf(port, streams[i]!));
        if (signal.aborted) return;
        lost.delete(i);
        at[i] = place;
      }
    }

    /** Reads the entries at these ids; a stream whose entry is gone is started again. */
    async function prove(afterLoss = false): Promise<void> {
      if (level === undefined || unproved.size === 0) return unproved.clear();
      const asked = [...unproved];
      const replies = await port.pipeline(
        asked.map(([i, place]) =>
          place === STREAM_START
            ? ["XLEN", streams[i]!]
            : ["XRANGE", streams[i]!, place, place, "COUNT", "1"],
        ),
      );
      for (const [k, [i, place]] of asked.entries()) {
        const reply = replies[k]!;
        if (reply instanceof ReplyError) throw redisError(reply);
        unproved.delete(i);
        // Before the first change there is no entry to check: nothing is missing as long as none can have been trimmed.
        // Entries that were added and flushed during a lost connection leave no trace.
        const proved =
          place === STREAM_START
            ? !afterLoss && integer(reply, "XLEN of a stream") < CHANGES_KEPT
            : entriesOf(reply, "XRANGE of a stream").length > 0;
        if (proved) continue;
        lost.add(i);
        at[i] = undefined;
      }
    }

    /**
     * After a lost connection, perhaps a failover. That takes the end of a stream, so the last id has to be checked, and not only
     * the oldest, which stands for what was trimmed.
     */
    async function proveAfterLoss(): Promise<void> {
      since = connection.reconnectedAt;
      await prove(true);
      group.forEach(doubt);
      await prove(true);
    }

    async function read(block: number): Promise<void> {
      if (unproved.size > 0) {
        if (runtime.now() >= due) await prove();
        if (group.some((i) => at[i] === undefined)) return;
        if (unproved.size > 0) block = Math.max(1, Math.min(block, due - runtime.now()));
      }
      const asked = group.map((i) => at[i]!);
      const reply = await port.call([
        "XREAD", "COUNT", String(TAIL_ENTRIES), "BLOCK", String(Math.ceil(block)), "STREAMS", ...keys, ...asked,
      ]); // prettier-ignore
      if (signal.aborted) return;
      // It was lost between two reads, and nothing failed: check first, then read again.
      if (level !== undefined && connection.reconnectedAt !== since) return;
      works();
      if (reply === null) {
        if (level === undefined) await stepBack(port, group);
        group.forEach(doubt);
        await prove();
        return;
      }
      let full = false;
      for (const [key, entries] of streamsOf(reply)) {
        const i = group[keys.indexOf(key)]!;
        if (at[i] === undefined) continue;
        if (unproved.size === 0) due = runtime.now() + PROVING_MS;
        doubt(i);
        at[i] = entries.at(-1)?.id ?? at[i];
        const said = await onEntries(i, entries);
        if (said === "restart") at[i] = undefined;
        if (said === "doubt") due = 0;
        if (signal.aborted) return;
        full ||= entries.length >= TAIL_ENTRIES;
      }
      const wait = coalescing.delivered(runtime.now());
      if (!full && wait > 0) await pause(wait, signal, runtime);
    }

    while (!signal.aborted) {
      try {
        if (failures > 0 || connection.reconnectedAt !== since) await proveAfterLoss();
        await start();
        if (signal.aborted) return;
        started();
        // Not for long at first, to see that it works again.
        let block = failures > 0 ? 1 : BLOCK_MS;
        if (level !== undefined) {
          // It was checked, or started again.
          works();
          block = BLOCK_MS;
          const places = group.map((i) => at[i]);
          block = Math.max(1, Math.min(block, await level.look(group, places, port)));
          for (const [k, i] of group.entries()) at[i] = places[k];
          if (places.includes(undefined)) continue;
        }
        if (!signal.aborted) await read(block);
      } catch (error) {
        if (signal.aborted) return;
        const failure = explained(error, connection);
        const because = `${failure.code} ${failure.details.reason}`;
        if (because !== reason) onState(failure, group);
        reason = because;
        failures++;
        const ms = pauseAfter(failure, failures, () => runtime.random());
        await pause(ms, signal, runtime);
      }
    }
  }

  /**
   * A stream that ends before our position was recreated (FLUSHALL, a failover) by a server whose clock was behind: continue
   * from its end.
   */
  async function stepBack(port: TailPort, group: readonly number[]): Promise<void> {
    for (const i of group) {
      const end = await endOf(port, streams[i]!);
      if (end !== STREAM_START && isBefore(end, at[i]!)) at[i] = end;
    }
  }

  const starts = groups.map(() => Promise.withResolvers<void>());
  const loops = groups.map((group, i) => follow(group, connections[i]!, starts[i]!.resolve));
  return {
    ready: Promise.all(starts.map((start) => start.promise)).then(() => {}),
    async close() {
      closing.abort();
      for (const start of starts) start.resolve();
      for (const connection of connections) connection.close();
      await Promise.all(loops);
    },
  };
}

/** The id of a stream's last entry; "0-0" if it has none. */
export async function endOf(port: TailPort, stream: string): Promise<string> {
  const asked = "XREVRANGE of a stream";
  const newest = entriesOf(await port.call(["XREVRANGE", stream, "+", "-", "COUNT", "1"]), asked);
  return newest[0]?.id ?? STREAM_START;
}
