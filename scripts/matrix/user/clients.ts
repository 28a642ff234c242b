/** Every client that an application may bring, in every signature that takes one: compiled, not run. */
import { Redis as Upstash } from "@upstash/redis";
import { Cluster, Redis } from "ioredis";
import type { Server, Socket } from "socket.io";
import {
  createPresence,
  createProjector,
  createReader,
  type LoopProjector,
  type Presence,
  type Projector,
  type RedisInput,
} from "rollcall";
import { createClient, type Counts, live, type LiveState } from "rollcall/client";
import { RollcallProvider, useCounts, useOnline, useUsers } from "rollcall/react";
import { createFetch, createReader as createEdgeReader, createScheduled } from "rollcall/edge";
import { createApp, fetchHandler, nodeHandler } from "rollcall/http";

export const inputs: RedisInput[] = [
  "redis://127.0.0.1",
  new Redis("redis://127.0.0.1", { lazyConnect: true }),
  new Cluster([{ host: "127.0.0.1", port: 7000 }], { lazyConnect: true }),
];
const client = new Redis({ lazyConnect: true });
const upstash = new Upstash({ url: "http://127.0.0.1", token: "token" });

export const loops: LoopProjector[] = [
  createProjector({ redis: client }),
  createProjector({ redis: "redis://127.0.0.1" }),
];
export const projector: Projector = createProjector({ redis: upstash });
export const readers = [
  createReader({ redis: client }),
  createReader({ redis: upstash }),
  createEdgeReader({ redis: upstash }),
];
export function start(io: Server, redis: Redis | Cluster): Presence {
  return createPresence(io, { redis, user: (socket: Socket) => socket.handshake.auth["user"] ?? null });
}
export const app = createApp({ reader: readers[0]! });
export const handlers = [fetchHandler(app), nodeHandler(app), createFetch(), createScheduled()];
export const counts: Promise<Counts> = createClient("http://127.0.0.1").counts();
export const state: LiveState = live(createClient("http://127.0.0.1"), { room: "news" }).getState();
export const hooks = { RollcallProvider, useCounts, useOnline, useUsers };
// @ts-expect-error: a number is no client
createReader({ redis: 6379 });
// @ts-expect-error: nor is any object
createPresence({} as Server, { redis: {}, user: () => null });
