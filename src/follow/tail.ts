/**
 * Follows streams with XREAD BLOCK on its own connection, from one id to the next, without polling.
 *
 * After a lost connection it reconnects with jittered back-off and continues after the last delivered entry: each entry is
 * delivered once, unless it was trimmed before it could be read.
 */
import { orInternal, type PresenceError } from "../core/errors.ts";
import { type Connection, connect, isStandalone, type RedisInput } from "../redis/connect.ts";
import { backoff } from "../core/backoff.ts";
import { BLOCK_MS, TAIL_ENTRIES } from "../core/limits.ts";
import { isBefore } from "../core/stream-id.ts";
import { entriesOf } from "../redis/decode.ts";
import { type StreamEntry, streamsOf } from "../redis/entries.ts";
import { pause } from "../time/pause.ts";

export interface TailOptions {
  readonly redis: RedisInput;
  readonly streams: readonly string[];
  /** For each stream, the id to start after; `undefined` starts at the current end. */
  readonly from?: readonly (string | undefined)[] | undefined;
  /** Gets the index of the stream in `streams`. If it throws, `onState` gets INTERNAL and reading goes on. */
  readonly onEntries: (stream: number, entries: readonly StreamEntry[]) => void;
  /** Called once when reading starts to fail, and once, with null, when it works again. */
  readonly onState?: ((error: PresenceError | null) => void) | undefined;
}

export interface Tail {
  /** Resolves when the start position of every stream is known: later entries will be delivered. */
  readonly ready: Promise<void>;
  /** Stops reading and closes the connections. Idempotent; nothing is delivered after the call. */
  close(): Promise<void>;
}

export function tail({ redis, streams, from = [], onEntries, onState = () => {} }: TailOptions): Tail {
  const closing = new AbortController();
  const probe = connect(redis, { timeout: BLOCK_MS * 2, name: "rollcall-tail" });
  // On a Cluster one command may name keys of one slot only, so each stream has its own reader.
  const groups = isStandalone(probe.client) ? [streams.map((_, i) => i)] : streams.map((_, i) => [i]);
  const connections = groups.map((_, i) =>
    i === 0 ? probe : connect(redis, { timeout: BLOCK_MS * 2, name: "rollcall-tail" }),
  );
  const at = streams.map((_, i) => from[i]);

  /**
   * A stream that ends before our position was recreated (FLUSHALL, a failover) by a server whose clock was behind: continue
   * from its end.
   */
  async function stepBack(port: Connection["port"], group: readonly number[]): Promise<void> {
    for (const i of group) {
      const end = await endOf(port, streams[i]!);
      if (end !== "0-0" && isBefore(end, at[i]!)) at[i] = end;
    }
  }

  async function follow(group: readonly number[], { port }: Connection, started: () => void) {
    let failures = 0;
    while (!closing.signal.aborted) {
      try {
        for (const i of group) {
          if (at[i] !== undefined) continue;
          at[i] = await endOf(port, streams[i]!);
        }
        started();
        const keys = group.map((i) => streams[i]!);
        const ids = group.map((i) => at[i]!);
        const reply = await port.call([
          "XREAD", "COUNT", String(TAIL_ENTRIES), "BLOCK", String(BLOCK_MS), "STREAMS", ...keys, ...ids,
        ]); // prettier-ignore
        if (closing.signal.aborted) return;
        if (failures > 0) onState(null);
        failures = 0;
        if (reply === null) await stepBack(port, group);
        for (const [key, entries] of streamsOf(reply)) {
          const i = group[keys.indexOf(key)]!;
          at[i] = entries.at(-1)?.id ?? at[i];
          onEntries(i, entries);
        }
      } catch (error) {
        if (closing.signal.aborted) return;
        if (failures === 0) onState(orInternal(error));
        failures++;
        await pause(backoff(failures), closing.signal);
      }
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
async function endOf(port: Connection["port"], stream: string): Promise<string> {
  const asked = "XREVRANGE of a stream";
  const newest = entriesOf(await port.call(["XREVRANGE", stream, "+", "-", "COUNT", "1"]), asked);
  return newest[0]?.id ?? "0-0";
}
