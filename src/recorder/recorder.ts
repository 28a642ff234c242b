/**
 * The recorder: the only writer of records, one per Socket.IO process.
 *
 * It keeps one journal per shard, with one record in flight; operations meanwhile go into the next record. So an idle process
 * appends at once (or after `linger`), and a busy one sends few, full records. A record whose outcome is unknown is sent again
 * with the same seq until it is acknowledged: the projector drops duplicates.
 *
 * If the process crashes, its lease expires and its users are removed. If it only stalled, or Redis lost data, the projector
 * fences or ends it; the recorder finds that out at a heartbeat, takes a new process id, sends its full state and replaces the
 * old one.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Departure, Journal } from "../core/journal.ts";
import { HOST_LENGTH_MAX } from "../core/limits.ts";
import { OutageLog } from "../core/outage-log.ts";
import { shardOf } from "../core/shard.ts";
import type { TelemetryLevels } from "../core/telemetry.ts";
import type { Forgotten } from "../projector/forget.ts";
import { pipelinedProjectorOver, type Projector, projectorOver } from "../projector/projector.ts";
import { processRuntime } from "../time/runtime.ts";
import type { RecorderContext } from "./context.ts";
import { ShardRecorder } from "./shard.ts";

export type { Forgotten };

export class Recorder {
  readonly #shards: readonly ShardRecorder[];
  readonly #projector: () => Projector;
  readonly #lag: () => number | undefined;
  /** Undefined: the creator's. */
  readonly #ownOutages: OutageLog | undefined;

  constructor(context: RecorderContext) {
    const { options, connection, onError, telemetry, runtime = processRuntime } = context;
    const { logger } = options;
    if (context.outages === undefined) this.#ownOutages = new OutageLog({ logger, onError, runtime });
    const shared = { ...context, outages: context.outages ?? this.#ownOutages! };
    const { port } = connection;
    const name = `${hostname().slice(0, HOST_LENGTH_MAX)}-${process.pid}`;
    const newId = context.newId ?? (() => `${name}.${randomBytes(6).toString("hex")}`);
    // One id for all shards, until one of them has to register again on its own.
    const first = newId();
    // Without a caller name it takes no turn and learns of none.
    const caller = options.pace > 0 && options.linger === 0 ? first : "";
    const { prefix, shards, read, keep, history, recordKeys } = options;
    const projector = options.project
      ? pipelinedProjectorOver(
          port,
          { prefix, shards, read, keep, history, recordKeys },
          { caller, telemetry },
        )
      : undefined;
    this.#projector = () =>
      projector?.projector ??
      projectorOver(port, { prefix, shards, read, keep, history, recordKeys }, { telemetry });
    this.#lag = () => projector?.lag;
    this.#shards = Array.from(
      { length: options.shards },
      (_, shard) => new ShardRecorder(shard, first, shared, projector && { ...projector, caller }, newId),
    );
    connection.onReconnect = () => {
      for (const shard of this.#shards) shard.reconnected();
    };
  }

  connect(user: string): void {
    this.#of(user).connect(user);
  }

  disconnect(user: string, departure: Departure): void {
    this.#of(user).disconnect(user, departure);
  }

  /**
   * A socket of `user` that is connected is in `scope` now; `""`: one without a user. `*` before the scope: its changes are told. Does
   * nothing without `tracks`.
   */
  join(scope: string, user: string): void {
    this.#of(user).join(scope, user);
  }

  /** Undoes one `join`, before the `disconnect` of the socket. */
  part(scope: string, user: string, departure: Departure): void {
    this.#of(user).part(scope, user, departure);
  }

  /** The socket with this id is `user`'s and in exactly these scopes now; they are read when a record is made. Does nothing without `ids`. */
  opened(id: string, user: string, scopes: Iterable<string>): void {
    this.#of(user).opened(id, user, scopes);
  }

  /** No socket with this id is `user`'s any more. */
  gone(id: string, user: string): void {
    this.#of(user).gone(id);
  }

  /** Sockets without a user are in shard 0. */
  #of(user: string): ShardRecorder {
    return this.#shards[user === "" ? 0 : shardOf(user, this.#shards.length)]!;
  }

  /** What is recorded and what is pending, per shard. */
  get journals(): readonly Journal[] {
    return this.#shards.map((shard) => shard.journal);
  }

  /** Process ids of the current incarnation, per shard. */
  get processes(): string[] {
    return this.journals.map((journal) => journal.process);
  }

  /** Entries kept in memory, over all shards: bounded by INV-9. */
  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.journal.size, 0);
  }

  get levels(): TelemetryLevels {
    const over = (of: (shard: ShardRecorder) => number) =>
      this.#shards.reduce((sum, shard) => sum + of(shard), 0);
    return {
      sockets: over(({ journal }) => journal.sockets),
      inFlight: over(({ isInFlight }) => Number(isInFlight)),
      pending: over(({ journal }) => journal.pending),
      lag: this.#lag(),
    };
  }

  /**
   * Resolves when every shard has appended its first record. Rejects with SHARDS_MISMATCH and RECORD_KEYS_MISMATCH, and with PERMISSION
   * or REDIS_TYPE while that is why one cannot; asked again once it can, it resolves. Rejects with CLOSED if close() comes first.
   */
  async ready(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.ready));
  }

  /** As Projector.forget(). */
  async forget(user: string): Promise<Forgotten> {
    return this.#projector().forget(user);
  }

  /**
   * Appends the pending operations and says goodbye, within `timeout` ms. Resolves true if every shard did; otherwise the
   * lease expires. At once, with false, where Redis has never been reached: there is no lease. Idempotent.
   */
  async close(timeout: number): Promise<boolean> {
    const said = await Promise.all(this.#shards.map((shard) => shard.close(timeout)));
    this.#ownOutages?.close();
    return said.every(Boolean);
  }
}
