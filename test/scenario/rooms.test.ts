/**
 * Goal: every room and namespace, on three nodes, has exactly those in it who say so themselves, whatever happens to nodes, connections and
 * Redis, and within the same bounds as the whole (INV-16, INV-3).
 * Method: real processes with @socket.io/redis-adapter that are killed, stopped and drained; 60 users and some anonymous sockets in 30
 * rooms of 3 namespaces; random joins, leaves, drops and moves from other nodes. The clients are the truth. ROOMS_SEED repeats a history.
 */
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { keysOf } from "../../src/core/keys.ts";
import { partsOf, scopeOf } from "../../src/core/scope.ts";
import { createReader, type ClosableReader, PresenceError } from "../../src/index.ts";
import { Random } from "../../rig/random.ts";
import { type RedisServer, startRedis } from "../../rig/redis.ts";
import { killed, type RoomsNode, startRoomsNode, Tab, truthOf } from "../../rig/rooms-crowd.ts";
import type { Move } from "../../rig/rooms-process.ts";
import { UNTIL_MS, until, untilEqual } from "../../rig/until.ts";

const SEED = process.env["ROOMS_SEED"] ?? String(Math.floor(Math.random() * 2 ** 31));
const AGAIN = `ROOMS_SEED=${SEED} npx vitest run test/scenario/rooms.test.ts`;
process.stderr.write(`${AGAIN}\n`);

/** Longer than a busy machine may delay a live node, which would otherwise be reaped too. */
const TTL_MS = 4_000;
const GRACE_MS = 300;
/** More than a projector sleeps past a deadline. */
const INTERVAL_MS = 500;
const NAMESPACES = ["/", "/chat", "/game"] as const;
const ROOMS = Array.from({ length: 10 }, (_, i) => `r${i}`);
const SCOPES = NAMESPACES.flatMap((name) => [name, ...ROOMS.map((room) => scopeOf(name, room))]);
const FOLLOWED = [
  { namespace: "/", room: "r0" },
  { namespace: "/chat", room: "r1" },
];
const USERS = 60;
const ANONYMOUS = 6;
/** Acts between two looks, and how many of them at a time. */
const ACTS = 24;
const AT_ONCE = 8;

let server: RedisServer;
let redis: Redis;
let reader: ClosableReader;
let nodes: RoomsNode[] = [];
let tabs: Tab[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
afterEach(async () => {
  for (const tab of tabs) tab.go();
  await Promise.all(nodes.map(killed));
  nodes = [];
  tabs = [];
  reader.close();
});

/**
 * Users in a scope of a shard who are not in `users`, in one instant. Who is there only by processes that have ended is about to go: they are
 * taken out of `users` first.
 */
const STRANGERS = `
local ended = {}
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1] .. ':processes', 0, 0)) do ended[member:match('^(%d+):')] = true end
local found = {}
for _, scope in ipairs(redis.call('ZRANGE', KEYS[1] .. ':scopes', 0, -1)) do
  local all = redis.call('HGETALL', KEYS[1] .. ':scope:' .. scope)
  for i = 1, #all, 2 do
    if all[i] ~= '' and redis.call('HEXISTS', KEYS[1] .. ':users', all[i]) == 0 then
      for slot in all[i + 1]:gmatch('[^,]+') do
        if not ended[slot:match('^%d+')] then found[#found + 1] = scope .. ' ' .. all[i] .. ' ' .. all[i + 1] break end
      end
    end
  end
end
return found`;

/** Looks for users in rooms who are not in the whole, until it is ended. Returns what it found, and how often it looked. */
function watch(tags: readonly string[]) {
  const strangers: string[] = [];
  let looks = 0;
  const stop = new AbortController();
  /** By the reader's answers, which are of several instants: the same twice in turn is one. */
  let suspects = new Set<string>();
  const running = (async () => {
    while (!stop.signal.aborted) {
      for (const tag of tags) strangers.push(...((await redis.eval(STRANGERS, 1, tag)) as string[]));
      const room = scopeOf(NAMESPACES[looks % 3]!, ROOMS[looks % ROOMS.length]);
      const whole = async () => (await reader.usersList()).users.map(({ id }) => id);
      const before = await whole();
      // Nothing is tracked from FLUSHALL until the first process has registered again.
      const inRoom = await scopeReader(room).usersList().catch(untracked);
      const known = new Set([...before, ...(await whole())]);
      const found = inRoom.users.filter(({ id }) => !known.has(id)).map(({ id }) => `${room} ${id}`);
      strangers.push(...found.filter((one) => suspects.has(one)).map((one) => `${one} (answer)`));
      suspects = new Set(found);
      looks++;
      await pause(50);
    }
  })();
  // Awaited at the end.
  running.catch(() => {});
  return {
    async end() {
      stop.abort();
      await running;
      return { strangers, looks };
    },
  };
}

function untracked(error: unknown): { users: { id: string }[] } {
  if (error instanceof PresenceError && error.code === "SCOPE_UNTRACKED") return { users: [] };
  throw error;
}

function scopeReader(scope: string) {
  const { namespace, room } = partsOf(scope);
  const own = reader.of(namespace);
  return room === undefined ? own : own.in(room);
}

it.each([1, 3])(
  `INV-16, INV-3: every room of three nodes has who says to be in it, whatever happens, %i shard(s), seed ${SEED}`,
  { timeout: 240_000 },
  async (shards) => {
    const random = new Random(`${SEED}/${shards}`);
    const prefix = `rooms${shards}`;
    const options = { redis: server.url, prefix, shards, ttl: TTL_MS, grace: GRACE_MS };
    const nodeOptions = { ...options, namespaces: NAMESPACES, follow: FOLLOWED };
    reader = createReader({ redis: server.url, prefix, shards });
    const start = () => startRoomsNode(nodeOptions);
    nodes = await Promise.all([start(), start(), start()]);
    /** By node and followed room, who was in it when the node began to listen. */
    const base = new Map<RoomsNode, ReturnType<typeof truthOf>>(
      nodes.map((node) => [node, truthOf([], SCOPES)]),
    );
    let moves = 0;
    const live = () => nodes.filter((node) => !node.isAway);

    /** The counts of all scopes in one answer, and each scope by the methods of its own reader. */
    async function agrees(stage: string): Promise<void> {
      const from = performance.now();
      const truth = truthOf(tabs, SCOPES);
      const { users, sockets } = truth.get("")!;
      const whole = async () => {
        const counts = await reader.counts();
        const list = await reader.usersList();
        return [stage, counts.users, counts.sockets, list.users.map(({ id }) => id).sort()];
      };
      await untilEqual(whole, [stage, users.length, sockets, users]);
      const took = performance.now() - from;
      // Right as soon as the whole is, or in its bound.
      const limit = Math.max(TTL_MS + GRACE_MS + INTERVAL_MS - took, INTERVAL_MS);
      const counted = SCOPES.map((scope) => {
        const { users, sockets } = truth.get(scope)!;
        return `${scope} ${users.length} ${sockets}`;
      });
      await untilEqual(
        async () => {
          const { scopes } = await reader.countsIn(SCOPES.map((scope) => ({ ...partsOf(scope) })));
          const counts = scopes.map(({ users, sockets }, i) => `${SCOPES[i]} ${users} ${sockets}`);
          return [stage, counts.filter((line, i) => line !== counted[i])];
        },
        [stage, []],
        { timeout: limit },
      );
      const said = async (scope: string) => {
        const own = scopeReader(scope);
        const [counts, list] = await Promise.all([own.counts(), own.usersList()]);
        return [scope, counts.users, counts.sockets, list.users.map(({ id }) => id).sort()];
      };
      const expected = SCOPES.map((scope) => {
        const { users, sockets } = truth.get(scope)!;
        return JSON.stringify([scope, users.length, sockets, users]);
      });
      await untilEqual(
        async () => {
          const answers = await Promise.all(SCOPES.map(said));
          return [stage, answers.filter((answer, i) => JSON.stringify(answer) !== expected[i])];
        },
        [stage, []],
        { timeout: limit },
      );
      const ms = Math.round(took);
      process.stderr.write(
        `${stage}: the whole after ${ms} ms, rooms ${Math.round(performance.now() - from) - ms} ms later\n`,
      );
      await follows(stage);
    }

    /** The events that each node had of each followed room add up to who is in it. */
    async function follows(stage: string): Promise<void> {
      const truth = truthOf(tabs, SCOPES);
      for (const [i, node] of live().entries())
        for (const { namespace, room } of FOLLOWED) {
          const scope = scopeOf(namespace, room);
          const sum = () => {
            const inside = new Set(base.get(node)!.get(scope)!.users);
            for (const line of node.moved) {
              const [own, told, cause] = line.split(" ") as [string, string, string];
              if (own !== scope) continue;
              const user = told.slice(1);
              if (inside.has(user) === told.startsWith("+")) return `${told} ${cause} was told twice`;
              if (told.startsWith("+")) inside.add(user);
              else inside.delete(user);
            }
            return [...inside].sort();
          };
          await untilEqual(() => [stage, i, scope, sum()], [stage, i, scope, truth.get(scope)!.users]);
        }
    }

    async function one(tab: Tab): Promise<void> {
      if (!tab.isConnected) return tab.come(random.pick(live()));
      const [room] = tab.rooms.size > 0 ? [random.pick([...tab.rooms])] : [];
      const dice = random.next();
      if (dice < 0.45 || (room === undefined && dice < 0.75)) return tab.join(random.pick(ROOMS));
      if (dice < 0.75) return tab.leave(room!);
      if (dice < 0.88) {
        tab.drop();
        if (random.chance(0.7)) await tab.come(random.pick(live()));
      } else tab.go();
    }

    /** Another node moves all who are in a room, those of a stopped one too, which get to know it when it runs. */
    async function moveSome(): Promise<void> {
      const [room, other] = [random.pick(ROOMS), random.pick(ROOMS)];
      const how = random.chance(0.6) ? { into: other } : { outOf: other };
      const move: Move = { id: ++moves, namespace: random.pick(NAMESPACES), room, ...how };
      const concerned = tabs.filter(
        (tab) => tab.isConnected && tab.namespace === move.namespace && tab.rooms.has(room),
      );
      random.pick(live()).child.send(move);
      for (const tab of concerned) tab.move(move);
      await arrived();
      await Promise.all(concerned.filter(({ node }) => !node!.isAway).map((tab) => tab.check()));
    }

    /** All nodes that run have received all moves. */
    async function arrived(): Promise<void> {
      await until("moves have arrived", () => live().every((node) => node.arrived >= moves));
    }

    async function burst(): Promise<void> {
      for (let done = 0; done < ACTS; done += AT_ONCE) {
        const able = tabs.filter(({ node }) => node?.isAway !== true);
        const some = new Set(Array.from({ length: AT_ONCE }, () => random.pick(able)));
        await Promise.all([...some].map(one));
        await moveSome();
      }
    }

    /** Those whose node is gone go elsewhere. */
    async function move(from: RoomsNode): Promise<void> {
      from.isAway = true;
      const lost = tabs.filter(({ node }) => node === from);
      await Promise.all(
        lost.map(async (tab) => {
          await tab.lost();
          if (random.chance(0.8)) await tab.come(random.pick(live()));
        }),
      );
    }

    async function replace(gone: RoomsNode): Promise<void> {
      const node = await start();
      node.arrived = moves;
      nodes[nodes.indexOf(gone)] = node;
      base.set(node, truthOf(tabs, SCOPES));
    }

    const faults: Record<string, () => Promise<void>> = {
      async SIGKILL() {
        const node = random.pick(nodes);
        await killed(node);
        await move(node);
        await burst();
        await agrees("after SIGKILL");
        await replace(node);
      },
      async SIGSTOP() {
        const node = random.pick(nodes);
        node.child.kill("SIGSTOP");
        node.isAway = true;
        await burst();
        await agrees("with one stopped beyond its lease");
        node.child.kill("SIGCONT");
        node.isAway = false;
        await arrived();
        await Promise.all(tabs.filter((tab) => tab.node === node).map((tab) => tab.check()));
      },
      async drain() {
        const node = random.pick(nodes);
        node.child.send("drain");
        await move(node);
        await burst();
        await agrees("after a drain");
        await replace(node);
      },
      async FLUSHALL() {
        await Promise.all([burst(), redis.flushdb()]);
      },
    };

    // One tab in the main namespace each, more elsewhere.
    tabs = Array.from({ length: USERS }, (_, i) => new Tab(`u${i}`, "/"));
    for (let i = 0; i < USERS / 2; i++) tabs.push(new Tab(`u${i}`, random.pick(NAMESPACES)));
    for (let i = 0; i < ANONYMOUS; i++) tabs.push(new Tab(undefined, random.pick(NAMESPACES)));
    for (let i = 0; i < tabs.length; i += AT_ONCE)
      await Promise.all(
        tabs.slice(i, i + AT_ONCE).map((tab) => {
          const rooms = new Set(Array.from({ length: random.int(0, 4) }, () => random.pick(ROOMS)));
          return tab.come(random.pick(nodes), rooms);
        }),
      );
    const tags = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).tag);
    const watching = watch(tags);
    await agrees("all came");
    await burst();
    await agrees("after random acts");
    const order = Object.keys(faults)
      .map((name) => ({ name, place: random.next() }))
      .sort((a, b) => a.place - b.place);
    for (const { name } of order) {
      await faults[name]!();
      await agrees(`when ${name} is over`);
      await burst();
      await agrees(`after random acts after ${name}`);
    }

    for (const tab of tabs) tab.go();
    await agrees("all left");
    const { strangers, looks } = await watching.end();
    expect(strangers).toEqual([]);
    expect(looks).toBeGreaterThan(10);
    expect(nodes.flatMap(({ errors }) => errors)).toEqual([]);
    expect(nodes.flatMap(({ gaps }) => gaps)).toEqual([]);
    const allowed = /:(?:told|moves)$/;
    await until(
      "Redis has no scope left",
      async () => {
        const left = await Promise.all(tags.map((tag) => redis.keys(`${tag}:*`)));
        const scopes = left.flat().filter((key) => /:(?:scopes?|linger(?:ing|ers)|told|moves)\b/.test(key));
        return scopes.every((key) => allowed.test(key)) || null;
      },
      { timeout: UNTIL_MS },
    );
    expect(await Promise.all(tags.map((tag) => redis.scard(`${tag}:told`)))).toEqual(tags.map(() => 0));
  },
);
