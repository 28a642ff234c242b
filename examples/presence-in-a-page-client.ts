/** The page's part of presence-in-a-page.ts. It needs nothing but its Socket.IO client. */
import type { Socket } from "socket.io-client";

/** Calls `show` with who of `ids` is online, now and after each change. Returns a function that ends it. */
export function watch(
  socket: Socket,
  ids: readonly string[],
  show: (online: ReadonlySet<string>) => void,
): () => void {
  let online = new Set<string>();
  /** What was told while a list is on its way; undefined: none is. */
  let waiting: (() => void)[] | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function told(apply: () => void): void {
    // The list may have been read before this change: the change goes on top of it, not below.
    if (waiting !== undefined) waiting.push(apply);
    else {
      apply();
      show(online);
    }
  }
  async function list(): Promise<void> {
    clearTimeout(timer);
    const mine: (() => void)[] = (waiting = []);
    try {
      const present = (await socket.timeout(5_000).emitWithAck("watch", ids)) as string[];
      if (waiting !== mine) return; // a later list is on its way
      online = new Set(present);
      for (const apply of mine) apply();
      waiting = undefined;
      show(online);
    } catch {
      // After a disconnection, "connect" lists again.
      if (waiting === mine && socket.connected) timer = setTimeout(() => void list(), 1_000);
    }
  }
  const came = (user: string) => told(() => online.add(user));
  const went = (user: string) => told(() => online.delete(user));
  socket.on("connect", list).on("watch again", list).on("online", came).on("offline", went);
  if (socket.connected) void list();
  return () => {
    clearTimeout(timer);
    waiting = [];
    socket.off("connect", list).off("watch again", list).off("online", came).off("offline", went);
  };
}
