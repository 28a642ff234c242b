/** An adapter of Socket.IO that answers for all servers what adapters answer for one. */
import type { Namespace, Server } from "socket.io";
import { PresenceError } from "../core/errors.ts";
import { invalid } from "../core/options.ts";
import { type Cluster, clusterOf } from "./clusters.ts";

type Adapter = Namespace["adapter"];

/** What `io.adapter()` takes: a class, or a function that makes an adapter. */
export type AdapterFactory = NonNullable<Parameters<Server["adapter"]>[0]>;

/** The part that is replaced. Only redis-adapter has `allRooms`. */
interface Answers {
  sockets(rooms: Set<unknown>): Promise<Set<unknown>>;
  allRooms?(): Promise<Set<unknown>>;
}

/**
 * The same adapter, but `sockets(rooms)`, which io.allSockets() asks, and `allRooms()` answer for all servers, from what the presence of its
 * server reads in Redis: no server has to answer, so none that hangs can delay it. Everything else is the adapter's own; so are its
 * `serverCount()`, by which it waits for answers, and `fetchSockets()`, since neither handshake nor data are in Redis.
 *
 *   io.adapter(withPresence(createAdapter(pubClient, subClient)));
 *   const presence = createPresence(io, { redis, user, rooms: true, socketIds: true });
 *   const ids = await io.in("news").allSockets();
 *   const rooms = await io.of("/").adapter.allRooms();
 *
 * `sockets()` needs `socketIds`. Where the presence cannot tell (none was made, the namespace or room is not tracked, Redis is away), it
 * answers what the adapter answers. `allRooms()` needs `rooms`, has the tracked rooms, and not the own room of each socket; where the
 * presence cannot tell, it answers what the adapter does, and rejects if that has none. Both reject with LIMIT_EXCEEDED above 100,000.
 * Throws PresenceError OPTIONS_INVALID for what is no adapter.
 */
export function withPresence<Own extends AdapterFactory>(adapter: Own): Own {
  if (typeof adapter !== "function")
    invalid(
      `withPresence takes an adapter, a class or a function as io.adapter() does, got ${typeof adapter}`,
    );
  // Socket.IO calls it with `new`, so it must not be an arrow function.
  function PresenceAdapter(nsp: Namespace): Adapter {
    const own = made(adapter, nsp);
    const { sockets, allRooms } = own as unknown as Partial<Answers>;
    const answers: Answers = {
      async sockets(rooms) {
        const local = (await sockets?.call(own, rooms)) ?? new Set();
        const others = await asked(nsp, (cluster) => cluster.sockets(nsp.name, [...rooms]));
        return others instanceof Set ? new Set([...local, ...others]) : local;
      },
      async allRooms() {
        const rooms = await asked(nsp, (cluster) => cluster.rooms(nsp.name));
        if (rooms instanceof Set) return rooms;
        if (allRooms !== undefined) return allRooms.call(own);
        throw rooms ?? new PresenceError("SCOPE_UNTRACKED", NO_PRESENCE);
      },
    };
    return Object.assign(own, answers);
  }
  return PresenceAdapter as unknown as Own;
}

const NO_PRESENCE =
  "allRooms: this server has no presence with `rooms` yet, and its adapter cannot tell: call createPresence first";

/** Undefined: there is nobody to ask; an error: why nobody can tell. Rejects where the adapter's own answer would be a wrong one. */
async function asked(
  { server }: Namespace,
  ask: (cluster: Cluster) => Promise<Set<string>>,
): Promise<Set<string> | Error | undefined> {
  const cluster = clusterOf(server);
  if (cluster === undefined) return undefined;
  try {
    return await ask(cluster);
  } catch (error) {
    if (!(error instanceof PresenceError) || error.code === "LIMIT_EXCEEDED") throw error;
    return error;
  }
}

function made(adapter: AdapterFactory, nsp: Namespace): Adapter {
  if (isConstructor(adapter)) return new adapter(nsp);
  return (adapter as (nsp: Namespace) => Adapter)(nsp);
}

function isConstructor(adapter: object): adapter is new (nsp: Namespace) => Adapter {
  try {
    Reflect.construct(Object, [], adapter as new () => object);
    return true;
  } catch {
    return false;
  }
}
