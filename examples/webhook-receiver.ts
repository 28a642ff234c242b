/** Receives webhooks: verifies each, leaves out what it has had, says who came and went. `SECRET=whsec_… node examples/webhook-receiver.ts` */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { text } from "node:stream/consumers";
import type { WebhookBatch, WebhookEvent } from "../src/index.ts";
import { isSigned } from "./webhook-signature.ts";

/** Keep these ids where your other data is, for as long as deliveries may be repeated. */
const had = new Set<string>();

export function receiver(secret: string, print: (line: string) => void): Server {
  async function take(request: IncomingMessage): Promise<number> {
    const body = await text(request);
    if (!isSigned(secret, request.headers, body)) return 401;
    const message = JSON.parse(body) as WebhookEvent | WebhookBatch;
    for (const event of message.type === "presence.batch" ? message.data.events : [message]) {
      if (had.has(event.id)) continue;
      const line =
        event.type === "presence.gap"
          ? `missed some: ${event.data.reason}`
          : `${event.type} ${event.data.user}`;
      print(line);
      had.add(event.id);
    }
    return 204;
  }
  return createServer((request, response) => {
    // What fails is sent again.
    take(request).then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(500).end(),
    );
  });
}

if (import.meta.main) receiver(process.env["SECRET"]!, console.log).listen(3001, "127.0.0.1");
