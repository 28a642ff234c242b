/**
 * Clients in rooms of servers that are processes of their own (rooms-process.ts). A client knows where it is: the server acknowledges each
 * join and leave, and after the end of its server it connects to another one and joins anew. So the clients are the truth.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "socket.io-client";
import { scopeOf } from "../src/core/scope.ts";
import { connect } from "./node.ts";
import type { Move, RoomsProcessOptions } from "./rooms-process.ts";
import { until } from "./until.ts";

export interface RoomsNode {
  readonly child: ChildProcess;
  readonly url: string;
  readonly moved: string[];
  readonly gaps: string[];
  readonly errors: string[];
  /** The last Move that it has received. */
  arrived: number;
  /** Cannot take clients, or answer them. */
  isAway: boolean;
}

interface Told {
  readonly ready?: string;
  readonly moved?: string;
  readonly gap?: string;
  readonly arrived?: number;
  readonly error?: string;
}

export async function startRoomsNode(options: RoomsProcessOptions): Promise<RoomsNode> {
  const child = spawn(process.execPath, [new URL("rooms-process.ts", import.meta.url).pathname], {
    env: { ...process.env, ROOMS_OPTIONS_JSON: JSON.stringify(options) },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const moved: string[] = [];
  const gaps: string[] = [];
  const errors: string[] = [];
  const node = { child, url: "", moved, gaps, errors, arrived: 0, isAway: false };
  node.url = await new Promise<string>((resolve, reject) => {
    child.on("message", (message: Told) => {
      if (message.ready !== undefined) resolve(message.ready);
      if (message.moved !== undefined) moved.push(message.moved);
      if (message.gap !== undefined) gaps.push(message.gap);
      if (message.arrived !== undefined) node.arrived = message.arrived;
      if (message.error !== undefined) errors.push(message.error);
    });
    child.once("exit", (code) => reject(new Error(`a server ended with ${code}`)));
  });
  return node;
}

export async function killed({ child }: RoomsNode): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** One socket of a user, undefined for an anonymous one, in one namespace. */
export class Tab {
  readonly user: string | undefined;
  readonly namespace: string;
  /** Where it is, as the server said, or as another server was told to move it. */
  rooms = new Set<string>();
  node: RoomsNode | undefined;
  #socket: Socket | undefined;

  constructor(user: string | undefined, namespace: string) {
    this.user = user;
    this.namespace = namespace;
  }

  get isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** Connects to a server, and joins what it wants to be in. */
  async come(node: RoomsNode, rooms: Iterable<string> = this.rooms): Promise<void> {
    this.rooms = new Set();
    this.node = node;
    const wanted = [...rooms];
    this.#socket = await connect(node.url + (this.namespace === "/" ? "" : this.namespace), this.user);
    for (const room of wanted) await this.join(room);
  }

  async join(room: string): Promise<void> {
    this.rooms.add(room);
    this.#learned(await this.#ask("join", room));
  }

  async leave(room: string): Promise<void> {
    this.rooms.delete(room);
    this.#learned(await this.#ask("leave", room));
  }

  /** Another server moves it, which it is told only when its own server runs. */
  move({ into, outOf }: Move): void {
    if (into !== undefined) this.rooms.add(into);
    if (outOf !== undefined) this.rooms.delete(outOf);
  }

  /** Throws if its server does not say that it is where it should be. */
  async check(): Promise<void> {
    this.#learned(await this.#ask("rooms"));
  }

  /** On purpose. The rooms are kept as those that it wants when it comes back. */
  go(): void {
    this.#socket?.disconnect();
    this.#gone();
  }

  /** As if its network failed. */
  drop(): void {
    this.#socket?.io.engine.close();
    this.#gone();
  }

  /** Waits until it has noticed that its server is gone. */
  async lost(): Promise<void> {
    await until("the client noticed the end of its server", () => this.#socket?.connected !== true);
    this.#gone();
  }

  #gone(): void {
    this.#socket = undefined;
    this.node = undefined;
  }

  #ask(...args: [string, ...string[]]): Promise<string[]> {
    return this.#socket!.timeout(20_000).emitWithAck(...args) as Promise<string[]>;
  }

  #learned(rooms: readonly string[]): void {
    const own = [...this.rooms].sort();
    if (JSON.stringify(rooms) !== JSON.stringify(own))
      throw new Error(`the server says ${JSON.stringify(rooms)}, the client is in ${JSON.stringify(own)}`);
  }
}

/** Who is somewhere, as the clients say. */
export interface Members {
  readonly users: readonly string[];
  readonly sockets: number;
}

/** Of these scopes, and of the whole under `""`. */
export function truthOf(tabs: readonly Tab[], scopes: readonly string[]): Map<string, Members> {
  const open = tabs.filter((tab) => tab.isConnected && tab.node?.isAway !== true);
  const members = (those: readonly Tab[]): Members => ({
    users: [...new Set(those.flatMap(({ user }) => user ?? []))].sort(),
    sockets: those.length,
  });
  const truth = new Map([["", members(open)]]);
  for (const scope of scopes)
    truth.set(
      scope,
      members(
        open.filter(
          ({ namespace, rooms }) =>
            namespace === scope || [...rooms].some((room) => scopeOf(namespace, room) === scope),
        ),
      ),
    );
  return truth;
}
