/** Starts, kills, drains and restarts the Socket.IO processes of the demo. */
import { fileURLToPath } from "node:url";
import { Child } from "../../rig/child.ts";
import { DemoError } from "./errors.ts";
import type { NodeMessage, Told } from "./messages.ts";
import { orAborted } from "../../rig/pace.ts";

const FILE = fileURLToPath(new URL("./node.ts", import.meta.url));
const START_TIMEOUT_MS = 20_000;
/** A goodbye takes milliseconds. The limit is for a node whose Redis is gone, plus a margin. */
const STOP_TIMEOUT_MS = 7_000;

export type NodeState = "up" | "killed" | "draining" | "ended";

/** One run of a node, from start to end. A restart creates another one under the same name. */
export interface Incarnation {
  readonly name: string;
  readonly child: Child;
  readonly url: string;
  readonly processIds: readonly string[];
  state: NodeState;
}

/** Their process groups, as `name=id`. */
export function pidsOf(nodes: readonly Incarnation[]): string[] {
  return nodes.map(({ name, child }) => `${name}=${child.pid}`);
}

export interface ClusterOptions {
  readonly redis: string;
  readonly prefix: string;
  /** ms */
  readonly ttl: number;
  /** ms */
  readonly grace: number;
  readonly onChange: (node: Incarnation, change: Told) => void;
  /** Called when a node ended unexpectedly. */
  readonly onFailure: (error: DemoError) => void;
}

export class Cluster {
  readonly #options: ClusterOptions;
  /** The latest incarnation of each node. */
  readonly #nodes = new Map<string, Incarnation>();
  readonly #children = new Set<Child>();

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get nodes(): Incarnation[] {
    return [...this.#nodes.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The nodes that accept connections. */
  get up(): Incarnation[] {
    return this.nodes.filter((node) => node.state === "up");
  }

  /**
   * Starts a node and resolves when it is registered and accepts connections.
   * Rejects with DemoError if it ends before that or takes too long; with the signal's reason when the signal fires.
   */
  async start(name: string, signal: AbortSignal): Promise<Incarnation> {
    const { redis, prefix, ttl, grace, onChange, onFailure } = this.#options;
    const { promise: ready, resolve } = Promise.withResolvers<Incarnation>();
    let node: Incarnation | undefined;
    const child = await Child.start({
      name,
      file: FILE,
      env: { REDIS_URL: redis, ROLLCALL_PREFIX: prefix, DEMO_TTL: String(ttl), DEMO_GRACE: String(grace) },
      onMessage(message) {
        const told = message as NodeMessage;
        if (told.type === "change") {
          // Changes before it is ready are received by the other nodes too.
          if (node !== undefined) onChange(node, told.change);
          return;
        }
        node = { name, child, url: told.url, processIds: told.processIds, state: "up" };
        resolve(node);
      },
    });
    this.#children.add(child);
    const failed = child.ended.then(() => {
      this.#children.delete(child);
      throw new DemoError(`${name} ended before it was ready: ${child.epitaph}`);
    });
    const started = await orAborted(Promise.race([ready, failed]), signal, {
      timeout: START_TIMEOUT_MS,
      late: () => new DemoError(`${name} was not ready within ${START_TIMEOUT_MS} ms: ${child.epitaph}`),
    });
    this.#nodes.set(name, started);
    failed.catch(() => {
      if (started.state === "up") onFailure(new DemoError(`${name} ended unexpectedly: ${child.epitaph}`));
      if (started.state !== "killed") started.state = "ended";
    });
    return started;
  }

  /** SIGKILL: no goodbye. Resolves when the process is gone. */
  async kill(name: string): Promise<Incarnation> {
    const node = this.#get(name);
    node.state = "killed";
    node.child.killGroup();
    await node.child.ended;
    return node;
  }

  /** SIGTERM: it says goodbye. Rejects with DemoError if it does not exit with code 0. */
  async drain(name: string): Promise<Incarnation> {
    const node = this.#get(name);
    node.state = "draining";
    await node.child.stop(STOP_TIMEOUT_MS);
    if (node.child.exitCode !== 0) throw new DemoError(`${name} did not end cleanly: ${node.child.epitaph}`);
    return node;
  }

  /** Stops all nodes, gracefully if possible. */
  async stop(): Promise<void> {
    for (const node of this.up) node.state = "draining";
    await Promise.all([...this.#children].map((child) => child.stop(STOP_TIMEOUT_MS)));
  }

  #get(name: string): Incarnation {
    const node = this.#nodes.get(name);
    if (node === undefined || node.state !== "up") throw new DemoError(`${name} is not up`);
    return node;
  }
}
