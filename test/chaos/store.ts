/**
 * The Redis of a run, behind the gates: restarted with its data, with an older snapshot of it or without, promoted
 * from a replica. Only the gates know which server it is at the moment.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Redis } from "ioredis";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { pause, until } from "../../rig/pace.ts";

const SYNC_TIMEOUT_MS = 10_000;

export class Store {
  readonly #directory: string;
  #server!: RedisServer;
  #folder!: string;
  #folders = 0;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** `directory` holds the snapshots; its owner removes it. */
  static async open(directory: string): Promise<Store> {
    const store = new Store(directory);
    const folder = await store.#newFolder();
    store.#become(await store.#start(folder), folder);
    return store;
  }

  get port(): number {
    return this.#server.port;
  }

  get pid(): number {
    return this.#server.pid;
  }

  get engine(): string {
    return this.#server.engine;
  }

  /** One conversation with the server itself, past the gates. */
  async ask<T>(talk: (redis: Redis) => Promise<T>, port = this.port): Promise<T> {
    const redis = new Redis({ port, host: "127.0.0.1", maxRetriesPerRequest: 1, retryStrategy: () => 50 });
    // A failed command tells as much.
    redis.on("error", () => {});
    try {
      return await talk(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** Ends the server and starts one with all it had, `away` ms later. */
  async restart(away: number, signal: AbortSignal): Promise<void> {
    const [server, folder] = [this.#server, this.#folder];
    // It saves and ends in one command, so nothing is lost in between; the answer is that the connection ends.
    await this.ask((redis) => redis.call("SHUTDOWN", "SAVE").catch(() => {}));
    await this.#replace(server, folder, away, signal);
  }

  /** Kills it some time after a snapshot: what was written in between is lost. */
  async restartFromSnapshot(lost: number, away: number, signal: AbortSignal): Promise<void> {
    const [server, folder] = [this.#server, this.#folder];
    await this.ask((redis) => redis.save());
    await pause(lost, signal);
    process.kill(server.pid, "SIGKILL");
    await this.#replace(server, folder, away, signal);
  }

  /** Another one, which knows nothing. */
  async restartEmpty(away: number, signal: AbortSignal): Promise<void> {
    await this.#replace(this.#server, await this.#newFolder(), away, signal);
  }

  /**
   * A replica becomes the master, as a failover does it: it stops following, for `lost` ms the old master still takes
   * writes that nobody will ever see again, and then it is gone.
   */
  async promote(lost: number, signal: AbortSignal): Promise<void> {
    const old = this.#server;
    const folder = await this.#newFolder();
    const replica = await this.#start(folder, ["--replicaof", `127.0.0.1 ${old.port}`]);
    try {
      const inSync = await until(
        async () => /master_link_status:up/.test(await this.ask((redis) => redis.info("replication"), replica.port)),
        { timeout: SYNC_TIMEOUT_MS, signal },
      ); // prettier-ignore
      if (!inSync) throw new Error(`the replica was not in sync within ${SYNC_TIMEOUT_MS} ms`);
      await this.ask((redis) => redis.replicaof("NO", "ONE"), replica.port);
      await pause(lost, signal);
    } catch (error) {
      await replica.stop();
      throw error;
    }
    this.#become(replica, folder);
    await old.stop();
  }

  async close(): Promise<void> {
    await this.#server.stop();
  }

  async #replace(old: RedisServer, folder: string, away: number, signal: AbortSignal): Promise<void> {
    await old.stop();
    await pause(away, signal);
    this.#become(await this.#start(folder), folder);
  }

  #become(server: RedisServer, folder: string): void {
    this.#server = server;
    this.#folder = folder;
  }

  async #newFolder(): Promise<string> {
    const folder = join(this.#directory, String(this.#folders++));
    await mkdir(folder);
    return folder;
  }

  #start(folder: string, more: readonly string[] = []): Promise<RedisServer> {
    // A replica that has to wait five seconds for company would only make the fault longer.
    return startRedis({ args: ["--dir", folder, "--repl-diskless-sync-delay", "0", ...more] });
  }
}
