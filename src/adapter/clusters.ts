/** What is known of the sockets of all servers, by Socket.IO server: an adapter is made before its presence, and finds it here. */
import type { Server } from "socket.io";

export interface Cluster {
  /** The ids of the sockets of other processes in any of these rooms; without rooms, of all in the namespace. Rejects when nobody knows. */
  sockets(namespace: string, rooms: readonly unknown[]): Promise<Set<string>>;
  /** The rooms of a namespace in which some socket is, without the own room of each. Rejects when nobody knows. */
  rooms(namespace: string): Promise<Set<string>>;
}

const clusters = new WeakMap<Server, Set<Cluster>>();

/** Returns how to end that. */
export function announce(io: Server, cluster: Cluster): () => void {
  const all = clusters.get(io) ?? new Set<Cluster>();
  clusters.set(io, all.add(cluster));
  return () => void all.delete(cluster);
}

/** The first one of a server. */
export function clusterOf(io: Server): Cluster | undefined {
  const [first] = clusters.get(io) ?? [];
  return first;
}
