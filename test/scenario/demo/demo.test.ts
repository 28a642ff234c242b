/**
 * Goal: the demo tells the truth about itself, and leaves nothing behind however it ends.
 * Method: as a child process, with real nodes, clients and workerd; its process groups are looked for afterwards.
 */
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { groupsIn, startDemo, untilGone } from "./support.ts";

/** The demo bounds itself to a minute. */
const TIMEOUT_MS = 70_000;
/** Redis, three nodes, the edge. */
const GROUPS = 5;

it(
  "--once plays and checks every stage, exits with 0 and leaves no process",
  { timeout: TIMEOUT_MS },
  async () => {
    const demo = startDemo(["--once", "--users", "24"]);
    await expect(demo.ended).resolves.toEqual({ code: 0, signal: null });
    expect(demo.said.err).toBe("");
    const stages = demo.said.out.match(/^ok {2}[a-z-]+ [a-z]+/gm);
    expect(stages).toEqual([
      "ok  all connected",
      "ok  tabs came",
      "ok  node-b killed",
      "ok  node-b restarted",
      "ok  node-c drained",
      "ok  all users",
      "ok  everything in",
    ]);
    const groups = groupsIn(demo.said.out);
    // And one more for the node that was killed and started again.
    expect(groups).toHaveLength(GROUPS + 1);
    await untilGone(groups);
  },
);

it.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
  "a live demo that gets %s leaves no process",
  { timeout: TIMEOUT_MS },
  async (signal) => {
    const demo = startDemo(["--users", "10"]);
    await demo.says("Steady");
    const [address] = /http:\/\/127\.0\.0\.1:\d+\//.exec(demo.said.out)!;
    // The page opens without asking for a token.
    expect(await (await fetch(address)).text()).toMatch(/<meta name="rollcall-token" content="[^"]{16,}">/);
    demo.kill(signal);
    const ended = await demo.ended;
    expect(ended).toEqual(signal === "SIGKILL" ? { code: null, signal } : { code: 0, signal: null });
    const groups = groupsIn(demo.said.out);
    expect(groups).toHaveLength(GROUPS);
    await untilGone(groups);
  },
);

it("the demo leaves no key in a Redis that is not its own", { timeout: TIMEOUT_MS }, async () => {
  await using server = await startRedis();
  const demo = startDemo(["--users", "10"], { REDIS_URL: server.url });
  await demo.says("Steady");
  const redis = new Redis(server.url);
  try {
    await redis.set("theirs", "1");
    expect(await redis.dbsize()).toBeGreaterThan(1);
    demo.kill("SIGINT");
    await expect(demo.ended).resolves.toEqual({ code: 0, signal: null });
    await expect(redis.keys("*")).resolves.toEqual(["theirs"]);
  } finally {
    redis.disconnect();
  }
});

it("a signal ends the demo while it is still starting", { timeout: TIMEOUT_MS }, async () => {
  const demo = startDemo(["--once"]);
  await demo.says("Starting");
  demo.kill("SIGINT");
  await expect(demo.ended).resolves.toEqual({ code: 130, signal: null });
  expect(demo.said.err).toBe("");
});

it.each([
  [["--twice"], "Unknown option '--twice'"],
  [["--users", "3"], "--users must be a whole number from 4 to 500"],
  [["--ttl", "soon"], "--ttl must be a whole number from 1000 to 10000"],
])("the demo refuses %j and says what is valid", async (args, message) => {
  const demo = startDemo(args);
  await expect(demo.ended).resolves.toMatchObject({ code: 2 });
  expect(demo.said.err).toContain(message);
  expect(demo.said.err).toContain("Usage: npm start");
});

it("a part that does not start is named, and the exit code is 1", { timeout: TIMEOUT_MS }, async () => {
  const demo = startDemo(["--once"], { REDIS_URL: "redis://127.0.0.1:1" });
  await expect(demo.ended).resolves.toMatchObject({ code: 1 });
  expect(demo.said.err).toContain("REDIS_URL is set but does not answer");
});
