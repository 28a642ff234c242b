/** Two gateways: one in the main namespace, one in /chat with rooms. */
import { Inject } from "@nestjs/common";
import {
  ConnectedSocket,
  MessageBody,
  type OnGatewayInit,
  SubscribeMessage,
  WebSocketGateway,
} from "@nestjs/websockets";
import type { Namespace, Server, Socket } from "socket.io";
import { PresenceService } from "./presence.service.ts";

@WebSocketGateway()
export class MainGateway implements OnGatewayInit<Server> {
  readonly #presence: PresenceService;

  constructor(@Inject(PresenceService) presence: PresenceService) {
    this.#presence = presence;
  }

  afterInit(server: Server): void {
    this.#presence
      .attach(server)
      .on("online", (user) => server.local.emit("user has connected", user))
      .on("offline", (user) => server.local.emit("user has disconnected", user));
  }
}

@WebSocketGateway({ namespace: "chat" })
export class ChatGateway implements OnGatewayInit<Namespace> {
  readonly #presence: PresenceService;

  constructor(@Inject(PresenceService) presence: PresenceService) {
    this.#presence = presence;
  }

  /** A gateway with a namespace gets that, not the server. createPresence needs the server. */
  afterInit(namespace: Namespace): void {
    this.#presence.attach(namespace.server);
  }

  @SubscribeMessage("join")
  async join(@ConnectedSocket() socket: Socket, @MessageBody() room: unknown): Promise<string> {
    if (typeof room !== "string" || room === "" || room.length > 100) return "no such room";
    await socket.join(room);
    return "joined";
  }
}
