/**
 * Goal: three nodes, each a process of its own, agree with the clients about who is there, whatever happens to a node.
 * Method: real processes that are killed, stopped and drained by signals; real clients; the truth is asked of the clients.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createProjector, createReader, type ClosableReader } from "../../src/index.ts";
import { startRedis, type RedisServer } from "../../packages/local-redis/src/index.ts";
import { connect } from "../../rig/node.ts";
import { until, untilEqual } from "../../rig/until.ts";

const TTL_MS = 1_500;
/** How late a projector that sleeps until a deadline can be on a busy machine, ms. */
const INTERVAL_MS = 1_000;

interface NodeProcess {
  readonly child: ChildProcess;
  readonly url: string;
  readonly heard: string[];
  readonly errors: string[];
}

let server: RedisServer;
let reader: ClosableReader;
let prefix: string;
let prefixes = 0;
const children = new Set<ChildProcess>();
const clients = new Set<ClientSocket>();

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
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
      NODE_OPTIONS_JSON: JSON.stringify({ redis: server.url, prefix, ttl: TTL_MS, ...options }),
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

function startThree(
  options: { shards?: number; grace?: number; project?: boolean } = {},
): Promise<NodeProcess[]> {
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

async function agrees(timeout: number): Promise<void> {
  await untilEqual(
    async () => {
      const { users, sockets } = await reader.counts();
      return { said: { users, sockets }, truth: truth() };
    },
    { said: truth(), truth: truth() },
    { timeout },
  );
}

const sorted = (lines: readonly string[]) => [...lines].sort();

describe.each([{ shards: 1 }, { shards: 4 }])("three nodes, $shards shard(s)", ({ shards }) => {
  it("INV-3: agree with the clients, and each hears each change exactly once", async () => {
    const nodes = await startThree({ shards });
    await populate(nodes, 12, 3);
    await agrees(5_000);
    const came = Array.from({ length: 12 }, (_, i) => `+u${i} connect`);
    for (const node of nodes) await untilEqual(() => sorted(node.heard), sorted(came));

    // Two of three tabs of everybody: nobody goes.
    const all = [...clients];
    for (const [i, client] of all.entries()) if (i % 3 !== 0) client.disconnect();
    await agrees(5_000);
    for (const client of all) client.disconnect();
    await agrees(5_000);
    const went = Array.from({ length: 12 }, (_, i) => `-u${i} leave`);
    for (const node of nodes) await untilEqual(() => sorted(node.heard), sorted([...came, ...went]));
  });

  it("INV-5: a node killed with SIGKILL is healed within ttl plus one interval, and the others hear who went", async () => {
    const nodes = await startThree({ shards });
    await populate(nodes, 9, 1);
    await agrees(5_000);
    nodes[0]!.child.kill("SIGKILL");
    const began = performance.now();
    await until("its clients noticed", () => truth().sockets === 6);
    await agrees(TTL_MS + INTERVAL_MS + 1_000);
    expect(performance.now() - began).toBeLessThan(TTL_MS + INTERVAL_MS);
    for (const node of nodes.slice(1)) {
      await untilEqual(
        () => sorted(node.heard.filter((line) => line.startsWith("-"))),
        ["-u0 reap", "-u3 reap", "-u6 reap"],
      );
    }
    expect((await reader.processes()).processes.length).toBe(2);
  });

  it("a node drained gracefully is gone at once, long before its lease would run out", async () => {
    const nodes = await startThree({ shards });
    await populate(nodes, 9, 1);
    await agrees(5_000);
    const began = performance.now();
    nodes[0]!.child.send("drain");
    await until("its clients noticed", () => truth().sockets === 6);
    await agrees(5_000);
    expect(performance.now() - began).toBeLessThan(TTL_MS);
    for (const node of nodes.slice(1)) {
      await untilEqual(
        () => sorted(node.heard.filter((line) => line.startsWith("-"))),
        ["-u0 bye", "-u3 bye", "-u6 bye"],
      );
    }
  });

  it("INV-6: a node stopped beyond its lease is reaped, and registers afresh by itself when it goes on", async () => {
    const nodes = await startThree({ shards });
    await populate(nodes, 9, 1);
    await agrees(5_000);
    nodes[0]!.child.kill("SIGSTOP");
    await untilEqual(async () => (await reader.counts()).users, 6, { timeout: TTL_MS + INTERVAL_MS + 2_000 });
    nodes[0]!.child.kill("SIGCONT");
    await agrees(5_000);
    expect(truth()).toEqual({ users: 9, sockets: 9 });
    const flaps = ["+u0 connect", "+u3 connect", "+u6 connect", "-u0 reap", "-u3 reap", "-u6 reap"];
    await untilEqual(() => sorted(nodes[1]!.heard.slice(9)), flaps);
    for (const client of clients) client.disconnect();
    await agrees(5_000);
  });
});

it("two projectors and sweeps at once fold everything exactly once, the nodes projecting nothing", async () => {
  const nodes = await startThree({ shards: 4, project: false });
  const projectors = [0, 1].map(() => createProjector({ redis: server.url, prefix, shards: 4 }));
  const stop = new AbortController();
  const running = projectors.map((projector) => projector.run({ signal: stop.signal }));
  const sweeping = (async () => {
    while (!stop.signal.aborted) await projectors[0]!.sweep();
  })();
  await populate(nodes, 20, 2);
  await agrees(5_000);
  const all = [...clients];
  for (const client of all.slice(0, 20)) client.disconnect();
  nodes[0]!.child.kill("SIGKILL");
  // Client number i*2+tab is on node (i+tab) mod 3.
  const onFirst = all.filter((_, n) => (Math.floor(n / 2) + (n % 2)) % 3 === 0);
  await until("its clients noticed", () => onFirst.every((client) => !client.connected));
  await agrees(TTL_MS + INTERVAL_MS + 4_000);
  for (const client of all) client.disconnect();
  await agrees(5_000);
  stop.abort();
  await Promise.all([...running, sweeping]);
  const came = nodes[1]!.heard.filter((line) => line.startsWith("+")).length;
  const went = nodes[1]!.heard.filter((line) => line.startsWith("-")).length;
  expect(came).toBeGreaterThanOrEqual(20);
  await untilEqual(() => nodes[1]!.heard.filter((line) => line.startsWith("-")).length, came);
  expect(went).toBeGreaterThan(0);
  expect(sorted(nodes[2]!.heard)).toEqual(sorted(nodes[1]!.heard));
  await Promise.all(projectors.map((projector) => projector.close()));
});
