/**
 * The connection for requests with the read-only token, which may be in strange hands. One request at a time, so that what
 * arrives belongs to it; a reply that becomes larger than the limit is cut off with the connection, and the next request gets
 * another one. Without this, one HRANDFIELD with a negative count fills the memory.
 */
import type { Redis } from "ioredis";
import { sizeExceeded } from "./limits.ts";
import type { Outcome } from "./reply.ts";
import type { Requests } from "./requests.ts";

export interface BoundedRequests extends Requests {
  close(): void;
}

/** `open`: a connection that is ready. `limit`: bytes of all replies of a request. */
export function boundedRequests(
  open: () => Promise<Redis>,
  over: (client: Redis) => Requests,
  limit: number,
): BoundedRequests {
  let client: Redis | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let closed = false;

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  }

  async function within<T>(work: (requests: Requests) => Promise<T>): Promise<T | Outcome> {
    if (client?.status !== "ready") {
      client?.disconnect();
      try {
        client = await open();
      } catch {
        return { error: "ERR Redis is not reachable; the command did not run", status: 503 };
      }
      // It was closed meanwhile.
      if (closed) client.disconnect();
    }
    const { stream } = client;
    let received = 0;
    const count = (chunk: Buffer) => {
      received += chunk.byteLength;
      if (received > limit) stream.destroy();
    };
    // Before the parser, which would keep what comes.
    stream.prependListener("data", count);
    try {
      const outcome = await work(over(client));
      return received > limit ? { error: sizeExceeded(limit, received), status: 413 } : outcome;
    } finally {
      stream.off("data", count);
    }
  }

  return {
    run: (commands) =>
      inTurn(async () => {
        const outcome = await within((requests) => requests.run(commands));
        return Array.isArray(outcome) ? outcome : commands.map(() => outcome);
      }),
    transaction: (commands) => inTurn(() => within((requests) => requests.transaction(commands))),
    close() {
      closed = true;
      client?.disconnect();
    },
  };
}
