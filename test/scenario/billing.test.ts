/**
 * Goal: the last disconnect of a user is billed once, whatever crashes: one id a departure, none lost. And a receiver that fails a third of
 * the time gets everything, in order for each user (INV-14).
 * Method: real processes with several tabs a user, and a real receiver over HTTP. The process that is about to call is killed, then all of
 * them. What departed is read from `changes`. BILLING_CHANGES sets the number for the second test.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Redis } from "ioredis";
import type { Socket as ClientSocket } from "socket.io-client";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { decodeChanges } from "../../src/core/change.ts";
import { keysOf } from "../../src/core/keys.ts";
import { createSubscriber } from "../../src/index.ts";
import { connect } from "../../rig/node.ts";
import { Random } from "../../rig/random.ts";
import { startReceiver } from "../../rig/receiver.ts";
import { type RedisServer, startRedis } from "../../rig/redis.ts";
import { until, untilEqual } from "../../rig/until.ts";
import { Crowd } from "../unit/subscriber/support.ts";

const CHANGES = Number(process.env["BILLING_CHANGES"] ?? 1_500);
const TTL_MS = 3_000;
const PREFIX = "billing";

let server: RedisServer;
let redis: Redis;
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
afterEach(async () => {
  for (const client of clients) client.disconnect();
  clients.clear();
  await Promise.all([...children].map(killed));
});

async function killed(child: ChildProcess): Promise<void> {
  children.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

interface Node {
  readonly child: ChildProcess;
  readonly url: string;
}

async function startNode(billing: string): Promise<Node> {
  const options = { redis: server.url, prefix: PREFIX, ttl: TTL_MS, billing };
  const child = spawn(process.execPath, [new URL("../../rig/node-process.ts", import.meta.url).pathname], {
    env: { ...process.env, NODE_OPTIONS_JSON: JSON.stringify(options) },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  children.add(child);
  const url = await new Promise<string>((resolve, reject) => {
    child.on("message", (message: { ready?: string }) => {
      if (message.ready !== undefined) resolve(message.ready);
    });
    child.once("exit", (code) => reject(new Error(`node ended with ${code}`)));
  });
  return { child, url };
}

async function tabs(nodes: readonly Node[], user: string): Promise<ClientSocket[]> {
  const own: ClientSocket[] = [];
  for (const { url } of nodes) own.push(await connect(url, user));
  for (const tab of own) clients.add(tab);
  return own;
}

const keys = keysOf(PREFIX, 0, 1);

/** The id of each departure, and whose it is. */
async function departures(): Promise<Map<string, string>> {
  const entries = await redis.xrange(keys.changes, "-", "+");
  return new Map(
    entries.flatMap(([id, fields]) =>
      decodeChanges(id, fields).flatMap(({ type, user }, place): [string, string][] =>
        type === "offline" ? [[`0.${id}.${place}`, user]] : [],
      ),
    ),
  );
}

const online = () => redis.hlen(keys.users);
/** On how many processes each user is, in all: a tab is on another process each, so a lower number has tabs that are not recorded yet. */
const recorded = async () =>
  (await redis.hvals(keys.users)).reduce((all, slots) => all + slots.split(",").length, 0);

it(
  "three nodes, several tabs a user, kill -9 of who was about to call, all down and back: each departure is billed once",
  { timeout: 120_000 },
  async () => {
    let held: ((process: string) => void) | undefined;
    await using receiver = await startReceiver(({ headers }) => {
      if (held === undefined) return 200;
      held(String(headers["x-process"]));
      held = undefined;
      // It never learns whether this one arrived.
      return undefined;
    });
    const billed = () =>
      new Map(receiver.taken.map(({ headers, body }) => [String(headers["idempotency-key"]), body]));
    const nodes = await Promise.all([0, 1, 2].map(() => startNode(receiver.url)));
    const all = new Map<string, ClientSocket[]>();
    for (let i = 0; i < 12; i++) all.set(`u${i}`, await tabs(nodes, `u${i}`));
    await untilEqual(recorded, 36);
    const leave = (user: string) => all.get(user)!.forEach((tab) => tab.disconnect());

    // One tab after the other: only the last one is a departure.
    all.get("u0")![0]!.disconnect();
    all.get("u0")![1]!.disconnect();
    for (const user of ["u1", "u2", "u3"]) leave(user);
    await untilEqual(() => billed().size, 3);
    leave("u0");
    await untilEqual(() => [...billed().values()].sort(), ["u0", "u1", "u2", "u3"]);

    const caller = new Promise<string>((resolve) => (held = resolve));
    leave("u4");
    const pid = await caller;
    const victim = nodes.find(({ child }) => String(child.pid) === pid)!;
    await killed(victim.child);
    await untilEqual(() => billed().size, 5);
    expect([...billed().values()].filter((user) => user === "u4")).toHaveLength(1);

    // Everybody is down; who is left departs when one of them is back.
    leave("u5");
    const living = nodes.filter((node) => node !== victim);
    await Promise.all(living.map(({ child }) => killed(child)));
    const back = await Promise.all([0, 1].map(() => startNode(receiver.url)));
    await untilEqual(online, 0);
    const again = await tabs(back, "u6");
    await untilEqual(recorded, 2);
    for (const tab of again) tab.disconnect();
    await untilEqual(async () => [(await departures()).size, billed().size, await online()], [13, 13, 0]);
    expect(billed()).toEqual(await departures());
  },
);

it(
  `${CHANGES} changes through a receiver that fails a third of the time: every id arrives, in order for each user`,
  { timeout: 240_000 },
  async () => {
    const random = new Random(process.env["BILLING_SEED"] ?? "billing");
    await using receiver = await startReceiver(() => (random.chance(1 / 3) ? 500 : 204));
    const crowd = new Crowd(server.url);
    const present = new Set<string>();
    const subscriber = createSubscriber({
      redis: server.url,
      prefix: crowd.prefix,
      name: "hooks",
      logger: false,
      from: "start",
      retries: Array<number>(100).fill(0),
      async handle(delivery, { id, signal }) {
        const headers = { "idempotency-key": id };
        const body = delivery.type === "gap" ? "gap" : `${delivery.user} ${delivery.type}`;
        const { status } = await fetch(receiver.url, { method: "POST", headers, body, signal });
        if (status !== 204) throw new Error(`answered ${status}`);
      },
    });
    const running = subscriber.run();
    try {
      for (let made = 0; made < CHANGES;) {
        const what: string[] = [];
        for (let i = 0; i < 50 && made < CHANGES; i++) {
          const user = `u${random.int(0, 99)}`;
          if (what.some((one) => one.slice(1) === user)) continue;
          what.push(`${present.has(user) ? "~" : "+"}${user}`);
          if (!present.delete(user)) present.add(user);
          made++;
        }
        await crowd.say(...what);
      }
      const expected = (await redis.xrange(crowd.keys.changes, "-", "+")).flatMap(([id, fields]) =>
        decodeChanges(id, fields).map(({ user, type }, place) => `0.${id}.${place} ${user} ${type}`),
      );
      expect(expected).toHaveLength(CHANGES);
      const arrived = () => [
        ...new Set(
          receiver.taken.map(({ headers, body }) => `${String(headers["idempotency-key"])} ${body}`),
        ),
      ];
      await until("all have arrived", () => receiver.taken.length >= CHANGES, { timeout: 200_000 });
      expect(arrived()).toEqual(expected);
    } finally {
      await subscriber.close();
      await running;
      await crowd.close();
    }
  },
);
