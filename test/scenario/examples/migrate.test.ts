/**
 * Goal: each migration gives the same answers before and after while nothing fails, and after it the answers stay right when a server is killed.
 * Method: two servers that count both ways and one that only has the new one; tabs come and go; a server is killed. What the old way
 * says then is asserted as well: it is why one would move.
 */
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { Redis } from "ioredis";
import { shadow } from "../../../examples/migrate/shadow.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { PATIENT, startExample, tab, type Example } from "./support.ts";

let redis: RedisServer;
let client: Redis;
beforeAll(async () => {
  redis = await startRedis();
  client = new Redis(redis.url);
});
beforeEach(() => client.flushdb());
afterAll(async () => {
  client.disconnect();
  await redis.stop();
});

interface Migration {
  readonly name: string;
  /** What is asked, and the answers with everybody and after the kill. */
  readonly asked: Record<string, { all: unknown; left: unknown }>;
  /** What the old way says for good, where that is wrong. */
  readonly wrong?: RegExp;
}

const migrations: Migration[] = [
  {
    name: "incr-decr",
    asked: { clientsCount: { all: 4, left: 2 } },
    wrong: /^differs: clientsCount\(\): before 4, after 2$/,
  },
  {
    name: "redis-hashes",
    asked: {
      usersCount: { all: 3, left: 2 },
      usersList: { all: ["alice", "bob", "carol"], left: ["alice", "carol"] },
      "isUserConnected?of=alice": { all: true, left: true },
      "isUserConnected?of=bob": { all: true, left: false },
      "isUserConnected?of=dave": { all: false, left: false },
    },
  },
  {
    name: "fetch-sockets",
    asked: {
      socketsCount: { all: 4, left: 2 },
      "roomCount?of=news": { all: 2, left: 1 },
      "isUserConnected?of=alice": { all: true, left: true },
      "isUserConnected?of=bob": { all: true, left: false },
    },
  },
];

it.each(migrations)(
  "$name: the same answers, and right ones after a kill",
  PATIENT,
  async ({ name, asked, wrong }) => {
    const start = (MODE: string) => startExample(`migrate/${name}/server.ts`, redis.url, { MODE });
    const [a, b, after] = await Promise.all([start("shadow"), start("shadow"), start("after")]);
    const answers = async ({ url }: Example) =>
      Promise.all(
        Object.keys(asked).map(async (question) => {
          const response = await fetch(`${url}/${question}`);
          return response.ok ? ((await response.json()) as unknown) : response.status;
        }),
      );
    const [all, left] = (["all", "left"] as const).map((when) =>
      Object.values(asked).map((one) => one[when]),
    );

    const onA = [await tab(a.url, "alice"), await tab(a.url, "carol")];
    const onB = [await tab(b.url, "alice"), await tab(b.url, "bob")];
    for (const one of onB) one.io.reconnection(false);
    onA[0]!.emit("join", "news");
    onB[1]!.emit("join", "news");
    for (const server of [a, b, after]) await untilEqual(() => answers(server), all);
    (await tab(a.url, "dave")).disconnect();
    for (const server of [a, b, after]) await untilEqual(() => answers(server), all);

    b.kill("SIGKILL");
    await untilEqual(() => answers(after), left);
    if (wrong === undefined) await untilEqual(() => answers(a), left);
    else
      await until("the old way is found to be wrong", async () => {
        await answers(a);
        return a.lines.some((line) => wrong.test(line));
      });
    expect(await Promise.all([a.stop(), after.stop()])).toEqual([0, 0]);
  },
);

it("shadow: answers with the old, tells what differs a second later, and only that", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const told: unknown[] = [];
  let [old, now] = [async (): Promise<unknown> => 1, async (): Promise<unknown> => 1];
  const { count } = shadow({ count: () => old() }, { count: () => now() }, (one) => told.push(one));
  expect(await count!("x")).toBe(1);
  now = async () => 2;
  expect(await count!("x")).toBe(1);
  now = async () => 1; // somebody had just come
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([]);
  now = () => Promise.reject(new Error("away"));
  expect(await count!("x")).toBe(1);
  expect(await count!("x")).toBe(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toEqual([{ question: "count", about: "x", before: 1, after: "Error: away" }]);
  old = () => Promise.reject(new Error("old is away"));
  await expect(count!("x")).rejects.toThrow("old is away");
});
