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
  /** The value that the record with `bye` had for this field, if it has been sent. */
  lastWords(field: string): string | undefined;
  /** Our ends of the connections to Redis, as CLIENT LIST has them: `127.0.0.1:4711`. */
  addresses(): string[];
  close(): void;
}

/** Of what each connection has sent, the end is kept, in bytes: a record with `bye` is the last one and has room in it. */
const TAIL_BYTES = 131_072;

export async function startProxy(target: string): Promise<Proxy> {
  const to = new URL(target);
  const pairs = new Set<{ client: Socket; upstream: Socket; waiting: Buffer[] }>();
  let holds = false;
  let tellHeld = () => {};
  /** One a connection, in latin1. */
  const tails: { text: string }[] = [];
  const server = createServer((client) => {
    if (proxy.refuses) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(to.port || 6379), to.hostname);
    const pair = { client, upstream, waiting: [] as Buffer[] };
    pairs.add(pair);
    const tail = { text: "" };
    tails.push(tail);
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
      tail.text = (tail.text + data.toString("latin1")).slice(-TAIL_BYTES);
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
    lastWords(field) {
      for (const { text } of tails) {
        const bye = text.lastIndexOf("\r\n$3\r\nbye\r\n");
        if (bye === -1) continue;
        const record = text.slice(text.toUpperCase().lastIndexOf("\r\nXADD\r\n", bye));
        const [, value] = new RegExp(`\r\n${field}\r\n\\$\\d+\r\n([^\r]*)\r\n`).exec(record) ?? [];
        if (value !== undefined) return value;
      }
      return undefined;
    },
    addresses: () => [...pairs].map(({ upstream }) => `${upstream.localAddress}:${upstream.localPort}`),
    close() {
      proxy.cut();
      server.close();
    },
  };
  return proxy;
}
