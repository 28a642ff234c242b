/**
 * All parts of the demo, started in this order and stopped in reverse:
 * Redis, the bridge, three nodes and the edge at the same time, the users' tabs.
 */
import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { type ClosableReader, createReader } from "../../src/index.ts";
import { startBridge } from "../../packages/upstash-bridge/src/index.ts";
import { type ProvidedRedis, provideRedis } from "../../packages/local-redis/src/index.ts";
import type { DemoOptions } from "./arguments.ts";
import { Cluster, type Incarnation, pidsOf } from "./cluster.ts";
import { type Edge, startEdge } from "./edge.ts";
import { DemoError } from "./errors.ts";
import type { Told } from "./messages.ts";
import { Population } from "./population.ts";

export const NODES = ["node-a", "node-b", "node-c"] as const;

/** How long users stay present after a dropped transport or a node's goodbye, ms: time to connect to another node. */
export const GRACE_MS = 2_000;
/** No stage waits for a grace to end, so it can be as long as a busy machine needs to reconnect all users. */
const GRACE_ONCE_MS = 15_000;

export const graceOf = ({ once }: DemoOptions): number => (once ? GRACE_ONCE_MS : GRACE_MS);

/** Keys per SCAN when the demo's keys are deleted from the user's Redis. */
const SCAN_COUNT = 1_000;

export interface World extends AsyncDisposable {
  readonly options: DemoOptions;
  readonly engine: string;
  readonly cluster: Cluster;
  readonly population: Population;
  readonly reader: ClosableReader;
  readonly edge: Edge;
  /** Process groups that must have ended at the end, as `name=id`. */
  readonly pids: readonly string[];
}

export interface WorldOptions {
  readonly options: DemoOptions;
  readonly signal: AbortSignal;
  readonly onChange: (node: Incarnation, change: Told) => void;
  /** Called when a part ended unexpectedly. */
  readonly onFailure: (error: DemoError) => void;
  /** Called when a part has started, with its name. */
  readonly onProgress: (what: string) => void;
}

/**
 * Rejects with DemoError, LocalRedisError or BridgeError when a part does not start, with the signal's reason when the signal
 * fires. By then, all parts that had started are stopped.
 */
export async function openWorld({
  options,
  signal,
  onChange,
  onFailure,
  onProgress,
}: WorldOptions): Promise<World> {
  async function started<T>(what: string, starting: Promise<T>): Promise<T> {
    const part = await starting;
    onProgress(what);
    return part;
  }
  const stack = new AsyncDisposableStack();
  try {
    const prefix = `rollcall-demo-${randomBytes(6).toString("hex")}`;

    const redis = stack.use(await provideRedisUnless(signal));
    stack.defer(() => tidyUp(redis, prefix));
    onProgress(redis.engine);
    const tokens = { token: newToken(), readOnlyToken: newToken() };
    const bridge = stack.use(await startBridge({ redis: redis.url, ...tokens }));
    onProgress("Upstash bridge");
    const reader = createReader({ redis: redis.url, prefix });
    stack.defer(() => reader.close());
    signal.throwIfAborted();

    const cluster = new Cluster({
      redis: redis.url,
      prefix,
      ttl: options.ttl,
      grace: graceOf(options),
      onChange,
      onFailure,
    });
    stack.defer(() => cluster.stop());
    const starting = startEdge(
      { restUrl: bridge.url, readOnlyToken: tokens.readOnlyToken, prefix, onFailure },
      signal,
    );
    // Wait until all have started or failed before reporting a failure, so that nothing starts afterwards.
    const results = await Promise.allSettled([
      started("edge API in workerd", starting),
      ...NODES.map((name) => started(name, cluster.start(name, signal))),
    ]);
    const [edgeResult] = results;
    if (edgeResult.status === "fulfilled") stack.defer(() => edgeResult.value.stop());
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    const edge = await starting;

    const population = new Population(options.users, () => cluster.up);
    stack.defer(() => population.leave());
    const pids = [...pidsOf(cluster.nodes), `edge=${edge.pid}`];
    if ("pid" in redis) pids.unshift(`redis=${String(redis.pid)}`);
    const dispose = () => stack.disposeAsync();
    return {
      options,
      engine: redis.engine,
      cluster,
      population,
      reader,
      edge,
      pids,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** The signal cancels only the start: a running Redis is needed for the goodbyes and is stopped last. */
async function provideRedisUnless(signal: AbortSignal): Promise<ProvidedRedis> {
  signal.throwIfAborted();
  const starting = new AbortController();
  const onAbort = () => starting.abort(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await provideRedis({ signal: starting.signal });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

function newToken(): string {
  return randomBytes(24).toString("hex");
}

/** A temporary Redis is discarded; in the user's Redis the demo's keys are deleted. */
async function tidyUp(provided: ProvidedRedis, prefix: string): Promise<void> {
  if ("pid" in provided) return;
  const redis = new Redis(provided.url, { maxRetriesPerRequest: 1 });
  // A failed command reports the same error.
  redis.on("error", () => {});
  try {
    for await (const keys of redis.scanStream({ match: `{${prefix}}:*`, count: SCAN_COUNT })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
    }
  } catch (cause) {
    throw new DemoError(`the keys under {${prefix}} could not be deleted: ${String(cause)}`, { cause });
  } finally {
    redis.disconnect();
  }
}
