/**
 * Listening for the rooms that sockets join and leave. Adapters tell it by id, and an id may be two sockets: a recovery session that
 * was used twice. A socket keeps the adapter it began with, so that is the one listened to, whatever its namespace has by now.
 */
import type { Socket } from "socket.io";

/** The part of an adapter that we use. */
interface Emitter {
  prependListener(event: string, listener: (room: unknown, id: unknown) => void): unknown;
  off(event: string, listener: (room: unknown, id: unknown) => void): unknown;
  listeners(event: string): unknown[];
}

const EVENTS = ["join-room", "leave-room"];

interface Watch {
  readonly emitter: Emitter | undefined;
  readonly listener: (room: unknown, id: unknown) => void;
  readonly sockets: Map<string, Socket | Socket[]>;
}

/** The adapter of a socket, for the compiler a private property; it is the one with the socket's rooms. */
function adapterOf(socket: Socket): object {
  const { adapter } = socket as unknown as { readonly adapter?: object };
  return adapter ?? socket.nsp.adapter;
}

/** Undefined: it emits nothing, as the adapters of parent namespaces do before Socket.IO 4.8, which have no sockets. */
function emitterOf(adapter: object): Emitter | undefined {
  const { prependListener, off, listeners } = adapter as Partial<Emitter>;
  const isOne = [prependListener, off, listeners].every((method) => typeof method === "function");
  return isOne ? (adapter as Emitter) : undefined;
}

export class Adapters {
  readonly #onChange: (socket: Socket) => void;
  /** Those with sockets. */
  readonly #watched = new Map<object, Watch>();

  /** `onChange` is called within the application's `join` and `leave`, once a room. Must not throw. */
  constructor(onChange: (socket: Socket) => void) {
    this.#onChange = onChange;
  }

  add(socket: Socket): void {
    const adapter = adapterOf(socket);
    const { sockets } = this.#watched.get(adapter) ?? this.#watch(adapter);
    const known = sockets.get(socket.id);
    sockets.set(socket.id, known === undefined ? socket : [known, socket].flat());
  }

  remove(socket: Socket): void {
    const adapter = adapterOf(socket);
    const watch = this.#watched.get(adapter);
    if (watch === undefined) return;
    const left = [watch.sockets.get(socket.id) ?? []].flat().filter((other) => other !== socket);
    if (left.length === 0) watch.sockets.delete(socket.id);
    else watch.sockets.set(socket.id, left);
    if (watch.sockets.size > 0) return;
    this.#watched.delete(adapter);
    for (const event of EVENTS) watch.emitter?.off(event, watch.listener);
  }

  /** Listens again where our listeners were removed. Those of others are not ours to restore. */
  review(): void {
    for (const { emitter, listener } of this.#watched.values())
      for (const event of EVENTS)
        if (emitter?.listeners(event).includes(listener) === false) emitter.prependListener(event, listener);
  }

  detach(): void {
    for (const { emitter, listener } of this.#watched.values())
      for (const event of EVENTS) emitter?.off(event, listener);
    this.#watched.clear();
  }

  #watch(adapter: object): Watch {
    const sockets: Watch["sockets"] = new Map();
    const onChange = this.#onChange;
    const listener = (_: unknown, id: unknown): void => {
      const known = sockets.get(id as string);
      if (Array.isArray(known)) known.forEach((socket) => onChange(socket));
      else if (known !== undefined) onChange(known);
    };
    const watch = { emitter: emitterOf(adapter), listener, sockets };
    this.#watched.set(adapter, watch);
    // Before those of the application: what comes after one that throws is not called.
    for (const event of EVENTS) watch.emitter?.prependListener(event, listener);
    return watch;
  }
}
