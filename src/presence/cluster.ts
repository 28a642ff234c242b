/** What adapters made by withPresence() ask: the sockets and rooms of all servers, from the projection. */
import type { Cluster } from "../adapter/clusters.ts";
import { PresenceError } from "../core/errors.ts";
import { ADAPTER_ANSWER_MAX, PAGE_SCOPES_MAX, PAGE_SOCKETS_MAX } from "../core/limits.ts";
import type { Reader, SocketsOptions } from "../reader/reader.ts";

export interface ClusterOptions {
  readonly reader: Pick<Reader, "scopes" | "sockets">;
  /** Under which ids this process is registered. */
  readonly processes: () => readonly string[];
  /** Whether the sockets of a namespace are counted. */
  readonly countsIn: (namespace: string) => boolean;
  /** What the names of users' rooms begin with; null: there are none. */
  readonly userRooms: string | null;
}

export function clusterOver({ reader, processes, countsIn, userRooms }: ClusterOptions): Cluster {
  function check(namespace: string): void {
    if (!countsIn(namespace))
      throw new PresenceError("SCOPE_UNTRACKED", "this namespace is not counted: add it to `namespaces`");
  }

  /** Of other processes: what this one has, its adapter knows better. */
  async function add(found: Set<string>, options: SocketsOptions): Promise<boolean> {
    const own = new Set(processes());
    let isAny = false;
    let cursor: string | undefined;
    do {
      const page = await reader.sockets({ ...options, cursor, limit: PAGE_SOCKETS_MAX });
      for (const { id, process } of page.sockets) if (!own.has(process)) found.add(id);
      isAny ||= page.sockets.length > 0;
      if (found.size > ADAPTER_ANSWER_MAX) throw tooMany("sockets");
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    return isAny;
  }

  async function addRoom(found: Set<string>, namespace: string, room: string): Promise<void> {
    if (userRooms !== null && room.startsWith(userRooms) && room.length > userRooms.length) {
      await add(found, { namespace, user: room.slice(userRooms.length) });
      return;
    }
    // A room may have the name of a socket's own, which that socket alone is in without having joined.
    const isOwn = await add(found, { namespace, id: room });
    try {
      await add(found, { namespace, room });
    } catch (error) {
      const isUntracked = error instanceof PresenceError && error.code === "SCOPE_UNTRACKED";
      if (!isOwn || !isUntracked) throw error;
    }
  }

  return {
    async sockets(namespace, rooms) {
      check(namespace);
      const found = new Set<string>();
      if (rooms.length === 0) await add(found, { namespace });
      for (const room of rooms) {
        if (typeof room !== "string" && typeof room !== "number")
          throw new PresenceError("SCOPE_UNTRACKED", "a room whose name is no text is not tracked");
        if (room !== "") await addRoom(found, namespace, String(room));
        else await add(found, { namespace, room });
      }
      return found;
    },
    async rooms(namespace) {
      check(namespace);
      const found = new Set<string>();
      let cursor: string | undefined;
      do {
        const page = await reader.scopes({ namespace, cursor, limit: PAGE_SCOPES_MAX });
        for (const { room } of page.scopes) if (room !== null) found.add(room);
        if (found.size > ADAPTER_ANSWER_MAX) throw tooMany("rooms");
        cursor = page.next ?? undefined;
      } while (cursor !== undefined);
      return found;
    },
  };
}

function tooMany(what: string): PresenceError {
  const message = `more than ${ADAPTER_ANSWER_MAX} ${what}: ask for them page by page, with presence.${what === "rooms" ? "scopes" : "sockets"}()`;
  return new PresenceError("LIMIT_EXCEEDED", message);
}
