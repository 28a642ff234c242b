/**
 * One browser tab: a real client with its own WebSocket, which reconnects to whichever node the load balancer returns when
 * the connection is lost. It notifies the crowd whenever it connects and disconnects.
 */
import { io, type Socket } from "socket.io-client";
import type { Member } from "./fleet.ts";

const RETRY_MS_MIN = 30;
const RETRY_MS_MAX = 250;
const CONNECT_TIMEOUT_MS = 3_000;

export interface TabOwner {
  /** The load balancer: a node that takes connections, or undefined when there is none. */
  readonly balance: () => Member | undefined;
  readonly onConnect: (tab: Tab) => void;
  readonly onGone: (tab: Tab, goodbye: boolean) => void;
  /** It joins or leaves a room, or has done so. */
  readonly onRooms: (tab: Tab) => void;
}

export class Tab {
  /** null: an anonymous visitor. */
  readonly user: string | null;
  readonly #owner: TabOwner;
  /** Where it wants to be; it is there when it is connected, unless `isMoving`. */
  readonly #rooms: Set<string>;
  /** Joins and leaves without an answer. */
  #moves = 0;
  #wanted = false;
  #connected = false;
  #node: Member | undefined;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(user: string | null, rooms: readonly string[], owner: TabOwner) {
    this.user = user;
    this.#rooms = new Set(rooms);
    this.#owner = owner;
  }

  get isOpen(): boolean {
    return this.#wanted;
  }

  get isConnected(): boolean {
    return this.#connected;
  }

  get rooms(): ReadonlySet<string> {
    return this.#rooms;
  }

  /** Whether its node may not know yet in which rooms it is. */
  get isMoving(): boolean {
    return this.#moves > 0;
  }

  /** Joins a room, or leaves it when it is there. Takes effect at once, or with the next connection. */
  toggle(room: string): void {
    const joins = !this.#rooms.delete(room);
    if (joins) this.#rooms.add(room);
    const socket = this.#socket;
    if (!this.#connected || socket === undefined) return;
    this.#moves++;
    this.#owner.onRooms(this);
    socket.emit(joins ? "join" : "part", room, () => {
      if (this.#socket !== socket) return;
      this.#moves--;
      this.#owner.onRooms(this);
    });
  }

  /** The node it is connected to or is trying to reach. */
  get node(): Member | undefined {
    return this.#node;
  }

  open(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#connect();
  }

  /** Says goodbye and stays closed. */
  close(): void {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#letGo(true);
  }

  /** Loses its connection without a goodbye, as in a tunnel, and comes back. */
  drop(): void {
    this.#socket?.io.engine.close();
  }

  #connect(): void {
    const node = this.#owner.balance();
    if (node === undefined) return this.#tryAgain();
    const socket = io(node.url, {
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_TIMEOUT_MS,
      auth: (send) => send({ rooms: [...this.#rooms], ...(this.user !== null && { user: this.user }) }),
    });
    this.#node = node;
    this.#socket = socket;
    socket.on("connect", () => {
      this.#connected = true;
      this.#owner.onConnect(this);
    });
    socket.on("disconnect", () => this.#lost(socket));
    socket.on("connect_error", () => this.#lost(socket));
  }

  #lost(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#letGo(false);
    if (this.#wanted) this.#tryAgain();
  }

  #letGo(goodbye: boolean): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#node = undefined;
    socket?.off();
    socket?.disconnect();
    this.#moves = 0;
    if (!this.#connected) return;
    this.#connected = false;
    this.#owner.onGone(this, goodbye);
  }

  #tryAgain(): void {
    const wait = RETRY_MS_MIN + Math.random() * (RETRY_MS_MAX - RETRY_MS_MIN);
    this.#retry = setTimeout(() => this.#connect(), wait);
  }
}
