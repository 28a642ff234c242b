/**
 * Goal: the recipes for Workers and Next.js read presence with the token that can only read, and say so when they cannot.
 * Method: people who are online in a real Redis behind the bridge; the Worker in workerd, the Route Handler called as Next calls it.
 */
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { type Bridge, startBridge } from "../../../packages/upstash-bridge/src/index.ts";
import { startRedis, type RedisServer } from "../../../rig/redis.ts";
import { untilEqual } from "../../../rig/until.ts";
import { startWorkerd } from "../../../rig/workerd.ts";
import { PATIENT, startExample, tab } from "./support.ts";

const TOKEN = "a-token-for-callers-of-the-api";
const READ_ONLY = "the-credentials-that-may-only-read";

let redis: RedisServer;
let bridge: Bridge;
beforeAll(async () => {
  redis = await startRedis();
  bridge = await startBridge({
    redis: redis.url,
    token: "the-credentials-that-may-write",
    readOnlyToken: READ_ONLY,
  });
});
afterAll(async () => {
  await bridge.close();
  await redis.stop();
});

it("workers: pages of one's own, and the API below a path", PATIENT, async () => {
  const server = await startExample("count-users.ts", redis.url);
  await tab(server.url, "alice");
  const variables = {
    UPSTASH_REDIS_REST_URL: bridge.url,
    UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY,
    ROLLCALL_TOKENS: TOKEN,
  };
  await using worker = await startWorkerd(variables, { config: "examples/workers/wrangler.toml" });
  const get = async (path: string, token = TOKEN) =>
    fetch(worker.url + path, { headers: { authorization: `Bearer ${token}` } });
  await untilEqual(async () => (await get("/")).text(), "<p>1 online</p>");
  expect(await (await get("/team")).json()).toEqual({
    team: [
      { id: "alice", online: true },
      { id: "bob", online: false },
      { id: "carol", online: false },
    ],
  });
  expect(await (await get("/presence/v1/users/alice")).json()).toMatchObject({ online: true });
  expect(await (await get("/presence/v1/counts")).json()).toMatchObject({ users: 1 });
  expect((await get("/presence/v1/users/alice", "wrong")).status).toBe(401);
  expect((await get("/v1/counts")).status).toBe(404);

  await using broken = await startWorkerd(
    { ...variables, UPSTASH_REDIS_REST_READONLY_TOKEN: "wrong" },
    { config: "examples/workers/wrangler.toml" },
  );
  const answer = await fetch(`${broken.url}/team`);
  expect([answer.status, await answer.json()]).toEqual([503, { error: "presence is not known now" }]);
});

it("nextjs: the Route Handler answers for those it is asked about", PATIENT, async () => {
  vi.stubEnv("UPSTASH_REDIS_REST_URL", bridge.url);
  vi.stubEnv("UPSTASH_REDIS_REST_READONLY_TOKEN", READ_ONLY);
  onTestFinished(() => void vi.unstubAllEnvs());
  const { GET } = await import("../../../examples/nextjs/app/online/route.ts");
  const get = async (query: string) => {
    const response = await GET(new Request(`https://app.example/online?${query}`));
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const server = await startExample("count-users.ts", redis.url);
  await tab(server.url, "bob");
  const users = (online: boolean) => [
    { id: "bob", online },
    { id: "zoe", online: false },
  ];
  await untilEqual(() => get("user=bob&user=zoe"), {
    status: 200,
    body: { users: users(true), stale: false },
  });
  expect(await get("")).toEqual({ status: 200, body: { users: [], stale: false } });
  expect(await get("user=")).toEqual({ status: 400, body: { error: "USER_INVALID" } });
  await bridge.close();
  expect(await get("user=bob")).toEqual({ status: 503, body: { error: "REDIS_UNAVAILABLE" } });
});
