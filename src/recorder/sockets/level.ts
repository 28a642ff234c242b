/** What Socket.IO says about a socket now, whatever events were emitted, and which kind of departure a reason is. Pure. */
import type { Socket } from "socket.io";
import type { Departure } from "../../core/journal.ts";

/** The part of a socket that is looked at. */
export interface Level {
  readonly connected: boolean;
  readonly conn: { readonly readyState: string };
}

/**
 * Whether a socket is open. `connected` alone is not enough: Socket.IO leaves it true for good when a listener of `disconnecting`
 * or of the adapter's `leave-room` throws. The id says nothing: two sockets have the same one if a recovery session is used twice.
 */
export function isOpen({ connected, conn }: Level): boolean {
  return connected && conn.readyState !== "closed";
}

/** The reasons of Socket.IO with which one side said goodbye; every other one is a dropped transport. */
const GOODBYES = new Set(["client namespace disconnect", "server namespace disconnect"]);

export function departureOf(reason: string): Departure {
  return GOODBYES.has(reason) ? "leave" : "disconnect";
}

/**
 * How a socket went whose reason was not heard. While its connection is open it can only have been a goodbye. If that is closed
 * too, nobody can tell: it counts as a dropped transport, which grace covers.
 */
export function silentDepartureOf({ conn }: Level): Departure {
  return conn.readyState === "open" ? "leave" : "disconnect";
}

/**
 * Whether a socket is the only one on its connection, which may then be closed with it. `sockets` of a client is undocumented
 * (Socket.IO 4.6 to 4.8): if it is missing, nobody can say, and the answer is false.
 */
export function isAlone({ client }: Socket): boolean {
  const { sockets } = client as unknown as { readonly sockets?: unknown };
  return sockets instanceof Map && sockets.size === 1;
}

/** Whether `value` is a socket of this process, recognised by its shape; fetchSockets() returns objects that are none. */
export function isSocket(value: unknown): value is Socket {
  if (typeof value !== "object" || value === null) return false;
  const { nsp, conn, prependListener } = value as Partial<Socket>;
  return (
    typeof nsp === "object" &&
    nsp.sockets instanceof Map &&
    typeof conn === "object" &&
    typeof prependListener === "function"
  );
}

/** How many rooms a socket is in: what it costs to look at them. Adapters may throw. */
export function roomsOf(socket: Socket): number {
  try {
    return socket.rooms.size;
  } catch {
    return 0;
  }
}
