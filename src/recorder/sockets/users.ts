/** Asks the application whose a socket is, and checks what it says. */
import type { Socket } from "socket.io";
import { orInternal, PresenceError } from "../../core/errors.ts";
import { USER_MS } from "../../core/limits.ts";
import { checkUser } from "../../core/user.ts";
import type { Kind, Reports } from "./reports.ts";

/**
 * The user of a socket: its id, 1 to 256 bytes, or null (or undefined) for an anonymous socket. May throw or reject: the socket is
 * counted as anonymous then, and `error` is emitted with USER_FUNCTION_FAILED.
 */
export type UserFunction = (socket: Socket) => string | null | undefined | Promise<string | null | undefined>;

/** Anonymous sockets are counted under the empty id. */
export const ANONYMOUS = "";

export interface UsersOptions {
  readonly user: UserFunction;
  readonly reports: Reports;
  /** A monotonic clock, ms. */
  readonly now: () => number;
  /** Called with an answer that came later. Must not throw. */
  readonly onAnswer: (socket: Socket, user: string) => void;
}

export class Users {
  readonly #own: UsersOptions;
  /** Not answered yet: when they were asked, oldest first. */
  readonly #asked = new Map<Socket, number>();
  /** Not answered in time. */
  readonly #late = new WeakSet<Socket>();

  constructor(options: UsersOptions) {
    this.#own = options;
  }

  /** The id to count a socket under, or null if the answer comes later. */
  ask(socket: Socket): string | null {
    let answer: unknown;
    try {
      answer = this.#own.user(socket);
    } catch (cause) {
      return this.#failed(cause);
    }
    if (typeof answer !== "object" || answer === null) return this.#valid(answer);
    this.#asked.set(socket, this.#own.now());
    Promise.resolve(answer).then(
      (id) => this.#answered(socket, () => this.#valid(id)),
      (cause: unknown) => this.#answered(socket, () => this.#failed(cause)),
    );
    return null;
  }

  #answered(socket: Socket, user: () => string): void {
    // Gone, or identified meanwhile.
    if (!this.#asked.delete(socket) && !this.#late.delete(socket)) return;
    this.#own.onAnswer(socket, user());
  }

  /** An answer that is still to come no longer matters. */
  forget(socket: Socket): void {
    this.#asked.delete(socket);
    this.#late.delete(socket);
  }

  /** Gives up waiting where it has taken USER_MS: the socket is anonymous until the answer comes. */
  heartbeat(): void {
    const overdue = this.#own.now() - USER_MS;
    for (const [socket, at] of this.#asked) {
      if (at > overdue) return;
      this.#asked.delete(socket);
      this.#late.add(socket);
      this.#own.reports.error("answers of `user` that take too long", () => {
        const message =
          `the promise of \`user\` has not settled for ${USER_MS / 1000} s; its socket is counted as anonymous until it does. ` +
          "Give what it waits for a time-out";
        return new PresenceError("USER_FUNCTION_FAILED", message);
      });
      this.#own.onAnswer(socket, ANONYMOUS);
    }
  }

  #failed(cause: unknown): string {
    this.#own.reports.error("failures of the `user` function", () => {
      const message = "the `user` function failed; its socket is counted as anonymous";
      return new PresenceError("USER_FUNCTION_FAILED", message, { cause });
    });
    return ANONYMOUS;
  }

  #valid(id: unknown): string {
    return this.check(id, "answers of `user` that are no user id") ?? ANONYMOUS;
  }

  /** The id to count under, or null, with an error reported, if `id` is none. */
  check(id: unknown, kind: Kind): string | null {
    if (id === null || id === undefined) return ANONYMOUS;
    try {
      return checkUser(id);
    } catch (error) {
      this.#own.reports.error(kind, () => orInternal(error));
      return null;
    }
  }
}
