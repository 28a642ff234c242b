/**
 * Random histories on a real Socket.IO server with real clients: sockets come and go in every way, listeners of the application throw
 * and take ours away. After each heartbeat every client that is connected is counted under its user, and nobody else is.
 *
 *   node test/unit/recorder/sockets/histories.ts SEED HISTORIES [FIRST]
 *
 * A process of its own, because listeners that throw reach `uncaughtException`. Prints one line of JSON, the totals, or says what
 * was wrong, with the seed, and exits with 1.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Namespace, Socket } from "socket.io";
import { Manager, type Socket as Client } from "socket.io-client";
import type { Departure } from "../../../../src/core/journal.ts";
import { attach } from "../../../../src/recorder/socket-io.ts";
import { startServer } from "../../../../rig/node.ts";
import { Random } from "../../../../rig/random.ts";
import { until, untilEqual } from "../../../../rig/until.ts";

const [seed = "1", histories = "1", first = "0"] = process.argv.slice(2);
const ROUNDS = 8;
const OPERATIONS = 12;
const BUG = "a bug of the application";
/** Not counted: "/no". */
const NAMES = ["/", "/a", "/room-1", "/room-2", "/no"];

let thrown = 0;
process.on("uncaughtException", (error) => {
  if (error.message !== BUG) throw error;
  thrown++;
});
const fail = (): never => {
  throw new Error(BUG);
};

interface Person {
  readonly client: Client;
  readonly name: string;
  /** What the `user` function says; "": anonymous. */
  readonly base: string;
  /** What it is counted under. */
  user: string;
  /** The server's socket, or the latest of them. */
  socket: Socket | undefined;
}

async function history(random: Random): Promise<{ checks: number; sockets: number }> {
  const { io, url } = await startServer({
    cleanupEmptyChildNamespaces: random.chance(0.5),
    connectionStateRecovery: {},
  });
  const counted = new Map<string, number>();
  const departures = new Map<string, Departure>();
  let wrongGoodbyes = 0;
  const people = new Map<string, Person>();
  const later: (() => void)[] = [];
  const put = (user: string, by: number) => {
    const now = (counted.get(user) ?? 0) + by;
    if (now < 0) throw new Error("counted below 0");
    if (now === 0) counted.delete(user);
    else counted.set(user, now);
  };
  const personOf = (socket: Socket) => people.get(socket.handshake.auth["who"] as string)!;
  // Before our listeners: its own come first where it does nothing about it.
  io.on("connection", (socket) => {
    if (socket.handshake.auth["way"] === "throws") fail();
  });
  const watch = (namespace: Namespace) => {
    namespace.use((socket, next) => {
      personOf(socket).socket = socket;
      const way = socket.handshake.auth["way"] as string;
      if (way === "slow") later.push(next);
      else if (way === "refused") next(new Error("refused"));
      else if (way !== "never") next();
    });
  };
  for (const name of ["/", "/a", "/no"]) watch(io.of(name));
  io.of(/^\/room-\d$/);
  io.on("new_namespace", watch);

  const attachment = attach({
    io,
    user(socket) {
      const person = personOf(socket);
      const user = (person.user = person.base);
      switch (socket.handshake.auth["answer"]) {
        case "later":
          return new Promise((resolve) => later.push(() => resolve(user || null)));
        case "throws":
          return fail();
        case "rejects":
          return Promise.reject(new Error(BUG));
        default:
          return user || undefined;
      }
    },
    namespaces: [(name) => name !== "/no"],
    connect: (user) => put(user, 1),
    disconnect(user, departure) {
      put(user, -1);
      departures.set(user, departure);
    },
    join() {},
    part() {},
    onError: () => {},
    logger: { info() {}, warn() {} },
    // Compared here.
    heartbeat: 3_600_000,
  });
  io.on("connection", (socket) => {
    if (socket.handshake.auth["way"] === "kicked") socket.disconnect();
  });

  const managers: Manager[] = [];
  const used = new Map<Manager, Set<string>>();
  const come = () => {
    if (managers.length === 0 || random.chance(0.6))
      managers.push(new Manager(url, { transports: ["websocket"], reconnection: false }));
    const manager = random.pick(managers);
    const who = `p${people.size}`;
    const answer = random.pick(["now", "now", "now", "later", "throws", "rejects"]);
    const way = random.pick(["", "", "", "", "slow", "refused", "never", "throws", "kicked"]);
    const name = random.pick(NAMES);
    // A manager has one socket a namespace.
    if (used.get(manager)?.has(name) === true) return;
    used.set(manager, (used.get(manager) ?? new Set()).add(name));
    const client = manager.socket(name, { auth: { who, answer, way } });
    const user = answer === "throws" || answer === "rejects" || random.chance(0.1) ? "" : who;
    people.set(who, {
      client,
      name,
      base: user,
      user,
      socket: undefined,
    });
    client.on("connect_error", () => client.disconnect());
  };
  const anybody = () => {
    const all = [...people.values()].filter(
      ({ client, socket }) => client.connected && socket?.connected === true,
    );
    return all.length === 0 ? undefined : random.pick(all);
  };
  /** A goodbye of the server, which is recorded before this returns, if the user was counted and anything is heard. */
  const leaves = ({ user }: Person, socket: Socket) => {
    const before = counted.get(user);
    departures.delete(user);
    try {
      socket.disconnect();
    } finally {
      if (counted.get(user) !== before && departures.get(user) !== "leave") wrongGoodbyes++;
    }
  };
  const operations: readonly ((person: Person, socket: Socket) => void)[] = [
    ({ client }) => void client.disconnect(),
    leaves,
    (_, socket) => socket.disconnect(true),
    (_, socket) => {
      socket.conn.close();
    },
    ({ client }) => {
      client.io.engine.close();
    },
    (_, { nsp }) => nsp.disconnectSockets(random.chance(0.5)),
    (_, socket) => void socket.removeAllListeners(),
    (_, socket) => socket.removeAllListeners("disconnect"),
    (_, socket) => void socket.on("disconnecting", fail),
    (_, socket) => void socket.on("disconnect", fail),
    (_, { nsp }) => void nsp.adapter.once("leave-room", fail),
    (_, { nsp }) => nsp.removeAllListeners("connection"),
    (_, { nsp }) => void nsp.once("connection", fail),
    (_, { nsp }) => nsp.adapter.removeAllListeners(),
    () => io.sockets.removeAllListeners("new_namespace"),
    (person, socket) => {
      const user = random.pick(["", `${person.client.id}`, "shared"]);
      attachment.identify(socket, user || null);
      if (person.name !== "/no") person.user = user;
    },
    (_, socket) => attachment.identify(socket, "x".repeat(257)),
    ({ client }) => {
      client.io.engine.close();
      // With its session, if it has one.
      client.connect();
    },
  ];
  const attempt = (then: () => void) => {
    try {
      then();
    } catch (error) {
      if ((error as Error).message !== BUG) throw error;
      thrown++;
    }
  };

  /**
   * How many are open, by user, at least and at most. A socket that has gone while a listener threw is open for Socket.IO until its
   * connection closes: it may be counted if nothing was heard of its end.
   */
  const bounds = () => {
    const least = new Map<string, number>();
    const most = new Map<string, number>();
    for (const { client, name, user, socket } of people.values()) {
      if (name === "/no") continue;
      const isListed = socket?.nsp.sockets.get(socket.id) === socket && socket?.conn.readyState === "open";
      if (client.connected) least.set(user, (least.get(user) ?? 0) + 1);
      if (client.connected || isListed) most.set(user, (most.get(user) ?? 0) + 1);
    }
    return { least, most };
  };
  const wrong = () => {
    const { least, most } = bounds();
    return [...new Set([...least.keys(), ...counted.keys()])].filter((user) => {
      const now = counted.get(user) ?? 0;
      return now < (least.get(user) ?? 0) || now > (most.get(user) ?? 0);
    });
  };
  let checks = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < OPERATIONS; i++) {
      if (random.chance(0.4)) come();
      else {
        const person = anybody();
        if (person !== undefined) attempt(() => random.pick(operations)(person, person.socket!));
      }
      if (random.chance(0.3)) later.splice(random.int(0, later.length), 1)[0]?.();
      if (random.chance(0.5)) for (let n = random.int(1, 20); n > 0; n--) await turn();
    }
    await untilEqual(async () => {
      for (const go of later.splice(0)) go();
      attachment.compare();
      await turn();
      return wrong();
    }, []);
    checks++;
    if (wrongGoodbyes > 0) throw new Error("a goodbye was recorded as a dropped transport");
  }
  // The application closes without us. It fails where a listener throws, so the clients end the rest.
  await io.close().catch(() => {});
  for (const manager of managers) manager._close();
  await until(`nobody is counted, seed ${seed}`, () => {
    attachment.compare();
    return counted.size === 0;
  });
  attachment.detach();
  return { checks, sockets: people.size };
}

const totals = { checks: 0, sockets: 0, thrown: 0 };
for (let i = Number(first); i < Number(first) + Number(histories); i++) {
  try {
    const { checks, sockets } = await history(new Random(seed).fork(String(i)));
    totals.checks += checks;
    totals.sockets += sockets;
  } catch (error) {
    process.stderr.write(
      `seed ${seed}, history ${i}: ${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exit(1);
  }
}
process.stdout.write(`${JSON.stringify({ ...totals, thrown })}\n`);
process.exit(0);
