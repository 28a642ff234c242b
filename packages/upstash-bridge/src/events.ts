/**
 * Server-sent events: /subscribe, /psubscribe and /monitor. Each stream has its own Redis connection. They end together, so a
 * client learns that messages may be missing.
 */
import type { Redis } from "ioredis";
import type { Connection } from "./connection.ts";
import { RequestError } from "./errors.ts";

/** Most bytes buffered for a slow reader. Beyond it the stream is closed; otherwise memory would grow without limit. */
const BUFFER_BYTES_MAX = 8 * 1024 * 1024;
const HEADERS = { "content-type": "text/event-stream", "cache-control": "no-cache, no-transform" };

export interface Events {
  /** `data: subscribe,<channel>,<count>`, then `data: message,<channel>,<payload>`; patterns use `pmessage`. */
  subscribe(kind: "subscribe" | "psubscribe", names: readonly Buffer[]): Promise<Response>;
  /** `data: "OK"`, then one line per command, as redis-cli prints it. */
  monitor(): Promise<Response>;
  /** Ends every stream. */
  close(): void;
}

export function createEvents(connection: Connection): Events {
  const open = new Set<() => void>();
  let closed = false;

  /** A stream over `client`. What `listen` writes before it resolves is sent after the lines it resolves with. */
  async function respond(
    client: Redis,
    listen: (write: (text: string) => void) => Promise<string[]>,
  ): Promise<Response> {
    let early: string[] | undefined = [];
    let write = (text: string): void => void early?.push(text);
    try {
      const first = await listen((text) => write(text));
      early = [...first, ...early];
    } catch (error) {
      client.disconnect();
      if (error instanceof Error && error.name === "ReplyError") throw new RequestError(400, error.message);
      throw new RequestError(503, "ERR Redis is not reachable, so the stream cannot be opened");
    }
    if (closed) {
      client.disconnect();
      throw new RequestError(503, "ERR the bridge is closing");
    }
    let end = (): void => {};
    const stream = new ReadableStream<Uint8Array>(
      {
        start(controller) {
          end = () => {
            if (!open.delete(end)) return;
            client.disconnect();
            controller.close();
          };
          open.add(end);
          client.once("end", end);
          write = (text) => {
            if (!open.has(end)) return;
            controller.enqueue(Buffer.from(event(text)));
            if ((controller.desiredSize ?? 0) <= 0) end();
          };
          for (const text of early ?? []) write(text);
          early = undefined;
          // The connection may have been lost while the answer was being prepared.
          if (client.status === "end") end();
        },
        cancel() {
          open.delete(end);
          client.disconnect();
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: BUFFER_BYTES_MAX }),
    );
    return new Response(stream, { headers: HEADERS });
  }

  return {
    subscribe(kind, names) {
      if (names.length === 0)
        throw new RequestError(400, `ERR wrong number of arguments for '${kind}' command`);
      const client = connection.dedicated();
      return respond(client, async (write) => {
        await client.connect();
        client.on("messageBuffer", (...parts: Buffer[]) => write(`message,${parts.join(",")}`));
        client.on("pmessageBuffer", (...parts: Buffer[]) => write(`pmessage,${parts.join(",")}`));
        await client.callBuffer(kind, [...names]);
        return names.map((name, index) => `${kind},${name.toString()},${index + 1}`);
      });
    },

    monitor() {
      const client = connection.dedicated({ monitor: true });
      return respond(client, async (write) => {
        const monitoring = new Promise<void>((resolve, reject) => {
          client.once("monitoring", resolve);
          client.once("end", () => reject(new Error("the connection was lost")));
        });
        client.on("monitor", (time: string, args: string[], source: string, database: string) => {
          const quoted = args.map((arg) => `"${arg.replaceAll('"', String.raw`\"`)}"`);
          write(`${time} [${database} ${source}] ${quoted.join(" ")}`);
        });
        await Promise.all([client.connect(), monitoring]);
        return ['"OK"'];
      });
    },

    close() {
      closed = true;
      for (const end of open) end();
    },
  };
}

/** A payload with several lines is one event with several `data:` lines, as the format requires. */
function event(text: string): string {
  return `${text
    .split(/\r\n|\r|\n/)
    .map((line) => `data: ${line}\n`)
    .join("")}\n`;
}
