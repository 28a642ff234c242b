/**
 * Follows streams with XREAD BLOCK on its own connection, from one id to the next, without polling.
 *
 * A lost connection is made again with jittered back-off, and reading goes on after the last entry delivered. Where a
 * `level` is given, each place that was read from has to prove itself, since XREAD passes over what is missing: the entry
 * there must still exist after what follows it was read. That is asked after a loss, after a silence, when what came looks
 * wrong, and under load a few times a second: asking each time would cost Redis half as much again as the reading.
 */
import { backoff } from "../core/backoff.ts";
import type { PresenceError } from "../core/errors.ts";
import { BLOCK_MS, CHANGES_KEPT, COALESCE_MS, PROVING_MS, TAIL_ENTRIES } from "../core/limits.ts";
import { isBefore, STREAM_START } from "../core/stream-id.ts";
import { connect, isStandalone, type Connection, type RedisInput } from "../redis/connect.ts";
import { entriesOf, integer } from "../redis/decode.ts";
import { type StreamEntry, streamsOf } from "../redis/entries.ts";
import { redisError } from "../redis/errors.ts";
import { orInternal } from "../core/errors.ts";
import { ReplyError } from "../redis/port.ts";
import { pause } from "../time/pause.ts";
import { processRuntime, type Runtime } from "../time/runtime.ts";

export type TailPort = Connection["port"];

/** Keeps what is derived from the streams level with what they are about. Rejects as a port does; then it is asked again. */
export interface Level {
  /** Where to read a stream from. Asked at first, and again when the last place did not prove itself (`lost`). */
  start(stream: number, port: TailPort, lost: boolean): Promise<string>;
  /**
   * Called between two reads, with the places that have been read up to; `undefined` for a stream to start again. Returns
   * how long it can wait for the next call, ms.
   */
  look(streams: readonly number[], at: (string | undefined)[], port: TailPort): Promise<number>;
}

export interface TailOptions {
  readonly redis: RedisInput;
  readonly streams: readonly string[];
  /** Given the place of the stream in `streams`. Must not throw. Reading goes on when it is done; `restart` starts the
   * stream again, `doubt` has its place proved before the next read. */
  readonly onEntries: (
    stream: number,
    entries: readonly StreamEntry[],
  ) => void | Promise<void | "restart" | "doubt">;
  /** Told once when reading begins to fail and once when it works again; on a Cluster for each stream by itself. */
  readonly onState?: ((error: PresenceError | null, streams: readonly number[]) => void) | undefined;
  /** Without it reading starts with what comes from now on, and nothing is said about gaps. */
  readonly level?: Level | undefined;
  /** How long to wait after a delivery, ms; what comes meanwhile is delivered together. */
  readonly coalesce?: number | undefined;
  readonly runtime?: Runtime | undefined;
  /** Makes the connections. */
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
  open = connect,
}: TailOptions): Tail {
  const closing = new AbortController();
  const { signal } = closing;
  const connection = () => open(redis, { timeout: BLOCK_MS * 2, name: "rollcall-tail" });
  const probe = connection();
  // On a Cluster one call names keys of one slot only: a reader for each stream.
  const groups = isStandalone(probe.client) ? [streams.map((_, i) => i)] : streams.map((_, i) => [i]);
  const connections = groups.map((_, i) => (i === 0 ? probe : connection()));
  const at = streams.map((): string | undefined => undefined);

  async function follow(group: readonly number[], { port }: Connection, started: () => void) {
    const lost = new Set<number>();
    /** Stream → the place it was read from, which is still to prove itself. */
    const unproved = new Map<number, string>();
    /** When they have to, on the runtime's clock. */
    let due = 0;
    /** The oldest place speaks for those that came after it: a stream loses its beginning first. The start speaks for none. */
    const doubt = (i: number) => {
      const place = at[i];
      if (place !== undefined && (unproved.get(i) ?? STREAM_START) === STREAM_START) unproved.set(i, place);
    };
    const keys = group.map((i) => streams[i]!);
    let failures = 0;
    const works = () => {
      if (failures > 0) onState(null, group);
      failures = 0;
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

    /** Asks for the entries at the places; a stream whose place is gone will be started again. */
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
        // Before the first change there is no entry; then all of them are new, as long as none can have been trimmed. What
        // came and was flushed while nobody looked has left no trace.
        const proved =
          place === STREAM_START
            ? !afterLoss && integer(reply, "XLEN of a stream") < CHANGES_KEPT
            : entriesOf(reply, "XRANGE of a stream").length > 0;
        if (proved) continue;
        lost.add(i);
        at[i] = undefined;
      }
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
      if (!full) await pause(coalesce, signal, runtime);
    }

    while (!signal.aborted) {
      try {
        if (failures > 0) {
          group.forEach(doubt);
          await prove(true);
        }
        await start();
        if (signal.aborted) return;
        started();
        let block = BLOCK_MS;
        if (level !== undefined) {
          // It has proved itself or started again.
          works();
          const places = group.map((i) => at[i]);
          block = Math.max(1, Math.min(block, await level.look(group, places, port)));
          for (const [k, i] of group.entries()) at[i] = places[k];
          if (places.includes(undefined)) continue;
        }
        if (!signal.aborted) await read(block);
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) onState(orInternal(error), group);
        failures++;
        await pause(
          backoff(failures, () => runtime.random()),
          signal,
          runtime,
        );
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
