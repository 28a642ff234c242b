/**
 * Goal: a recorder in another language and ours share one prefix: in every stage the counts are exact, and what listeners were
 * told adds up to who is present (INV-3, INV-13).
 * Method: the recorder in Python, driven over the lines of docs/conformance.md, and Socket.IO servers in this process, one of
 * which stays and listens all the time; real clients, SIGKILL, FLUSHALL.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type RedisServer, startRedis } from "../../rig/redis.ts";
import { connect, startNode, type TestNode } from "../../rig/node.ts";
import { untilEqual } from "../../rig/until.ts";
import { writeScript } from "../../scripts/write-script.ts";

const root = join(import.meta.dirname, "../..");
const hasPython = spawnSync("python3", ["--version"]).status === 0;
if (!hasPython) process.stderr.write("python3 IS MISSING: a cluster of two languages is NOT TESTED.\n");

/** Long enough for a node on a busy machine to keep it, and short enough to wait for. */
const TTL_MS = 4_000;
const GRACE_MS = 200;

let server: RedisServer;
let redis: Redis;
let directory: string;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  directory = await mkdtemp(join(tmpdir(), "rollcall-mixed-"));
  writeScript(directory);
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  redis.disconnect();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Python {
  /** One line to its standard input. */
  say(line: object): void;
  kill(): Promise<void>;
}

function startPython(prefix: string, shards: number): Python {
  const child = spawn("python3", [join(root, "examples/python/rollcall_recorder.py")], {
    env: { ...process.env, ROLLCALL_SCRIPT: join(directory, "project.lua") },
    stdio: ["pipe", "ignore", "inherit"],
  });
  children.add(child);
  const gone = once(child, "exit");
  const say = (line: object) => void child.stdin.write(`${JSON.stringify(line)}\n`);
  const settings = { redis: server.url, prefix, ttl: TTL_MS, heartbeat: TTL_MS / 3, grace: GRACE_MS, shards };
  say({ open: settings });
  return {
    say,
    async kill() {
      child.kill("SIGKILL");
      await gone;
    },
  };
}

it.runIf(hasPython).each([1, 3])(
  "INV-3, INV-13: a node in Python and nodes of ours agree in every stage, %i shard(s)",
  { timeout: 120_000 },
  async (shards) => {
    const prefix = `mixed${shards}`;
    const options = { redis: server.url, prefix, shards, ttl: TTL_MS, grace: GRACE_MS };
    /** Sockets by user, as their owners have them. */
    const truth = new Map<string, number>();
    const add = (user: string, n: number) => truth.set(user, (truth.get(user) ?? 0) + n);
    const came = (...users: string[]) => users.forEach((user) => add(user, 1));
    const went = (...users: string[]) => users.forEach((user) => add(user, -1));

    const stays = await startNode(options);
    let python = startPython(prefix, shards);
    let other = await startNode(options);
    let ours = [stays, other];

    async function agrees(stage: string): Promise<void> {
      const open = [...truth].filter(([, n]) => n > 0).sort(([a], [b]) => (a < b ? -1 : 1));
      const users = open.map(([user]) => user);
      const sum = (node: TestNode) => {
        const online = new Set<string>();
        for (const { user, type } of node.changes) {
          if (online.has(user) === (type === "online")) return `${user} was told ${type} twice`;
          if (type === "online") online.add(user);
          else online.delete(user);
        }
        return [...online].sort();
      };
      await untilEqual(async () => {
        const { users: n, sockets } = await stays.presence.counts();
        const listed: [string, number][] = [];
        for await (const user of stays.presence.users()) listed.push([user.id, user.sockets]);
        const mirrors = ours.map(({ presence }) => presence.mirror.size);
        listed.sort(([a], [b]) => (a < b ? -1 : 1));
        return [stage, n, sockets, listed, sum(stays), mirrors];
      }, [
        stage,
        users.length,
        open.reduce((all, [, n]) => all + n, 0),
        open,
        users,
        ours.map(() => users.length),
      ]);
    }
    await agrees("nobody is there");

    const clients = [await connect(stays.url, "ann"), await connect(other.url, "bob")];
    python.say({ connect: "bob", socket: 1 });
    python.say({ connect: "cleo", socket: 2 });
    python.say({ connect: "dan", socket: 3 });
    came("ann", "bob", "bob", "cleo", "dan");
    await agrees("users on both, one of them on both");

    python.say({ disconnect: 3, how: "leave" });
    python.say({ disconnect: 1, how: "disconnect" });
    clients.push(await connect(stays.url, "cleo"));
    went("dan", "bob");
    came("cleo");
    await agrees("some left the node in Python");

    await python.kill();
    went("cleo");
    await agrees("the node in Python was killed");

    python = startPython(prefix, shards);
    python.say({ connect: "eve", socket: 1 });
    python.say({ connect: "cleo", socket: 2 });
    came("eve", "cleo");
    await agrees("it is back with others");

    await other.close();
    ours = [stays];
    went("bob");
    await agrees("the second node of ours closed");

    other = await startNode(options);
    ours = [stays, other];
    clients.push(await connect(other.url, "fay"), await connect(other.url, "eve"));
    came("fay", "eve");
    await agrees("and is back");

    const told = stays.changes.length;
    await redis.flushdb();
    await agrees("all was lost, and everybody registered again");
    expect(stays.changes.slice(told)).toEqual([]);

    python.say({ connect: "gil", socket: 3 });
    python.say({ disconnect: 2, how: "leave" });
    clients[0]!.disconnect();
    came("gil");
    went("cleo", "ann");
    await agrees("after that they come and go as before");

    python.say({ close: true });
    for (const client of clients) client.disconnect();
    truth.clear();
    await agrees("everybody left");
    expect(stays.errors.filter(({ code }) => code !== "REDIS_UNAVAILABLE")).toEqual([]);
    await other.close();
    await stays.close();
  },
);
