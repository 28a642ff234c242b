/**
 * Goal: every platform serves the same API with the token that cannot write; what projects there has the other token.
 * Method: each entry as its platform calls it, over REST to a real Redis, through a tap that logs the tokens.
 */
import { Redis } from "ioredis";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { LambdaContext, LambdaEvent } from "hono/aws-lambda";
import { type RedisServer, startRedis } from "../../../packages/local-redis/src/index.ts";
import type { UserAnswer } from "../../../src/reader/reader.ts";
import { STREAMS_PER_CLIENT } from "../../../src/core/limits.ts";
import { append, newPrefix, populate } from "../../unit/http/support.ts";
import { READ_ONLY_TOKEN, startTappedBridge, TOKEN, WRITE_TOKEN, type Tap } from "./support.ts";

let server: RedisServer;
let redis: Redis;
let tap: Tap;
const prefix = newPrefix();
const COUNTS_TOKEN = "a-token-for-numbers-alone";
let environment: Record<string, string>;

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  tap = await startTappedBridge(server.url);
  await populate(redis, { prefix, users: ["alice", "名前"] });
  environment = {
    UPSTASH_REDIS_REST_URL: tap.url,
    UPSTASH_REDIS_REST_READONLY_TOKEN: READ_ONLY_TOKEN,
    UPSTASH_REDIS_REST_TOKEN: WRITE_TOKEN,
    ROLLCALL_TOKENS: TOKEN,
    ROLLCALL_COUNTS_TOKENS: COUNTS_TOKEN,
    ROLLCALL_PREFIX: prefix,
    ROLLCALL_COUNTS: "closed",
    SWEEP_INTERVAL: "60000",
    PORT: "0",
  };
  // Entries of platforms without an environment a request read it as they are loaded.
  Object.assign(process.env, environment);
});
afterAll(async () => {
  await tap[Symbol.asyncDispose]();
  redis.disconnect();
  await server.stop();
});
beforeEach(() => {
  tap.sent.length = 0;
});

type Serve = (request: Request) => Promise<Response>;

const entries: Record<string, () => Promise<Serve>> = {
  "worker.ts": async () => {
    const { default: worker } = await import("../../../functions/worker.ts");
    return (request) => worker.fetch(request, environment);
  },
  "edge.ts": async () => {
    const { default: edge } = await import("../../../functions/edge.ts");
    return (request) => edge.fetch(request, environment);
  },
  "deno.ts": async () => (await import("../../../functions/deno.ts")).default.fetch,
  "bun.ts": async () => (await import("../../../functions/bun.ts")).default.fetch,
  "vercel.ts": async () => {
    const methods = (await import("../../../functions/vercel.ts")) as unknown as Record<string, Serve>;
    return (request) => methods[request.method]!(request);
  },
  "lambda.ts": async () => {
    const { handler } = await import("../../../functions/lambda.ts");
    return async (request) => {
      const { pathname, search } = new URL(request.url);
      const event = {
        version: "2.0",
        routeKey: "$default",
        rawPath: pathname,
        rawQueryString: search.slice(1),
        headers: Object.fromEntries(request.headers),
        body: request.body === null ? null : await request.text(),
        isBase64Encoded: false,
        requestContext: { domainName: "api.example", http: { method: request.method, path: pathname } },
      } as unknown as LambdaEvent;
      const result = await handler(event, {} as LambdaContext);
      const {
        body,
        statusCode,
        headers = {},
      } = result as { body: string; statusCode: number; headers?: Record<string, string> };
      return new Response(statusCode === 304 ? null : body, { status: statusCode, headers });
    };
  },
};

describe.each(Object.keys(entries))("functions/%s", (name) => {
  let serve: Serve;
  beforeAll(async () => {
    serve = await entries[name]!();
  });
  const get = (path: string, init: RequestInit = {}, token = TOKEN) =>
    serve(
      new Request(`https://api.example${path}`, {
        ...init,
        headers: { authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) },
      }),
    );

  it("answers with the token that cannot write, and nothing without one of its own", async () => {
    const response = await get("/v1/users/%E5%90%8D%E5%89%8D");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect((await response.json()) as UserAnswer).toMatchObject({ id: "名前", online: true });
    const lookup = await get("/v1/users/lookup", {
      method: "POST",
      body: JSON.stringify({ ids: ["alice", "nobody"] }),
      headers: { "content-type": "application/json" },
    });
    expect(await lookup.json()).toMatchObject({ users: [{ online: true }, { online: false }] });
    expect((await get("/v1/users", {}, "somebody-else's-token")).status).toBe(401);
    expect((await get("/v1/users", {}, COUNTS_TOKEN)).status).toBe(403);
    expect((await get("/v1/counts", {}, COUNTS_TOKEN)).status).toBe(200);
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([READ_ONLY_TOKEN]));
  });

  it("streams, or says that it does not", async () => {
    const response = await get("/v1/changes", { headers: { accept: "text/event-stream" } });
    if (name === "lambda.ts") {
      expect(await response.json()).toMatchObject({ status: 406, code: "STREAMS_OFF" });
      return;
    }
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toContain("retry: ");
    await reader.cancel();
  });
});

describe.each(["deno.ts", "bun.ts"])("functions/%s", (name) => {
  it("counts event streams by the address of the client", async () => {
    vi.resetModules();
    process.env["ROLLCALL_COUNTS"] = "open";
    onTestFinished(() => void (process.env["ROLLCALL_COUNTS"] = "closed"));
    const from = async (hostname: string) => {
      const request = new Request("https://api.example/v1/counts", { headers: { accept: "text/event-stream" } });
      if (name === "deno.ts") return (await import("../../../functions/deno.ts")).default.fetch(request, { remoteAddr: { hostname } });
      return (await import("../../../functions/bun.ts")).default.fetch(request, { requestIP: () => ({ address: hostname }) });
    };
    const open = await Promise.all(Array.from({ length: STREAMS_PER_CLIENT }, () => from("192.0.2.1")));
    expect(new Set(open.map(({ status }) => status))).toEqual(new Set([200]));
    expect((await from("192.0.2.1")).status).toBe(429);
    const other = await from("192.0.2.2");
    expect(other.status).toBe(200);
    for (const { body } of [...open, other]) await body!.cancel();
  });
}); // prettier-ignore

describe("what projects", () => {
  it.each([
    [
      "worker.ts",
      async () => (await import("../../../functions/worker.ts")).default.scheduled({}, environment),
    ],
    [
      "sweep.ts",
      async () => (await import("../../../functions/sweep.ts")).default.scheduled({}, environment),
    ],
    ["lambda.ts", async () => (await import("../../../functions/lambda.ts")).sweep()],
  ])("functions/%s has the token that can", async (name, run) => {
    await append(redis, { prefix, users: [`by ${name}`], process: `of ${name}` });
    await run();
    expect(new Set(tap.sent.map(({ token }) => token))).toEqual(new Set([WRITE_TOKEN]));
    expect(await redis.hget(`{${prefix}}:users`, `by ${name}`)).toMatch(/^\d+$/);
  });
});
