/** The nodes and projectors of a run: processes that are started, killed, stopped, woken and drained. */
import { fileURLToPath } from "node:url";
import { Child } from "../../rig/child.ts";
import { orAborted } from "../../rig/pace.ts";
import { Gate } from "./gate.ts";
import type { Told } from "./history.ts";
import { Listeners } from "./listeners.ts";
import type { NodeMessage, NodeSettings } from "./messages.ts";
import { HEARD } from "./settings.ts";

const NODE_FILE = fileURLToPath(new URL("./node.ts", import.meta.url));
const PROJECTOR_FILE = fileURLToPath(new URL("../../functions/projector.ts", import.meta.url));
const NODES = ["node-a", "node-b", "node-c"];
const PROJECTORS = ["projector-1", "projector-2"];
const START_TIMEOUT_MS = 20_000;
/** A goodbye takes milliseconds; the bound is that of a node whose Redis is gone, and a little. */
const STOP_TIMEOUT_MS = 6_000;

export type State = "up" | "stopped" | "leaving" | "down";

/** One process under its name, over all its restarts. */
export interface Member {
  readonly name: string;
  /** Its own way to Redis. */
  readonly gate: Gate;
  state: State;
  child: Child | undefined;
  /** Where clients find it; a projector has none. */
  url: string;
}

export interface FleetOptions {
  readonly settings: Omit<NodeSettings, "redis">;
  /** Port of the Redis of the moment. */
  readonly target: () => number;
  /** Removed with the children when the driver stops without a word. */
  readonly directory: string;
  readonly onChange: (node: Member, change: Told) => void;
  /** A node told its listeners what cannot be so. */
  readonly onUntrue: (text: string) => void;
  readonly onNote: (text: string) => void;
  /** A process ended although it was not stopped. */
  readonly onFailure: (error: Error) => void;
}

export class Fleet {
  readonly nodes: readonly Member[];
  readonly projectors: readonly Member[];
  /** What those who listen on the nodes were told. */
  readonly listeners = new Listeners();
  /** The same of those who listen to a room. */
  readonly roomListeners: ReadonlyMap<string, Listeners> = new Map(
    HEARD.map((room): [string, Listeners] => [room, new Listeners()]),
  );
  readonly #options: FleetOptions;

  private constructor(options: FleetOptions, gates: readonly Gate[]) {
    this.#options = options;
    const members = [...NODES, ...PROJECTORS].map((name, i): Member => ({
      name,
      gate: gates[i]!,
      state: "down",
      child: undefined,
      url: "",
    }));
    this.nodes = members.slice(0, NODES.length);
    this.projectors = members.slice(NODES.length);
  }

  /** Its processes are not started yet. */
  static async open(options: FleetOptions): Promise<Fleet> {
    const gates = await Promise.all([...NODES, ...PROJECTORS].map(() => Gate.open(options.target)));
    return new Fleet(options, gates);
  }

  get members(): readonly Member[] {
    return [...this.nodes, ...this.projectors];
  }

  /** Nodes that take connections. */
  get up(): Member[] {
    return this.nodes.filter((node) => node.state === "up");
  }

  /** Rejects when it ends before it is ready or takes too long, or with the signal's reason. */
  async start(member: Member, signal: AbortSignal): Promise<void> {
    const { settings, directory, onFailure } = this.#options;
    const isNode = this.nodes.includes(member);
    const { promise: ready, resolve } = Promise.withResolvers<string>();
    this.listeners.started(member.name);
    for (const listeners of this.roomListeners.values()) listeners.started(member.name);
    const child = await Child.start({
      name: member.name,
      file: isNode ? NODE_FILE : PROJECTOR_FILE,
      directory,
      env: isNode
        ? { CHAOS_NODE: JSON.stringify({ ...settings, redis: member.gate.url } satisfies NodeSettings) }
        : {
            REDIS_URL: member.gate.url,
            ROLLCALL_PREFIX: settings.prefix,
            ROLLCALL_SHARDS: String(settings.shards),
          },
      onMessage: (message) => this.#heard(member, message as NodeMessage, resolve),
    });
    member.child = child;
    const ended = child.ended.then(() => {
      throw new Error(`${member.name} ended by itself: ${child.epitaph}`);
    });
    ended.catch((error: Error) => {
      const expected = member.child !== child || member.state === "leaving" || member.state === "down";
      if (!expected) onFailure(error);
    });
    // A projector has nothing to say: that it works is seen by what it does.
    if (!isNode) resolve("");
    member.url = await orAborted(Promise.race([ready, ended]), signal, {
      timeout: START_TIMEOUT_MS,
      late: () => new Error(`${member.name} was not ready within ${START_TIMEOUT_MS} ms: ${child.epitaph}`),
    });
    member.state = "up";
  }

  #heard(member: Member, message: NodeMessage, ready: (url: string) => void): void {
    if (message.type === "ready") ready(message.url);
    else if (message.type === "mirror") this.listeners.size(member.name, message.size);
    else if (message.type === "change") {
      const problem = this.listeners.hear(member.name, message.change);
      if (problem !== undefined) this.#options.onUntrue(problem);
      this.#options.onChange(member, message.change);
    } else if (message.type === "moved") {
      const problem = this.roomListeners.get(message.room)!.hear(member.name, message.change);
      if (problem !== undefined) this.#options.onUntrue(`in room ${message.room}: ${problem}`);
    } else this.#options.onNote(`${member.name}: ${message.text}`);
  }

  /** SIGKILL: no goodbye. Resolves when the process is gone. */
  async kill(member: Member): Promise<void> {
    member.state = "down";
    member.child!.killGroup();
    await member.child!.ended;
  }

  /** SIGSTOP: it holds its sockets and does nothing, until it is woken. */
  stop(member: Member): void {
    member.state = "stopped";
    member.child!.kill("SIGSTOP");
  }

  wake(member: Member): void {
    member.child!.kill("SIGCONT");
    member.state = "up";
  }

  /** SIGTERM: it says goodbye. Rejects when it does not end by itself and well. */
  async drain(member: Member): Promise<void> {
    member.state = "leaving";
    await member.child!.stop(STOP_TIMEOUT_MS);
    member.state = "down";
    if (member.child!.exitCode !== 0)
      throw new Error(`${member.name} did not end well: ${member.child!.epitaph}`);
  }

  async close(): Promise<void> {
    for (const member of this.members) {
      if (member.state === "stopped") this.wake(member);
      member.state = "leaving";
    }
    const children = this.members.flatMap(({ child }) => child ?? []);
    await Promise.all(children.map((child) => child.stop(STOP_TIMEOUT_MS)));
    await Promise.all(this.members.map((member) => member.gate.close()));
  }
}
