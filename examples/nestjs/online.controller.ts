/** Who is online, and how many are in a room of /chat, over HTTP. */
import { Controller, Get, Inject, Param, ServiceUnavailableException } from "@nestjs/common";
import { PresenceError } from "../../src/index.ts";
import { PresenceService } from "./presence.service.ts";

@Controller()
export class OnlineController {
  readonly #service: PresenceService;

  constructor(@Inject(PresenceService) service: PresenceService) {
    this.#service = service;
  }

  @Get("online")
  async online(): Promise<{ online: string[] }> {
    const { users } = await this.#service.presence.usersList({ max: 1_000 }).catch(unavailable);
    return { online: users.map(({ id }) => id).sort() };
  }

  @Get("rooms/:room")
  async room(@Param("room") room: string): Promise<{ users: number; sockets: number }> {
    const { users, sockets } = await this.#service.presence.of("/chat").in(room).counts().catch(unavailable);
    return { users, sockets };
  }
}

function unavailable(error: unknown): never {
  throw error instanceof PresenceError ? new ServiceUnavailableException(error.code) : error;
}
