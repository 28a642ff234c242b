/**
 * A TCP proxy in front of Redis for each process, so that a fault can affect one of them or all, and so that another Redis
 * can replace the first without any process being notified.
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

interface Chunk {
  readonly at: number;
  readonly data: Buffer;
}

/** One direction of one connection: what comes in goes out later, in order, or never. */
class Lane {
  readonly #to: Socket;
  readonly #queue: Chunk[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket) {
    this.#to = to;
  }

  send(data: Buffer, delay: number): void {
    if (delay === 0 && this.#queue.length === 0) {
      this.#to.write(data);
      return;
    }
    this.#queue.push({ at: performance.now() + delay, data });
    this.#timer ??= setTimeout(() => this.#pump(), delay);
  }

  #pump(): void {
    this.#timer = undefined;
    while (this.#queue.length > 0 && this.#queue[0]!.at <= performance.now())
      this.#to.write(this.#queue.shift()!.data);
    const next = this.#queue[0];
    if (next !== undefined)
      this.#timer = setTimeout(() => this.#pump(), Math.max(1, next.at - performance.now()));
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

export class Gate {
  readonly url: string;
  /** How much later everything arrives, each way, ms. */
  delay = 0;
  #swallow = false;
  readonly #server: Server;
  readonly #pairs = new Set<{ client: Socket; upstream: Socket; dead: boolean }>();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** `target` names the port of the Redis of the moment. */
  static async open(target: () => number): Promise<Gate> {
    const server = createServer({ noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const gate = new Gate(server);
    server.on("connection", (client) => gate.#join(client, connect({ port: target(), host: "127.0.0.1", noDelay: true }))); // prettier-ignore
    return gate;
  }

  #join(client: Socket, upstream: Socket): void {
    const pair = { client, upstream, dead: this.#swallow };
    this.#pairs.add(pair);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      // prettier-ignore
      const lane = new Lane(to);
      from.on("data", (data: Buffer) => {
        if (!pair.dead) lane.send(data, this.delay);
      });
      from.on("error", () => {});
      from.on("close", () => {
        if (!pair.dead) to.destroy();
        if (to.destroyed) this.#pairs.delete(pair);
        lane.close();
      });
    }
  }

  /**
   * While true, bytes of either side vanish. A connection that is there meanwhile never works again, and neither side
   * is told when the other closes it: half-open, until somebody gives it up.
   */
  set swallow(swallow: boolean) {
    this.#swallow = swallow;
    if (swallow) for (const pair of this.#pairs) pair.dead = true;
  }

  /** Ends every connection: at once, for both sides; with `reset`, the client gets a RST. */
  cut({ reset = false }: { reset?: boolean } = {}): void {
    for (const { client, upstream } of this.#pairs) {
      if (reset) client.resetAndDestroy();
      else client.destroy();
      upstream.destroy();
    }
    this.#pairs.clear();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, "close");
  }
}
