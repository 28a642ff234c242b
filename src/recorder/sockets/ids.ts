/** What is recorded of sockets by id. An id may be two sockets, when a recovery session was used twice: it stays while one is open. */
import type { Socket } from "socket.io";
import { PresenceError } from "../../core/errors.ts";
import { ID_BYTES_MAX } from "../../core/limits.ts";
import { utf8Length } from "../../core/utf8.ts";
import type { Reports } from "./reports.ts";

export interface IdCounts {
  /** The socket with this id is in exactly these scopes now. They are read later, when a record is made. */
  readonly opened: (id: string, user: string, scopes: ReadonlySet<string>) => void;
  /** No socket with this id is `user`'s any more. */
  readonly gone: (id: string, user: string) => void;
}

interface Held {
  readonly socket: Socket;
  readonly user: string;
  readonly scopes: ReadonlySet<string>;
}

export class Ids {
  readonly #counts: IdCounts;
  readonly #reports: Reports;
  /** The sockets of an id, the one last told at the end. */
  readonly #held = new Map<string, Held | Held[]>();

  constructor(counts: IdCounts, reports: Reports) {
    this.#counts = counts;
    this.#reports = reports;
  }

  /** A socket came into or left some of `scopes`, which is kept, and has to be what it is in from then on. */
  settle(socket: Socket, user: string, scopes: ReadonlySet<string>): void {
    const { id } = socket;
    if (!this.#isId(id)) return;
    const others = this.#of(id).filter((held) => held.socket !== socket);
    const last = others.at(-1);
    const held = { socket, user, scopes };
    this.#held.set(id, others.length === 0 ? held : [...others, held]);
    // Users may be in different shards.
    if (last !== undefined && last.user !== user) this.#counts.gone(id, last.user);
    this.#counts.opened(id, user, scopes);
  }

  /** A socket has gone, or is somebody else's from now on. */
  clear(socket: Socket): void {
    const { id } = socket;
    const all = this.#of(id);
    const held = all.find((one) => one.socket === socket);
    if (held === undefined) return;
    const others = all.filter((one) => one !== held);
    const next = others.at(-1);
    if (next === undefined) this.#held.delete(id);
    else this.#held.set(id, others.length === 1 ? next : others);
    if (all.at(-1) !== held) return;
    if (next === undefined || next.user !== held.user) this.#counts.gone(id, held.user);
    if (next !== undefined) this.#counts.opened(id, next.user, next.scopes);
  }

  /** Forgets all, without recording anything. */
  forget(): void {
    this.#held.clear();
  }

  #of(id: string): Held[] {
    const held = this.#held.get(id);
    return held === undefined ? [] : [held].flat();
  }

  /** Applications can make their own ids (`io.engine.generateId`). */
  #isId(id: unknown): id is string {
    const isOne = typeof id === "string" && id !== "" && id.isWellFormed() && utf8Length(id) <= ID_BYTES_MAX;
    if (!isOne)
      this.#reports.standing("ids of sockets that cannot be kept", () => {
        const message = `a socket is not listed by sockets(): its id must be text of 1 to ${ID_BYTES_MAX} bytes`;
        return new PresenceError("ROOM_NOT_COUNTED", message);
      });
    return isOne;
  }
}
