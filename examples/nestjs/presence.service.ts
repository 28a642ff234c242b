/** Presence as a provider. It is made when the first gateway has the server, and closed before Nest closes the sockets. */
import { type BeforeApplicationShutdown, Injectable } from "@nestjs/common";
import type { Server } from "socket.io";
import { createPresence, type Presence } from "../../src/index.ts";

@Injectable()
export class PresenceService implements BeforeApplicationShutdown {
  #presence: Presence | undefined;

  /** To be called by each gateway in afterInit. All gateways of one port share one server, so one presence counts them all. */
  attach(io: Server): Presence {
    this.#presence ??= createPresence(io, {
      redis: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379",
      user: (socket) => socket.handshake.auth["user"] ?? null, // a real application checks a session here
      namespaces: ["/", "/chat"], // those of the gateways
      rooms: true,
    });
    return this.#presence;
  }

  get presence(): Presence {
    if (this.#presence === undefined) throw new Error("no gateway has called attach() yet");
    return this.#presence;
  }

  /** Nest closes the sockets after this, and calls onApplicationShutdown only then: too late to say goodbye for them. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.#presence?.close();
  }
}
