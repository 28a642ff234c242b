/** An HTTP server that takes POSTs and fails as it is told: what a durable subscriber or a webhook calls. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly body: string;
  readonly headers: IncomingMessage["headers"];
}

/** Answers with a status; undefined: never. */
export type Answering = (
  received: Received,
  response: ServerResponse,
) => number | undefined | Promise<number | undefined>;

export interface Receiver extends AsyncDisposable {
  readonly url: string;
  /** What was answered with a 2xx, in order. */
  readonly taken: Received[];
}

export async function startReceiver(answer: Answering): Promise<Receiver> {
  const taken: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    const respond = async () => {
      const received = { body: Buffer.concat(chunks).toString(), headers: request.headers };
      const status = await answer(received, response);
      if (status === undefined) return;
      if (status < 300) taken.push(received);
      response.writeHead(status).end();
    };
    request.on("end", () => void respond());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    taken,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
