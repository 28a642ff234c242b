/** Between the recorder and Redis, so that replies can be lost, requests held and connections cut. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface Proxy {
  /** The address the recorder is given. */
  readonly url: string;
  /** Requests are carried out and their replies thrown away. */
  losesReplies: boolean;
  /** Bytes of replies thrown away. */
  lost: number;
  /** New connections are closed at once. */
  refuses: boolean;
  /** Requests wait here until `release()`. */
  hold(): void;
  /** Resolves once a request is held. */
  readonly held: Promise<void>;
  release(): void;
  cut(): void;
  /** Our ends of the connections to Redis, as CLIENT LIST has them: `127.0.0.1:4711`. */
  addresses(): string[];
  close(): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const to = new URL(target);
  const pairs = new Set<{ client: Socket; upstream: Socket; waiting: Buffer[] }>();
  let holds = false;
  let tellHeld = () => {};
  const server = createServer((client) => {
    if (proxy.refuses) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(to.port || 6379), to.hostname);
    const pair = { client, upstream, waiting: [] as Buffer[] };
    pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => {
        pairs.delete(pair);
        client.destroy();
        upstream.destroy();
      });
    }
    client.on("data", (data) => {
      if (holds) {
        pair.waiting.push(data);
        tellHeld();
      } else upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (proxy.losesReplies) proxy.lost += data.byteLength;
      else client.write(data);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String((server.address() as AddressInfo).port);
  let held = Promise.resolve();
  const proxy: Proxy = {
    url: url.href,
    losesReplies: false,
    lost: 0,
    refuses: false,
    get held() {
      return held;
    },
    hold() {
      holds = true;
      held = new Promise((resolve) => (tellHeld = resolve));
    },
    release() {
      holds = false;
      for (const { upstream, waiting } of pairs) for (const data of waiting.splice(0)) upstream.write(data);
    },
    cut() {
      for (const { client, upstream, waiting } of pairs) {
        waiting.length = 0;
        client.destroy();
        upstream.destroy();
      }
    },
    addresses: () => [...pairs].map(({ upstream }) => `${upstream.localAddress}:${upstream.localPort}`),
    close() {
      proxy.cut();
      server.close();
    },
  };
  return proxy;
}
