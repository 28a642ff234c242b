/**
 * One browser tab of a user: a real client with its own WebSocket. While it is open it stays connected: when the connection
 * is lost, it reconnects to the node that the load balancer selects.
 */
import { io, type Socket } from "socket.io-client";
import type { Incarnation } from "./cluster.ts";

/** How long a tab waits before it reconnects, ms: random, so that the clients of a dead node do not all reconnect at once. */
const RETRY_MS_MIN = 30;
const RETRY_MS_MAX = 250;
const CONNECT_TIMEOUT_MS = 3_000;

/** The load balancer: returns a node that accepts connections, or undefined if there is none. */
export type Balancer = () => Incarnation | undefined;

/** One connection of a tab, and the events it received. */
export interface Connection {
  readonly node: Incarnation;
  readonly socket: Socket;
  /** How many "user has connected" and "user has disconnected" events it received. */
  readonly heard: { online: number; offline: number };
  /** Resolves once it has received everything its node sent so far. Rejects when no answer arrives within `timeout` ms. */
  allTold(timeout: number): Promise<void>;
}

export class Tab {
  /** null: not signed in. */
  readonly user: string | null;
  readonly #balancer: Balancer;
  #wanted = false;
  #isAway = false;
  #connection: Connection | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(user: string | null, balancer: Balancer) {
    this.user = user;
    this.#balancer = balancer;
  }

  get isOpen(): boolean {
    return this.#wanted;
  }

  /** The tab does not reconnect until it is opened again. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** The node it is connected to or is trying to reach. */
  get node(): Incarnation | undefined {
    return this.#connection?.node;
  }

  /** The connection, if it is established. */
  get connection(): Connection | undefined {
    return this.#connection?.socket.connected === true ? this.#connection : undefined;
  }

  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#isAway = false;
    this.#connect();
  }

  /** From now on it does not reconnect when the connection is lost. */
  stayAway(): void {
    this.#wanted = false;
    this.#isAway = true;
  }

  /** Says goodbye and stays closed. */
  close(): void {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#letGo();
  }

  /** Drops the connection without a goodbye; the tab then reconnects. */
  drop(): void {
    this.#connection?.socket.io.engine.close();
  }

  #connect(): void {
    const node = this.#balancer();
    if (node === undefined) return this.#tryAgain();
    const socket = io(node.url, {
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_TIMEOUT_MS,
      auth: this.user === null ? {} : { user: this.user },
    });
    const heard = { online: 0, offline: 0 };
    socket.on("user has connected", () => heard.online++);
    socket.on("user has disconnected", () => heard.offline++);
    socket.on("disconnect", () => this.#lost(socket));
    socket.on("connect_error", () => this.#lost(socket));
    this.#connection = {
      node,
      socket,
      heard,
      allTold: async (ms) => void (await socket.timeout(ms).emitWithAck("all told")),
    };
  }

  #lost(socket: Socket): void {
    if (this.#connection?.socket !== socket) return;
    this.#letGo();
    if (this.#wanted) this.#tryAgain();
  }

  #letGo(): void {
    const socket = this.#connection?.socket;
    this.#connection = undefined;
    socket?.off();
    socket?.disconnect();
  }

  #tryAgain(): void {
    const wait = RETRY_MS_MIN + Math.random() * (RETRY_MS_MAX - RETRY_MS_MIN);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }
}
