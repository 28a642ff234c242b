/**
 * Goal: with Socket.IO's own Redis adapters socketsOf() reaches a user's sockets on every server, and onlyOne leaves exactly one of the
 * sockets that connect to several servers at the same instant, also when announcements are lost.
 * Method: three real servers and real clients on one Redis, for each adapter; what is lost is dropped from the servers' own channel.
 */
import { createAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import type { Server } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { PresenceOptions } from "../../src/index.ts";
import { connect, startNode, type TestNode } from "../../rig/node.ts";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { untilStreamsAreRead } from "../../rig/streams-adapter.ts";
import { until, untilEqual } from "../../rig/until.ts";

const RACES = 20;
const SERVERS = 3;

let server: RedisServer;
let prefix: string;
let prefixes = 0;
let nodes: TestNode[];
const clients = new Set<ClientSocket>();
const connections = new Set<Redis>();

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(() => {
  prefix = `one${prefixes++}`;
});
afterEach(async () => {
  for (const client of clients) client.disconnect();
  clients.clear();
  await Promise.all(nodes.map((node) => node.close()));
  for (const one of connections) one.disconnect();
  connections.clear();
});

function redis(): Redis {
  const made = new Redis(server.url);
  connections.add(made);
  return made;
}

const ADAPTERS: Record<string, () => Parameters<Server["adapter"]>[0]> = {
  "redis-adapter": () => createAdapter(redis(), redis(), { key: prefix }),
  "redis-streams-adapter": () => createStreamsAdapter(redis(), { streamName: prefix, blockTimeInMs: 100 }),
};

async function start(adapter: string, options: Partial<PresenceOptions> = {}): Promise<void> {
  nodes = await Promise.all(
    Array.from({ length: SERVERS }, () =>
      startNode(
        { redis: server.url, prefix, heartbeat: 200, userRooms: true, ...options },
        { adapter: ADAPTERS[adapter]!() as never },
      ),
    ),
  );
  await until("the adapters know each other", async () => {
    const counts = await Promise.all(nodes.map(({ io }) => io.sockets.adapter.serverCount()));
    return counts.every((count) => count === SERVERS);
  });
  if (adapter === "redis-streams-adapter") await untilStreamsAreRead(nodes.map(({ io }) => io));
}

async function tab(node: number, user: string): Promise<ClientSocket> {
  const client = await connect(nodes[node]!.url, user);
  clients.add(client);
  return client;
}

const connected = (): ClientSocket[] => [...clients].filter((client) => client.connected);

describe.each(Object.keys(ADAPTERS))("with %s", (adapter) => {
  it("socketsOf() reaches the user's sockets on every server", async () => {
    await start(adapter);
    const heard: string[] = [];
    for (const [i, user] of ["alice", "alice", "bob", "alice"].entries()) {
      const client = await tab(i % SERVERS, user);
      client.on("mail", (answer: (text: string) => void) => answer(`${i} ${user}`));
      client.on("disconnect", () => heard.push(`${i} ${user}`));
    }
    const [a] = nodes;
    await untilEqual(async () => (await a!.presence.counts()).sockets, 4);
    expect(await a!.presence.socketsOf("alice").fetchSockets()).toHaveLength(3);
    const answers = await a!.presence.socketsOf("alice").timeout(5_000).emitWithAck("mail");
    expect((answers as string[]).sort()).toEqual(["0 alice", "1 alice", "3 alice"]);
    const { processes, sockets } = await a!.presence.user("alice");
    expect(sockets).toBe(3);
    expect(processes.map(({ id, sockets: own }) => [id, own])).toEqual(
      [
        [nodes[0]!.presence.processIds[0], 2],
        [nodes[1]!.presence.processIds[0], 1],
      ].toSorted(([one], [other]) => (String(one) < String(other) ? -1 : 1)),
    );
    a!.presence.socketsOf("alice").disconnectSockets(true);
    await untilEqual(() => heard.toSorted(), ["0 alice", "1 alice", "3 alice"]);
    await untilEqual(async () => (await a!.presence.user("alice")).processes, []);
  });

  it(`onlyOne leaves one of those that connect at the same instant, in ${RACES} races`, async () => {
    await start(adapter, { onlyOne: true });
    for (let race = 0; race < RACES; race++) {
      const user = `u${race}`;
      const tabs = 2 + (race % 4);
      await Promise.all(Array.from({ length: tabs }, (_, i) => tab((race + i) % SERVERS, user)));
      await untilEqual(() => connected().length, race + 1);
    }
    // Each of another user, and it stays so.
    const users = () => new Set(connected().map(({ auth }) => (auth as { user: string }).user)).size;
    await untilEqual(async () => (await nodes[0]!.presence.counts()).sockets, RACES);
    expect([users(), connected().length]).toEqual([RACES, RACES]);
    expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
    // A newer one ends each of them, and never the other way round.
    for (let race = 0; race < RACES; race++) {
      const newer = await tab(race % SERVERS, `u${race}`);
      await untilEqual(() => connected().length, RACES);
      expect(newer.connected).toBe(true);
    }
  });
});

it("with announcements that are lost, the next heartbeats end the older sockets", async () => {
  await start("redis-adapter", { onlyOne: true });
  let lost = 0;
  let isLossy = true;
  for (const { io } of nodes) {
    const { adapter } = io.sockets;
    const send = adapter.serverSideEmit.bind(adapter);
    adapter.serverSideEmit = (packet) => {
      if (isLossy) lost++;
      else send(packet);
    };
  }
  const first = await tab(0, "alice");
  const second = await tab(1, "alice");
  await until("both were announced, and again", () => lost >= 4);
  expect([first.connected, second.connected]).toEqual([true, true]);
  isLossy = false;
  await until("the older one is ended", () => !first.connected);
  expect(second.connected).toBe(true);
});
