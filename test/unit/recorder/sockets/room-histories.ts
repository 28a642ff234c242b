/**
 * Random histories of rooms on a real Socket.IO server with real clients: sockets come, join, are joined, leave, drop, recover and change
 * their users, over several namespaces. In a quiet history nothing is thrown or removed, and after each step what is recorded equals
 * `socket.rooms` of all open sockets, without a heartbeat; in a loud one it does after each heartbeat.
 *
 *   node test/unit/recorder/sockets/room-histories.ts SEED HISTORIES [FIRST]
 *
 * A process of its own, because listeners that throw reach `uncaughtException`. Prints one line of JSON, the totals, or says what
 * was wrong, with the seed, and exits with 1.
 */
import { isDeepStrictEqual } from "node:util";
import { setImmediate as turn } from "node:timers/promises";
import type { Namespace, Socket } from "socket.io";
import { Manager, type Socket as Client } from "socket.io-client";
import { attach } from "../../../../src/recorder/socket-io.ts";
import { isOpen } from "../../../../src/recorder/sockets/level.ts";
import { startServer } from "../../../../rig/node.ts";
import { Random } from "../../../../rig/random.ts";
import { until, untilEqual } from "../../../../rig/until.ts";
import { adapterClassOf, Ledger, membersOf } from "./ledger.ts";

const [seed = "1", histories = "1", first = "0"] = process.argv.slice(2);
const STEPS = 60;
const BUG = "a bug of the application";
const NAMES = ["/", "/a", "/p-1", "/p-2"];
const ROOMS = ["a", "b", "c", "d", "1", 1, "a,b", "😀"] as string[];

const totals = { checks: 0, memberships: 0, sockets: 0, recovered: 0, thrown: 0, corrected: 0 };
process.on("uncaughtException", (error) => {
  if (error.message !== BUG) throw error;
  totals.thrown++;
});
const fail = (): never => {
  throw new Error(BUG);
};

interface Person {
  readonly client: Client;
  /** The server's latest socket. */
  socket: Socket | undefined;
}

async function history(random: Random): Promise<void> {
  const isLoud = random.chance(0.5);
  const { io, url } = await startServer({
    cleanupEmptyChildNamespaces: random.chance(0.5),
    connectionStateRecovery: { skipMiddlewares: random.chance(0.5) },
  });
  const ledger = new Ledger();
  const people = new Map<string, Person>();
  /** Under whom each socket is to be counted; absent: nobody knows yet. */
  const users = new WeakMap<Socket, string>();
  const sockets = new Set<Socket>();
  const later: (() => void)[] = [];
  const problems: string[] = [];

  const seen = (socket: Socket) => {
    sockets.add(socket);
    people.get(socket.handshake.auth["who"] as string)!.socket = socket;
    // Restored, or joined in a middleware.
    if (socket.recovered) totals.recovered++;
  };
  /** Of a recovered one that skips the middlewares while a listener throws, nobody has heard. */
  const look = () => {
    for (const { sockets: all } of io._nsps.values())
      for (const socket of all.values()) if (!sockets.has(socket)) seen(socket);
  };
  const watch = (namespace: Namespace) => {
    namespace.use((socket, next) => {
      seen(socket);
      if (random.chance(0.3)) void socket.join(random.pick(ROOMS));
      const way = random.next();
      if (way < 0.1) next(new Error("refused"));
      else if (way < 0.2) later.push(next);
      else if (way > 0.03 + 0.17) next();
    });
    // Recovery may skip the middleware.
    namespace.on("connection", (socket) => {
      seen(socket);
      if (random.chance(0.3)) void socket.join(random.pick(ROOMS));
    });
  };
  for (const name of ["/", "/a"]) watch(io.of(name));
  io.of(/^\/p-\d$/);
  io.on("new_namespace", watch);

  const attachment = attach({
    io,
    user(socket) {
      const user = random.pick(["", "alice", "bob", "carol"]);
      const known = () => void users.set(socket, user);
      if (random.chance(0.6)) {
        known();
        return user || null;
      }
      return new Promise((resolve) =>
        later.push(() => {
          if (!users.has(socket)) known();
          resolve(user || null);
        }),
      );
    },
    namespaces: [() => true],
    rooms: { rooms: true, changes: [] },
    ...ledger.counts,
    onError: ({ message, cause }) => problems.push(`${message} ${String(cause)}`),
    logger: {
      info() {},
      warn(line) {
        if (!isLoud) problems.push(line);
        totals.corrected++;
      },
    },
    // Compared here.
    heartbeat: 3_600_000,
  });

  const managers: Manager[] = [];
  const come = () => {
    if (managers.length === 0 || random.chance(0.5))
      managers.push(new Manager(url, { transports: ["websocket"], reconnection: false }));
    const who = `p${people.size}`;
    const client = random.pick(managers).socket(random.pick(NAMES), { auth: { who } });
    // A manager has one socket a namespace.
    if ([...people.values()].some((person) => person.client === client)) return;
    people.set(who, { client, socket: undefined });
  };
  const alive = () => [...sockets].filter((socket) => isOpen(socket) && socket.nsp.sockets.has(socket.id));

  type Act = (socket: Socket, client: Client) => unknown;
  const some = () => Array.from({ length: random.int(1, 4) }, () => random.pick(ROOMS));
  const quiet: readonly Act[] = [
    (socket) => socket.join(some()),
    (socket) => socket.join(some()),
    (socket) => socket.join(some()),
    (socket) => socket.leave(random.pick(ROOMS)),
    (socket) => socket.leave(random.pick([...socket.rooms])),
    (socket) => socket["leaveAll"](),
    (socket) => socket.join(random.pick(alive()).id),
    ({ nsp }) => nsp.socketsJoin(some()),
    ({ nsp }) => nsp.in(random.pick(ROOMS)).socketsJoin(some()),
    ({ nsp }) => nsp.in(random.pick(ROOMS)).socketsLeave(some()),
    ({ nsp }) => nsp.in(random.pick(ROOMS)).disconnectSockets(random.chance(0.5)),
    (socket) => socket.disconnect(random.chance(0.5)),
    (_, client) => client.disconnect(),
    (socket) => socket.once("disconnecting", () => void socket.join("late")),
    (socket) => socket.emit("an offset"),
    (socket, client) => {
      socket.emit("an offset");
      client.io.engine.close();
    },
    (_, client) => client.connect(),
    (socket) => {
      const user = random.pick(["", "alice", "dan"]);
      users.set(socket, user);
      attachment.identify(socket, user || null);
    },
    // New sockets get a new adapter, those that are there keep theirs.
    () => random.chance(0.1) && io.adapter(class extends adapterClassOf(io) {}),
  ];
  const loud: readonly Act[] = [
    (socket) => socket.removeAllListeners(),
    (socket) => socket.on("disconnecting", fail),
    (socket) => socket.on("disconnect", fail),
    ({ nsp }) => nsp.adapter.once("leave-room", fail),
    ({ nsp }) => nsp.adapter.once("join-room", fail),
    ({ nsp }) => nsp.adapter.prependOnceListener("join-room", fail),
    ({ nsp }) => nsp.adapter.once("create-room", fail),
    ({ nsp }) => nsp.adapter.removeAllListeners(),
    ({ nsp }) => nsp.prependListener("connection", () => random.chance(0.3) && fail()),
  ];

  /**
   * The memberships of the sockets that are open, as Socket.IO has them. Where a listener has thrown it keeps sockets as open that have
   * gone: these may count, or not, so there is a least and a most.
   */
  const wrong = () => {
    look();
    const open = [...sockets].filter((socket) => isOpen(socket));
    const most = membersOf(open, (socket) => users.get(socket));
    const least = isLoud
      ? membersOf(
          open.filter((socket) =>
            [...people.values()].some((one) => one.socket === socket && one.client.connected),
          ),
          (socket) => users.get(socket),
        )
      : most;
    const { members } = ledger;
    if (isLoud)
      return [...new Set([...Object.keys(least), ...Object.keys(members)])]
        .map((key) => ({ key, is: members[key] ?? 0, least: least[key] ?? 0, most: most[key] ?? 0 }))
        .filter((one) => one.is < one.least || one.is > one.most);
    return isDeepStrictEqual(members, most) ? [] : [{ recorded: members, right: most }];
  };

  const act = () => {
    if (random.chance(0.25)) return come();
    const open = alive();
    const socket = open.length > 0 ? random.pick(open) : undefined;
    const person = [...people.values()].find((one) => one.socket === socket) ?? [...people.values()][0];
    if (socket === undefined || person === undefined) return come();
    try {
      void random.pick(isLoud && random.chance(0.2) ? loud : quiet)(socket, person.client);
    } catch (error) {
      if ((error as Error).message !== BUG) throw error;
      totals.thrown++;
    }
  };

  for (let step = 0; step < STEPS; step++) {
    for (let n = random.int(1, 4); n > 0; n--) act();
    if (random.chance(0.3)) later.splice(random.int(0, later.length), 1)[0]?.();
    for (let n = random.int(1, 10); n > 0; n--) {
      await turn();
      if (!isLoud && wrong().length > 0) throw new Error(`after step ${step}: ${JSON.stringify(wrong())}`);
    }
    if (isLoud)
      await untilEqual(async () => {
        attachment.compare();
        await turn();
        return wrong();
      }, []);
    totals.checks++;
    totals.memberships += Object.values(ledger.members).reduce((sum, count) => sum + count, 0);
    if (problems.length > 0) throw new Error(problems.join("; "));
  }
  if (!isLoud) attachment.compare();
  if (problems.length > 0) throw new Error(problems.join("; "));
  totals.sockets += sockets.size;
  await io.close().catch(() => {});
  for (const manager of managers) manager._close();
  await until("nobody is counted", () => {
    attachment.compare();
    return Object.keys(ledger.members).length === 0 && Object.keys(ledger.sockets).length === 0;
  });
  attachment.detach();
}

for (let i = Number(first); i < Number(first) + Number(histories); i++) {
  try {
    await history(new Random(seed).fork(String(i)));
  } catch (error) {
    process.stderr.write(
      `node test/unit/recorder/sockets/room-histories.ts ${seed} 1 ${i}\n` +
        `${error instanceof Error ? error.stack : String(error)}\n`,
    );
    process.exit(1);
  }
}
process.stdout.write(`${JSON.stringify(totals)}\n`);
process.exit(0);
