/** A TCP proxy in front of Redis that a test can break: drop replies, cut connections, refuse new ones. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Proxy {
  readonly url: string;
  /** While true, replies are dropped: requests are carried out and their replies lost. */
  swallow: boolean;
  /** Bytes dropped so far. */
  swallowed: number;
  /** While true, new connections are closed at once. */
  refuse: boolean;
  /** Cuts every connection. */
  cut(): void;
  close(): Promise<void>;
}

/** `target.url`: for its user and database. */
export async function startProxy(target: { readonly port: number; readonly url: string }): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (proxy.refuse) {
      client.destroy();
      return;
    }
    const upstream = connect(target.port, new URL(target.url).hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      if (proxy.swallow) proxy.swallowed += data.byteLength;
      else client.write(data);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(target.url);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const proxy: Proxy = {
    url: url.href,
    swallow: false,
    swallowed: 0,
    refuse: false,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      proxy.cut();
      server.close();
      await once(server, "close");
    },
  };
  return proxy;
}
