/**
 * A NestJS application with two gateways and presence as a provider.
 *
 *   REDIS_URL=redis://127.0.0.1:6379 PORT=3000 npm start --prefix examples/nestjs
 */
import "reflect-metadata";
import { Module } from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { ChatGateway, MainGateway } from "./gateways.ts";
import { OnlineController } from "./online.controller.ts";
import { PresenceService } from "./presence.service.ts";

@Module({ controllers: [OnlineController], providers: [PresenceService, MainGateway, ChatGateway] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ["warn", "error"] });
app.enableShutdownHooks(["SIGINT", "SIGTERM"]);
await app.init(); // makes the gateways' server
await app.get(PresenceService).presence.ready;
await app.listen(process.env["PORT"] ?? 3000, "127.0.0.1");
console.log("listening on", app.getHttpServer().address());
