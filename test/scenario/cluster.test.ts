/**
 * Goal: three nodes, each its own process, agree with the clients about who is present, whatever happens to a node.
 * Method: real processes that are killed, stopped and drained by signals; real clients, which report the truth.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Change, decodeChanges } from "../../src/core/change.ts";
import { keysOf } from "../../src/core/keys.ts";
import { createProjector, createReader, type ClosableReader } from "../../src/index.ts";
import { startRedis, type RedisServer } from "../../rig/redis.ts";
import { connect } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";

/**
 * The lease where one has to expire: longer than a busy machine may delay a live node, which would otherwise be reaped too.
 * Heartbeats are sent every third of it.
 */
const TTL_MS = 6_000;
/** Where the only node is killed: it has to last no longer than the test takes to see it. */
const SHORT_TTL_MS = 3_000;
/** How far a reader's idea of the clock of Redis may be off, and more than a projector sleeps past a deadline. */
const INTERVAL_MS = 500;
/** Where none may run out within the test: what is gone there has said goodbye. */
const LONG_TTL_MS = 300_000;

interface NodeProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly heard: string[];
  readonly errors: string[];
}

let server: RedisServer;
let redis: Redis;
let reader: ClosableReader;
let prefix: string;
let prefixes = 0;
const children = new Set<ChildProcess>();
const clients = new Set<ClientSocket>();

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  prefix = `cluster${prefixes++}`;
});
afterEach(async () => {
  for (const client of clients) client.disconnect();
  clients.clear();
  await Promise.all(
    [...children].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }),
  );
  children.clear();
  reader.close();
});

async function startProcess(options: object): Promise<NodeProcess> {
  const child = spawn(process.execPath, [new URL("../../rig/node-process.ts", import.meta.url).pathname], {
    env: {
      ...process.env,
      NODE_OPTIONS_JSON: JSON.stringify({ redis: server.url, prefix, ...options }),
    },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.add(child);
  const heard: string[] = [];
  const errors: string[] = [];
  const url = await new Promise<string>((resolve, reject) => {
    child.on("message", (message: { ready?: string; change?: string; error?: string }) => {
      if (message.ready !== undefined) resolve(message.ready);
      if (message.change !== undefined) heard.push(message.change);
      if (message.error !== undefined) errors.push(message.error);
    });
    child.once("exit", (code) => reject(new Error(`node ended with ${code}`)));
  });
  return { child, url, heard, errors };
}

function startThree(options: {
  ttl: number;
  shards?: number;
  grace?: number;
  project?: boolean;
}): Promise<NodeProcess[]> {
  reader = createReader({ redis: server.url, prefix, shards: options.shards ?? 1 });
  return Promise.all([0, 1, 2].map(() => startProcess(options)));
}

/** Users u0, u1 … with `each` sockets, spread over the nodes. */
async function populate(nodes: readonly NodeProcess[], users: number, each: number): Promise<void> {
  for (let i = 0; i < users; i++) {
    for (let tab = 0; tab < each; tab++)
      clients.add(await connect(nodes[(i + tab) % nodes.length]!.url, `u${i}`));
  }
}

/** What the clients themselves say: the truth. */
function truth(): { users: number; sockets: number } {
  const connected = [...clients].filter((client) => client.connected);
  return {
    users: new Set(connected.map((client) => (client.auth as { user: string }).user)).size,
    sockets: connected.length,
  };
}

async function agrees(): Promise<void> {
  await untilEqual(
    async () => {
      const { users, sockets } = await reader.counts();
      return { said: { users, sockets }, truth: truth() };
    },
    { said: truth(), truth: truth() },
  );
}

/** Redis's clock, ms. */
async function time(): Promise<number> {
  const [s, us] = await redis.time();
  return Number(s) * 1_000 + Math.floor(Number(us) / 1_000);
}

const sorted = (lines: readonly string[]) => [...lines].sort();

/** Every change there has been, as Redis has it. */
async function changes(shards: number): Promise<Change[]> {
  const streams = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards).changes);
  const entries = await Promise.all(streams.map((stream) => redis.xrange(stream, "-", "+")));
  return entries.flat().flatMap(([id, fields]) => decodeChanges(id, fields));
}

describe.each([{ shards: 1 }, { shards: 4 }])("three nodes, $shards shard(s)", ({ shards }) => {
  it("INV-3: agree with the clients, and each receives every change exactly once", async () => {
    const nodes = await startThree({ ttl: LONG_TTL_MS, shards });
    await populate(nodes, 12, 3);
    await agrees();
    const came = Array.from({ length: 12 }, (_, i) => `+u${i} connect`);
    for (const node of nodes) await untilEqual(() => sorted(node.heard), sorted(came));

    // Two of each user's three tabs close: no user goes offline.
    const all = [...clients];
    for (const [i, client] of all.entries()) if (i % 3 !== 0) client.disconnect();
    await agrees();
    for (const client of all) client.disconnect();
    await agrees();
    const went = Array.from({ length: 12 }, (_, i) => `-u${i} leave`);
    for (const node of nodes) await untilEqual(() => sorted(node.heard), sorted([...came, ...went]));
  });

  it("INV-5: a node killed with SIGKILL is reaped when its lease has expired, and the others receive the changes", async () => {
    const nodes = await startThree({ ttl: TTL_MS, shards });
    await populate(nodes, 9, 1);
    await agrees();
    const { child } = nodes[0]!;
    const { processes } = await reader.processes();
    const lease = processes.find(({ pid }) => pid === child.pid)!.leaseUntil!;
    child.kill("SIGKILL");
    await until("its clients noticed", () => truth().sockets === 6);
    await agrees();
    for (const node of nodes.slice(1)) {
      await untilEqual(
        () => sorted(node.heard.filter((line) => line.startsWith("-"))),
        ["-u0 reap", "-u3 reap", "-u6 reap"],
      );
    }
    // Not before. How soon after is a matter of the machine here, and of unit/lua/reap.test.ts on a clock of its own.
    for (const { type, at } of await changes(shards))
      if (type === "offline") expect(at.getTime()).toBeGreaterThanOrEqual(lease.getTime());
    expect((await reader.processes()).processes.length).toBe(2);
  });

  it("a node drained gracefully is gone without waiting for its lease", async () => {
    const nodes = await startThree({ ttl: LONG_TTL_MS, shards });
    await populate(nodes, 9, 1);
    await agrees();
    nodes[0]!.child.send("drain");
    await until("its clients noticed", () => truth().sockets === 6);
    await agrees();
    for (const node of nodes.slice(1)) {
      await untilEqual(
        () => sorted(node.heard.filter((line) => line.startsWith("-"))),
        ["-u0 bye", "-u3 bye", "-u6 bye"],
      );
    }
  });

  it("INV-6: a node stopped beyond its lease is reaped, and registers again by itself when it continues", async () => {
    const nodes = await startThree({ ttl: TTL_MS, shards });
    await populate(nodes, 9, 1);
    await agrees();
    const came = Array.from({ length: 9 }, (_, i) => `+u${i} connect`);
    await untilEqual(() => sorted(nodes[1]!.heard), came);
    nodes[0]!.child.kill("SIGSTOP");
    await untilEqual(async () => (await reader.counts()).users, 6);
    nodes[0]!.child.kill("SIGCONT");
    await agrees();
    expect(truth()).toEqual({ users: 9, sockets: 9 });
    const flaps = ["+u0 connect", "+u3 connect", "+u6 connect", "-u0 reap", "-u3 reap", "-u6 reap"];
    await untilEqual(() => sorted(nodes[1]!.heard.slice(9)), flaps);
    for (const client of clients) client.disconnect();
    await agrees();
  });
});

it.each([1, 3])(
  "INV-15: after SIGKILL of the only node nobody is online when its lease is over, although nobody projects, %i shard(s)",
  async (shards) => {
    reader = createReader({ redis: server.url, prefix, shards });
    const node = await startProcess({ ttl: SHORT_TTL_MS, shards });
    await populate([node], 6, 1);
    await agrees();
    const users = Array.from({ length: 6 }, (_, i) => `u${i}`);
    const ended = once(node.child, "exit");
    node.child.kill("SIGKILL");
    await ended;
    const keys = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
    // What it has appended and nobody has folded renews a lease too.
    const deadlines = keys.map(async ({ processes, records }) => {
      const leases = (await redis.zrange(processes, "0", "-1", "WITHSCORES")).filter((_, i) => i % 2 === 1);
      const left = (await redis.xrange(records, "-", "+")).map(
        ([id]) => Number.parseInt(id, 10) + SHORT_TTL_MS,
      );
      return Math.max(...leases.map(Number), ...left);
    });
    const leases = await Promise.all(deadlines);
    const first = Math.min(...leases);
    const last = Math.max(...leases);

    /** How many are online by isOnline() and by lookup(), and between which times of Redis that was asked. */
    async function ask() {
      const from = await time();
      const each = await Promise.all(users.map((user) => reader.isOnline(user)));
      const { users: found } = await reader.lookup(users);
      const online = [each.filter(Boolean).length, found.filter((user) => user.online).length];
      return { from, online, to: await time() };
    }
    const answers = [await ask()];
    while (answers.at(-1)!.from < last + INTERVAL_MS) {
      await pause(20);
      answers.push(await ask());
    }
    for (const { from, to, online } of answers) {
      if (to < first - INTERVAL_MS) expect(online).toEqual([6, 6]);
      if (from >= last + INTERVAL_MS) expect(online).toEqual([0, 0]);
    }
    const left = await Promise.all(keys.map((one) => redis.hlen(one.users)));
    // Nobody has taken them out: it is the reader that knows better.
    expect(left.reduce((all, n) => all + n, 0)).toBe(6);
    expect((await reader.counts()).users).toBe(6);
  },
);

it("INV-15: after SIGTERM of the last node its users are online for the grace and no longer, although nobody projects", async () => {
  reader = createReader({ redis: server.url, prefix, staleAfter: 500 });
  const node = await startProcess({ ttl: LONG_TTL_MS, grace: 1_500 });
  await populate([node], 6, 1);
  await agrees();
  const ended = once(node.child, "exit");
  node.child.kill("SIGTERM");
  await ended;
  const { leaving, users } = keysOf(prefix, 0, 1);
  const deadlines = (await redis.zrange(leaving, "0", "-1", "WITHSCORES")).filter((_, i) => i % 2 === 1);
  expect(deadlines.length).toBe(6);
  const [first, last] = [Math.min, Math.max].map((pick) => pick(...deadlines.map(Number)));
  const ids = Array.from({ length: 6 }, (_, i) => `u${i}`);
  const online = async () => (await Promise.all(ids.map((id) => reader.isOnline(id)))).filter(Boolean).length;
  for (;;) {
    const from = await time();
    const count = await online();
    if (count < 6) expect(await time()).toBeGreaterThan(first! - INTERVAL_MS);
    if (from >= last! + INTERVAL_MS) expect(count).toBe(0);
    if (count === 0) break;
    await pause(20);
  }
  // The totals are those of the last call, and say that they are old.
  await until("it is stale", async () => (await reader.counts()).asOf.stale);
  expect(await redis.hlen(users)).toBe(6);
}); // prettier-ignore

it("two projectors and a sweep fold everything exactly once while the nodes project nothing", async () => {
  const shards = 4;
  const nodes = await startThree({ ttl: TTL_MS, shards, project: false });
  const projectors = [0, 1].map(() => createProjector({ redis: server.url, prefix, shards }));
  const stop = new AbortController();
  const running = projectors.map((projector) => projector.run({ signal: stop.signal }));
  const sweeping = (async () => {
    while (!stop.signal.aborted) await projectors[0]!.sweep();
  })();
  await populate(nodes, 20, 2);
  await agrees();
  const all = [...clients];
  for (const client of all.slice(0, 20)) client.disconnect();
  nodes[0]!.child.kill("SIGKILL");
  // Client number i*2+tab is on node (i+tab) mod 3.
  const onFirst = all.filter((_, n) => (Math.floor(n / 2) + (n % 2)) % 3 === 0);
  await until("its clients noticed", () => onFirst.every((client) => !client.connected));
  await agrees();
  for (const client of all) client.disconnect();
  await agrees();
  stop.abort();
  await Promise.all([...running, sweeping]);
  // No socket is open and no projector runs: there will be no more changes.
  const told = (await changes(shards)).map(
    ({ type, user, cause }) => `${type === "online" ? "+" : "-"}${user} ${cause}`,
  );
  for (const sign of ["+", "-"]) {
    const users = told.filter((line) => line.startsWith(sign)).map((line) => line.split(" ")[0]!);
    expect(sorted(users)).toEqual(sorted(Array.from({ length: 20 }, (_, i) => `${sign}u${i}`)));
  }
  for (const node of nodes.slice(1)) await untilEqual(() => sorted(node.heard), sorted(told));
  await Promise.all(projectors.map((projector) => projector.close()));
});
