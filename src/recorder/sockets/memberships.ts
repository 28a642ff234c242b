/** Which memberships of scopes have been recorded, of each socket: what a socket's departure takes back, whatever happened meanwhile. */
import type { Socket } from "socket.io";
import { PresenceError } from "../../core/errors.ts";
import type { Departure } from "../../core/journal.ts";
import { MEMBERSHIPS_MAX } from "../../core/limits.ts";
import { type IdCounts, Ids } from "./ids.ts";
import type { Reports } from "./reports.ts";
import type { Scopes } from "./scopes.ts";

export interface MembershipCounts {
  /** A socket of `user`, "" for an anonymous one, came into a scope. A scope with `*` before it has its changes told. */
  readonly join: (scope: string, user: string) => void;
  readonly part: (scope: string, user: string, departure: Departure) => void;
}

export interface MembershipsOptions extends MembershipCounts {
  readonly scopes: Scopes;
  readonly reports: Reports;
  /** Undefined: the ids of sockets are not recorded. */
  readonly ids?: IdCounts | undefined;
  /** Default MEMBERSHIPS_MAX. */
  readonly membershipsMax?: number | undefined;
}

const NONE: ReadonlySet<string> = new Set();

export class Memberships {
  readonly #own: MembershipsOptions;
  readonly #most: number;
  readonly #ids: Ids | undefined;
  readonly #told = new Map<Socket, Set<string>>();
  #size = 0;
  /** Whether some were left out since the last comparison began, or when it began. */
  #isShort = false;
  #wasShort = false;

  constructor(options: MembershipsOptions) {
    this.#own = options;
    this.#most = options.membershipsMax ?? MEMBERSHIPS_MAX;
    this.#ids = options.ids && new Ids(options.ids, options.reports);
  }

  /** Whether what is missing may have been left out before, for want of room. */
  get isShort(): boolean {
    return this.#isShort || this.#wasShort;
  }

  /** A comparison of all sockets begins. */
  begin(): void {
    this.#own.scopes.begin();
    this.#wasShort = this.#isShort;
    this.#isShort = false;
  }

  /** The scopes a socket is in. Asks functions of the application. */
  wanted(socket: Socket): ReadonlySet<string> {
    return this.#own.scopes.of(socket);
  }

  /** Whether what is recorded is not what is wanted. */
  differ(socket: Socket): boolean {
    return this.#own.scopes.differ(socket, this.#told.get(socket) ?? NONE);
  }

  /** Records the difference to what is wanted. Returns whether there was one. */
  settle(socket: Socket, user: string, wanted: ReadonlySet<string>): boolean {
    let told = this.#told.get(socket);
    if (told === undefined) this.#told.set(socket, (told = new Set()));
    const before = this.#size;
    let parted = false;
    // First, so that there is room for others.
    for (const scope of told)
      if (!wanted.has(scope)) {
        this.#part(told, scope, user, "leave");
        parted = true;
      }
    for (const scope of wanted) if (!told.has(scope) && !this.#join(told, scope, user)) break;
    const isOther = parted || this.#size !== before;
    if (isOther) this.#ids?.settle(socket, user, told);
    return isOther;
  }

  /** Takes all of a socket back. */
  clear(socket: Socket, user: string, departure: Departure): void {
    const told = this.#told.get(socket) ?? NONE;
    this.#told.delete(socket);
    this.#size -= told.size;
    for (const scope of told) this.#own.part(scope, user, departure);
    this.#ids?.clear(socket);
  }

  /** Forgets all, without recording anything. */
  forget(): void {
    this.#told.clear();
    this.#ids?.forget();
    this.#size = 0;
  }

  #part(told: Set<string>, scope: string, user: string, departure: Departure): void {
    told.delete(scope);
    this.#size--;
    this.#own.part(scope, user, departure);
  }

  #join(told: Set<string>, scope: string, user: string): boolean {
    if (this.#size >= this.#most) {
      this.#isShort = true;
      this.#own.reports.standing("sockets in rooms beyond what a process counts", () => {
        const message =
          `this process counts ${this.#most} memberships of rooms and namespaces, and no more; further sockets are ` +
          "missing in theirs. Track fewer `rooms`, or spread the sockets over more processes";
        return new PresenceError("ROOM_NOT_COUNTED", message);
      });
      return false;
    }
    told.add(scope);
    this.#size++;
    this.#own.join(scope, user);
    return true;
  }
}
