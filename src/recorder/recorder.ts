/**
 * The recorder: the only writer of records, one per Socket.IO process.
 *
 * It keeps a journal a shard and has one record in flight for each; what happens meanwhile gathers in the next. So an
 * idle process appends at once (or once `linger` is used up), and a stormed one sends few, full records. A record whose fate is unclear is sent
 * again with the same seq, for ever: the projector drops what it has seen.
 *
 * When the process stops here without a word, its lease runs out and the reaper gives its users back. When it only
 * stalled, or Redis lost what it had, the projector fences or ends it; the recorder finds that out with a heartbeat,
 * takes a fresh process id, sends its full state and replaces the old one.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { Departure, Journal } from "../core/journal.ts";
import { HOST_LENGTH_MAX } from "../core/limits.ts";
import { shardOf } from "../core/shard.ts";
import { pipelinedProjectorOver } from "../projector/projector.ts";
import type { RecorderContext } from "./context.ts";
import { ShardRecorder } from "./shard.ts";

export class Recorder {
  readonly #shards: readonly ShardRecorder[];

  constructor(context: RecorderContext) {
    const { options, connection } = context;
    const { port } = connection;
    const projector = options.project
      ? pipelinedProjectorOver(port, { prefix: options.prefix, shards: options.shards, read: options.read })
      : undefined;
    const name = `${hostname().slice(0, HOST_LENGTH_MAX)}-${process.pid}`;
    const newId = context.newId ?? (() => `${name}.${randomBytes(6).toString("hex")}`);
    // One id for all shards, until one of them has to register afresh on its own.
    const first = newId();
    this.#shards = Array.from(
      { length: options.shards },
      (_, shard) => new ShardRecorder(shard, first, context, projector, newId),
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

  /** Sockets without a user are in shard 0. */
  #of(user: string): ShardRecorder {
    return this.#shards[user === "" ? 0 : shardOf(user, this.#shards.length)]!;
  }

  /** What is recorded and what waits to be, shard by shard. */
  get journals(): readonly Journal[] {
    return this.#shards.map((shard) => shard.journal);
  }

  /** Process ids of the current incarnation, shard by shard. */
  get processes(): string[] {
    return this.journals.map((journal) => journal.process);
  }

  /** Entries kept in memory, over all shards: what INV-9 bounds. */
  get size(): number {
    return this.#shards.reduce((sum, shard) => sum + shard.journal.size, 0);
  }

  /** Resolves when every shard has appended its first record. Rejects with SHARDS_MISMATCH. */
  async ready(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.ready));
  }

  /**
   * Appends what is left and says goodbye, within `timeout` ms. Resolves true if every shard did; otherwise the lease
   * runs out by itself. Idempotent.
   */
  async close(timeout: number): Promise<boolean> {
    return (await Promise.all(this.#shards.map((shard) => shard.close(timeout)))).every(Boolean);
  }
}
