/** What is told of the sockets that are counted, for features that need more than their number. */
import type { Socket } from "socket.io";

/** Its methods must not throw, and may disconnect sockets. */
export interface SocketWatcher {
  /** A socket is tracked from now on; whose it is is not known yet. */
  tracked?(socket: Socket): void;
  /** It is this user's from now on, `""`: nobody's. May be told again. */
  settled?(socket: Socket, user: string): void;
  /** It has gone, or is counted no longer. */
  gone?(socket: Socket): void;
  /** It is there at a heartbeat. */
  compared?(socket: Socket): void;
  /** Once per heartbeat, before the sockets are compared. */
  heartbeat?(): void;
  /** Nothing is counted any more. */
  detached?(): void;
}
