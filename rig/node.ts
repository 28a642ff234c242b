/** A real Socket.IO server with presence, in this process, and real clients. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type ServerOptions } from "socket.io";
import {
  io as connectClient,
  type ManagerOptions,
  type Socket as ClientSocket,
  type SocketOptions,
} from "socket.io-client";
import type { Change } from "../src/core/change.ts";
import type { PresenceError } from "../src/core/errors.ts";
import { createPresence, type Presence, type PresenceOptions } from "../src/presence/presence.ts";

export interface TestNode extends AsyncDisposable {
  readonly io: Server;
  readonly url: string;
  readonly presence: Presence;
  /** `+alice connect`, `-alice reap` … as this server received them. */
  readonly heard: string[];
  readonly changes: Change[];
  readonly errors: PresenceError[];
  /** Attaches presence to a running server. */
  close(): Promise<void>;
}

export interface BareNode {
  readonly io: Server;
  readonly url: string;
}

export async function startServer(options: Partial<ServerOptions> = {}): Promise<BareNode> {
  const http = createServer();
  const io = new Server(http, options);
  await new Promise<void>((resolve) => {
    http.listen(0, "127.0.0.1", resolve);
  });
  return { io, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

/** `auth.user` names the user; without it the socket is anonymous. */
export const userOfAuth: PresenceOptions["user"] = (socket) =>
  (socket.handshake.auth["user"] as string | undefined) ?? null;

export async function startNode(
  options: Partial<PresenceOptions> & { redis: PresenceOptions["redis"] },
  server?: BareNode | Partial<ServerOptions>,
): Promise<TestNode> {
  const { io, url } = server !== undefined && "io" in server ? server : await startServer(server);
  const presence = createPresence(io, {
    user: userOfAuth,
    logger: { info() {}, warn() {}, error() {} },
    ...options,
  });
  const heard: string[] = [];
  const changes: Change[] = [];
  const errors: PresenceError[] = [];
  for (const type of ["online", "offline"] as const) {
    presence.on(type, (user, change) => {
      heard.push(`${type === "online" ? "+" : "-"}${user} ${change.cause}`);
      changes.push(change);
    });
  }
  presence.on("error", (error) => errors.push(error));
  await presence.ready;
  let closed: Promise<void> | undefined;
  const close = () =>
    (closed ??= (async () => {
      await presence.close();
      await io.close();
    })());
  return { io, url, presence, heard, changes, errors, close, [Symbol.asyncDispose]: close };
}

/** Connects a client over WebSocket and waits until it is connected. `auth.user` is the user id. */
export async function connect(
  url: string,
  user?: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<ClientSocket> {
  const client = connectClient(url, {
    transports: ["websocket"],
    forceNew: true,
    reconnection: false,
    auth: user === undefined ? {} : { user },
    ...options,
  });
  await new Promise<void>((resolve, reject) => {
    client.once("connect", resolve);
    client.once("connect_error", reject);
  });
  return client;
}

/** The answers of this server's reader, without times. */
export async function counts(
  presence: Presence,
): Promise<{ users: number; sockets: number; connections: number }> {
  const { users, sockets, connections } = await presence.counts();
  return { users, sockets, connections };
}
