/** What a recorder was told of scopes, and what Socket.IO has: for the tests of rooms, which compare the two. */
import type { Server, Socket } from "socket.io";
import type { AttachOptions } from "../../../../src/recorder/socket-io.ts";
import { isOpen } from "../../../../src/recorder/sockets/level.ts";

/** Adds by one key or the other way; nothing is below zero. */
function put(counted: Map<string, number>, key: string, by: 1 | -1): void {
  const now = (counted.get(key) ?? 0) + by;
  if (now < 0) throw new Error(`${key} goes and is not there`);
  if (now === 0) counted.delete(key);
  else counted.set(key, now);
}

const sorted = (counted: ReadonlyMap<string, number>) =>
  Object.fromEntries([...counted].toSorted(([a], [b]) => (a < b ? -1 : 1)));

export class Ledger {
  /** `+alice`, `+alice /,news`, `-alice /,news leave`, `-alice leave` … in order. */
  readonly told: string[] = [];
  readonly #members = new Map<string, number>();
  readonly #sockets = new Map<string, number>();

  readonly counts: Pick<AttachOptions, "connect" | "disconnect" | "join" | "part"> = {
    connect: (user) => {
      put(this.#sockets, user, 1);
      this.told.push(`+${user}`);
    },
    disconnect: (user, departure) => {
      put(this.#sockets, user, -1);
      this.told.push(`-${user} ${departure}`);
    },
    join: (scope, user) => {
      put(this.#members, `${scope} ${user}`, 1);
      this.told.push(`+${user} ${scope}`);
    },
    part: (scope, user, departure) => {
      put(this.#members, `${scope} ${user}`, -1);
      this.told.push(`-${user} ${scope} ${departure}`);
    },
  };

  /** `<scope> <user>` → sockets. */
  get members(): Record<string, number> {
    return sorted(this.#members);
  }

  /** Sockets by user. */
  get sockets(): Record<string, number> {
    return sorted(this.#sockets);
  }

  /** Sockets in a scope. */
  in(scope: string): number {
    const all = [...this.#members].filter(([key]) => key.startsWith(`${scope} `));
    return all.reduce((sum, [, count]) => sum + count, 0);
  }

  /** The users in a scope, "" for anonymous ones, sorted. */
  users(scope: string): string[] {
    const keys = [...this.#members.keys()].filter((key) => key.startsWith(`${scope} `));
    return keys.map((key) => key.slice(scope.length + 1)).toSorted();
  }
}

/** The open sockets of a server, as Socket.IO has them. */
export function openSockets(io: Server): Socket[] {
  return [...io._nsps.values()].flatMap(({ sockets }) => [...sockets.values()]).filter((one) => isOpen(one));
}

/** `<scope> <user>` → sockets, by `socket.rooms` of these. Names that are numbers are their text. */
export function membersOf(sockets: readonly Socket[], userOf: (socket: Socket) => string | undefined) {
  const members = new Map<string, number>();
  for (const socket of sockets) {
    const user = userOf(socket);
    if (user === undefined) continue;
    const rooms = new Set([...socket.rooms].filter((room) => room !== socket.id).map(String));
    put(members, `${socket.nsp.name} ${user}`, 1);
    for (const room of rooms) put(members, `${socket.nsp.name},${room} ${user}`, 1);
  }
  return sorted(members);
}

/** The class of adapters, as the types of Socket.IO name it. */
type AdapterClass = Extract<Parameters<Server["adapter"]>[0], new (...args: never[]) => unknown>;

/** The class of Socket.IO's own adapter, from a server that uses it. */
export function adapterClassOf(io: Server): AdapterClass {
  return io.sockets.adapter.constructor as AdapterClass;
}
