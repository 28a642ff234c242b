/** A receiver of webhooks that can fail in every way, and a certificate for it. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";
import type { WebhookBatch, WebhookEvent } from "../../../src/core/webhook.ts";

export const newSecret = () => `whsec_${randomBytes(32).toString("base64")}`;

export interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers; the body has arrived. */
export type Answer = (response: ServerResponse, request: IncomingMessage) => unknown;

export interface Receiver extends AsyncDisposable {
  readonly port: number;
  readonly received: Received[];
  /** Its connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  /** Replaceable. By default 204. */
  answer: Answer;
}

export const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end();

export async function startReceiver({
  host = "127.0.0.1",
  port = 0,
  certificate,
}: { host?: string; port?: number; certificate?: Certificate } = {}): Promise<Receiver> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const onRequest: RequestListener = (request, response) => {
    const hand = async () => {
      const body = await text(request);
      received.push({ path: request.url!, method: request.method!, headers: request.headers, body });
      await receiver.answer(response, request);
    };
    hand().catch(() => response.destroy());
  };
  const server =
    certificate === undefined ? createServer(onRequest) : createTlsServer(certificate, onRequest);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("tlsClientError", () => {});
  server.listen(port, host);
  await once(server, "listening");
  const receiver: Receiver = {
    port: (server.address() as AddressInfo).port,
    received,
    sockets,
    answer: status(204),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return receiver;
}

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** Signed by itself, for hooks.example and 127.0.0.1. */
export function makeCertificate(): Certificate {
  const directory = mkdtempSync(join(tmpdir(), "rollcall-hooks-"));
  try {
    const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
    const names = "subjectAltName=DNS:hooks.example,IP:127.0.0.1";
    const request = [
      "req",
      "-x509",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=hooks.example",
    ];
    execFileSync("openssl", [...request, "-addext", names, "-keyout", key, "-out", cert], {
      stdio: "ignore",
    });
    return { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Its events, once the signature has been verified by the specification's own package. */
export function verified({ headers, body }: Received, secret: string): readonly WebhookEvent[] {
  const message = new Webhook(secret).verify(body, headers as Record<string, string>) as
    | WebhookEvent
    | WebhookBatch;
  if (message.id !== headers["webhook-id"]) throw new Error("another id in the body");
  return message.type === "presence.batch" ? message.data.events : [message];
}

/** `+alice connect`, `-bob reap`, `gap trimmed`. */
export function brief(event: WebhookEvent): string {
  if (event.type === "presence.gap") return `gap ${event.data.reason}`;
  return `${event.type === "user.online" ? "+" : "-"}${event.data.user} ${event.data.cause}`;
}
