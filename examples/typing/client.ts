/** The side of a tab: who is typing now, and telling that one is. It runs in browsers. */
import type { Socket } from "socket.io-client";

/** Told again at most this often while keys are pressed, ms. */
const TELL_MS = 1_000;
/** Forgotten this long after the last time it was told, ms: twice TELL_MS and some for the network. Events may be lost. */
const EXPIRE_MS = 3_000;

export class Typing {
  readonly #socket: Socket;
  readonly #show: (users: readonly string[]) => void;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #told = -Infinity;
  readonly #typing = (user: string) => this.#start(user);
  readonly #stopped = (user: string) => this.#stop(user);
  readonly #lost = () => this.#clear();

  /** `show` is called with those who are typing, whenever they change. */
  constructor(socket: Socket, show: (users: readonly string[]) => void) {
    this.#socket = socket;
    this.#show = show;
    socket.on("typing", this.#typing);
    socket.on("message", this.#stopped); // its first argument is the author
    socket.on("stopped typing", this.#stopped);
    socket.on("disconnect", this.#lost);
  }

  /** To be called with each key. A tab that is offline tells nothing later. */
  press(): void {
    if (performance.now() - this.#told < TELL_MS) return;
    this.#told = performance.now();
    this.#socket.volatile.emit("typing");
  }

  send(text: string): void {
    this.#told = -Infinity;
    this.#socket.emit("message", text);
  }

  close(): void {
    this.#socket.off("typing", this.#typing);
    this.#socket.off("message", this.#stopped);
    this.#socket.off("stopped typing", this.#stopped);
    this.#socket.off("disconnect", this.#lost);
    this.#clear();
  }

  #start(user: string): void {
    const isNew = !this.#timers.has(user);
    clearTimeout(this.#timers.get(user));
    this.#timers.set(
      user,
      setTimeout(() => this.#stop(user), EXPIRE_MS),
    );
    if (isNew) this.#changed();
  }

  #stop(user: string): void {
    clearTimeout(this.#timers.get(user));
    if (this.#timers.delete(user)) this.#changed();
  }

  #clear(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    if (this.#timers.size === 0) return;
    this.#timers.clear();
    this.#changed();
  }

  #changed(): void {
    this.#show([...this.#timers.keys()].sort());
  }
}
