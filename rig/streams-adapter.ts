/**
 * Before anything is sent: wait until @socket.io/redis-streams-adapter reads on every server. Until its first entry it reads from `$`, so
 * what is added between two of its reads is lost to that server (0.3.1, startPolling in dist/adapter.js). Once it has seen an entry it goes
 * on from there.
 */
import type { Server } from "socket.io";
import { until } from "./until.ts";

interface StreamsAdapter {
  onRawMessage(message: unknown, offset: string): void;
}

export async function untilStreamsAreRead(servers: readonly Server[]): Promise<void> {
  const reading = new Set<Server>();
  for (const io of servers) {
    const adapter = io.sockets.adapter as unknown as StreamsAdapter;
    const receive = adapter.onRawMessage.bind(adapter);
    adapter.onRawMessage = (...args) => {
      reading.add(io);
      receive(...args);
    };
  }
  await until(
    "every server reads the adapters' stream",
    () => {
      if (reading.size < servers.length) servers[0]!.emit("is anybody reading?");
      return reading.size === servers.length;
    },
    { every: 50 },
  );
}
