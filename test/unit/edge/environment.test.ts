/**
 * Goal: an invalid environment is refused with the name of the variable and without its value; and code that serves requests
 * never reads write credentials (INV-8).
 */
import { describe, expect, expectTypeOf, it } from "vitest";
import type { EnvironmentFetch } from "../../../src/edge/api.ts";
import * as read from "../../../src/edge/environment.ts";
import { PresenceError } from "../../../src/core/errors.ts";

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    if (error instanceof PresenceError && error.code === "OPTIONS_INVALID") return error.message;
    throw error;
  }
  throw new Error("it was taken");
}

/** As a Worker's project declares it: an interface, which has no index signature. */
interface Env {
  readonly UPSTASH_REDIS_REST_URL: string;
  readonly UPSTASH_REDIS_REST_READONLY_TOKEN: string;
  readonly ASSETS: { fetch(request: Request): Promise<Response> };
}

it("a Worker's interface Env is accepted as an environment, also by the compiler", () => {
  expectTypeOf<Env>().toExtend<read.Environment>();
  expectTypeOf<NodeJS.ProcessEnv>().toExtend<read.Environment>();
  expectTypeOf<string>().not.toExtend<read.Environment>();
  type Handler = (request: Request, env: Env) => Promise<Response>;
  expectTypeOf<EnvironmentFetch>().toExtend<Handler>();
  const env: Env = {
    UPSTASH_REDIS_REST_URL: "https://name.example",
    UPSTASH_REDIS_REST_READONLY_TOKEN: "r",
    ASSETS: { fetch: () => Promise.resolve(new Response()) },
  };
  expect(read.readCredentialsFrom(env)).toEqual({ url: "https://name.example", token: "r" });
});

it("at the edge an answer is stale when a sweep is overdue, not while one is awaited", () => {
  expect(read.edgeReaderOptionsFrom({})).toMatchObject({ staleAfter: 20_000 });
  expect(read.edgeReaderOptionsFrom({ SWEEP_INTERVAL: "60000" })).toMatchObject({ staleAfter: 65_000 });
});

describe("what is set", () => {
  it("is read, trimmed and split", () => {
    const environment = {
      ROLLCALL_PREFIX: " chat ",
      ROLLCALL_SHARDS: "8",
      ROLLCALL_STALE_AFTER: "90000",
      ROLLCALL_TOKENS: " 0123456789abcdef , fedcba9876543210,",
      ROLLCALL_ORIGINS: "https://app.example,http://localhost:5173",
      ROLLCALL_COUNTS: "closed",
      ROLLCALL_READ: "auto",
      ROLLCALL_KEEP_CHANGES: " 12h ",
      ROLLCALL_KEEP_REJECTED: "90m",
      ROLLCALL_KEEP_MAX: "20000",
      ROLLCALL_HISTORY: " on ",
      ROLLCALL_HISTORY_SCOPES: ' ["/chat,news", "/chat"] ',
      ROLLCALL_RECORD_KEYS: ` ${"k".repeat(32)}, unsigned`,
      SWEEP_INTERVAL: "10000",
      SWEEP_REQUESTS: "900",
      UPSTASH_REDIS_REST_URL: "https://name.example",
      UPSTASH_REDIS_REST_READONLY_TOKEN: "r",
      UPSTASH_REDIS_REST_TOKEN: "w",
      ROLLCALL_COUNTS_TOKENS: "abcdef0123456789",
      ROLLCALL_STREAMS: "0",
      ROLLCALL_STREAM_LIFE: "20000",
      ROLLCALL_STREAM_REQUESTS: "7",
    };
    const options = { prefix: "chat", shards: 8, staleAfter: 90_000 };
    expect(read.readerOptionsFrom(environment)).toEqual(options);
    expect(read.edgeReaderOptionsFrom(environment)).toEqual(options);
    expect(read.appOptionsFrom(environment)).toEqual({
      tokens: ["0123456789abcdef", "fedcba9876543210"],
      countsTokens: ["abcdef0123456789"],
      streams: { most: 0, life: 20_000, requests: 7 },
      origins: ["https://app.example", "http://localhost:5173"],
      counts: "closed",
    });
    expect(read.projectorOptionsFrom(environment)).toEqual({
      prefix: "chat",
      shards: 8,
      read: "auto",
      keep: { changes: "12h", rejected: "90m", max: 20_000 },
      history: { scopes: ["/chat", "/chat,news"] },
      recordKeys: ["k".repeat(32), "unsigned"],
    });
    expect(read.sweepSettingsFrom(environment)).toEqual({ interval: 10_000, requests: 900 });
    expect(read.readCredentialsFrom(environment)).toEqual({ url: "https://name.example", token: "r" });
    expect(read.writeCredentialsFrom(environment)).toEqual({ url: "https://name.example", token: "w" });
  });

  it("may be missing or empty if there is a default", () => {
    for (const value of [undefined, "", "  "]) {
      const names = [
        "ROLLCALL_PREFIX",
        "ROLLCALL_SHARDS",
        "ROLLCALL_STALE_AFTER",
        "ROLLCALL_TOKENS",
        "ROLLCALL_COUNTS_TOKENS",
        "ROLLCALL_ORIGINS",
        "ROLLCALL_STREAMS",
        "ROLLCALL_STREAM_LIFE",
        "ROLLCALL_STREAM_REQUESTS",
        "ROLLCALL_READ",
        "ROLLCALL_KEEP_CHANGES",
        "ROLLCALL_KEEP_REJECTED",
        "ROLLCALL_KEEP_MAX",
        "ROLLCALL_RECORD_KEYS",
        "SWEEP_INTERVAL",
        "SWEEP_REQUESTS",
      ];
      const environment = Object.fromEntries(names.map((name) => [name, value]));
      expect(read.readerOptionsFrom(environment)).toEqual({
        prefix: undefined,
        shards: undefined,
        staleAfter: undefined,
      });
      expect(read.appOptionsFrom(environment)).toEqual({
        tokens: [],
        countsTokens: [],
        origins: [],
        counts: undefined,
        streams: { most: undefined, life: undefined, requests: undefined },
      });
      expect(read.projectorOptionsFrom(environment).read).toBeUndefined();
      expect(read.sweepSettingsFrom(environment)).toEqual({ interval: 15_000, requests: 45 });
      expect(read.listenOptionsFrom(environment)).toEqual({ port: 3000, host: "127.0.0.1" });
    }
  });
});

describe("what is wrong", () => {
  it.each([
    ["ROLLCALL_PREFIX", "{chat}", read.keyOptionsFrom],
    ["ROLLCALL_SHARDS", "0", read.keyOptionsFrom],
    ["ROLLCALL_SHARDS", "1025", read.keyOptionsFrom],
    ["ROLLCALL_SHARDS", "1e1", read.keyOptionsFrom],
    ["ROLLCALL_SHARDS", "-1", read.readerOptionsFrom],
    ["ROLLCALL_STALE_AFTER", "5s", read.readerOptionsFrom],
    ["ROLLCALL_STALE_AFTER", "86400001", read.readerOptionsFrom],
    ["ROLLCALL_TOKENS", "s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_TOKENS", "0123456789abcdef,s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_COUNTS_TOKENS", "s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_STREAMS", "-1", read.appOptionsFrom],
    ["ROLLCALL_STREAM_LIFE", "999", read.appOptionsFrom],
    ["ROLLCALL_STREAM_REQUESTS", "s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_ORIGINS", "s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_COUNTS", "s3cr3t", read.appOptionsFrom],
    ["ROLLCALL_READ", "s3cr3t", read.projectorOptionsFrom],
    ["ROLLCALL_KEEP_CHANGES", "s3cr3t", read.projectorOptionsFrom],
    ["ROLLCALL_KEEP_MAX", "999", read.projectorOptionsFrom],
    ["ROLLCALL_KEEP_REJECTED", "59999", read.projectorOptionsFrom],
    ["ROLLCALL_HISTORY_SCOPES", "/s3cr3t", read.projectorOptionsFrom],
    ["ROLLCALL_HISTORY_SCOPES", "[]", read.projectorOptionsFrom],
    ["ROLLCALL_HISTORY_SCOPES", '["s3cr3t"]', read.projectorOptionsFrom],
    ["ROLLCALL_HISTORY_SCOPES", '["/a", "/a"]', read.projectorOptionsFrom],
    // Without ROLLCALL_HISTORY=on.
    ["ROLLCALL_HISTORY_SCOPES", '["/s3cr3t"]', read.projectorOptionsFrom],
    ["ROLLCALL_RECORD_KEYS", "s3cr3t", read.projectorOptionsFrom],
    ["ROLLCALL_RECORD_KEYS", `${"k".repeat(32)},s3cr3t`, read.projectorOptionsFrom],
    ["SWEEP_INTERVAL", "999", read.sweepSettingsFrom],
    ["SWEEP_INTERVAL", "60001", read.sweepSettingsFrom],
    ["SWEEP_INTERVAL", "15s", read.sweepSettingsFrom],
    ["SWEEP_REQUESTS", "0", read.sweepSettingsFrom],
    ["SWEEP_REQUESTS", "10001", read.sweepSettingsFrom],
    ["PORT", "65536", read.listenOptionsFrom],
    ["PORT", "s3cr3t", read.listenOptionsFrom],
    ["REDIS_URL", "s3cr3t", read.redisUrlFrom],
    ["REDIS_URL", "redis://s3cr3t host", read.redisUrlFrom],
    ["UPSTASH_REDIS_REST_URL", "s3cr3t.example", read.readCredentialsFrom],
    ["UPSTASH_REDIS_REST_URL", "https://s3cr3t example", read.writeCredentialsFrom],
  ] as const)("%s=%s is refused by name", (name, value, take) => {
    const message = refusal(() => take({ [name]: value }));
    expect(message.startsWith(name)).toBe(true);
    expect(message).not.toContain("s3cr3t");
  });

  it.each([
    ["UPSTASH_REDIS_REST_URL", read.readCredentialsFrom],
    ["UPSTASH_REDIS_REST_READONLY_TOKEN", read.readCredentialsFrom],
    ["UPSTASH_REDIS_REST_URL", read.writeCredentialsFrom],
    ["UPSTASH_REDIS_REST_TOKEN", read.writeCredentialsFrom],
    ["REDIS_URL", read.redisUrlFrom],
  ] as const)("a missing %s is refused by name", (name, take) => {
    const all = {
      REDIS_URL: "redis://localhost",
      UPSTASH_REDIS_REST_URL: "https://name.example",
      UPSTASH_REDIS_REST_READONLY_TOKEN: "r",
      UPSTASH_REDIS_REST_TOKEN: "w",
    };
    expect(refusal(() => take({ ...all, [name]: "" }))).toBe(`${name} is not set`);
  });

  it.each([
    [{ ROLLCALL_HEALTH_PORT: "0", ROLLCALL_PROBES: "open" }, /ROLLCALL_HEALTH_PORT and ROLLCALL_PROBES=open contradict/],
    [{ ROLLCALL_HEALTH_PORT: "8080", PORT: "8080" }, /ROLLCALL_HEALTH_PORT is also PORT/],
    [{ ROLLCALL_HEALTH_HOST: "0.0.0.0" }, /ROLLCALL_HEALTH_HOST has no effect without ROLLCALL_HEALTH_PORT/],
  ])("%o contradict each other", (environment, message) => {
    expect(refusal(() => read.healthOptionsFrom(environment))).toMatch(message);
  }); // prettier-ignore

  it("the page of /docs is there unless it is turned off", () => {
    expect(read.appOptionsFrom({}).docs).toBeUndefined();
    expect(read.appOptionsFrom({ ROLLCALL_DOCS: "on" }).docs).toBe(true);
    expect(read.appOptionsFrom({ ROLLCALL_DOCS: "off" }).docs).toBe(false);
  });

  it("there is a dashboard where a token is set, with the first token in it only on request", () => {
    const ROLLCALL_TOKENS = "the-first-of-the-tokens, the-second-of-the-tokens";
    const dashboardOf = (environment: object) => read.appOptionsFrom(environment).dashboard;
    expect(dashboardOf({ ROLLCALL_TOKENS })).toBeUndefined();
    expect(dashboardOf({ ROLLCALL_TOKENS, ROLLCALL_DASHBOARD: "on" })).toBe(true);
    expect(dashboardOf({ ROLLCALL_DASHBOARD: "off" })).toBe(false);
    expect(dashboardOf({ ROLLCALL_TOKENS, ROLLCALL_DASHBOARD: "token" })).toEqual({
      token: "the-first-of-the-tokens",
    });
    for (const ROLLCALL_DASHBOARD of ["on", "token"])
      expect(() => dashboardOf({ ROLLCALL_DASHBOARD })).toThrow(
        `ROLLCALL_DASHBOARD=${ROLLCALL_DASHBOARD} needs a token: set ROLLCALL_TOKENS`,
      );
    expect(() => dashboardOf({ ROLLCALL_TOKENS, ROLLCALL_DASHBOARD: "yes" })).toThrow(/^ROLLCALL_DASHBOARD/);
  });

  it("a port for probes is off unless it is set, and on the address of the API unless it has its own", () => {
    expect(read.healthOptionsFrom({})).toBeUndefined();
    expect(read.healthOptionsFrom({ ROLLCALL_HEALTH_PORT: "9090", HOST: "0.0.0.0" })).toEqual({
      port: 9090,
      host: "0.0.0.0",
    });
    const apart = { ROLLCALL_HEALTH_PORT: "80", PORT: "80", ROLLCALL_HEALTH_HOST: "10.0.0.1" };
    expect(read.healthOptionsFrom(apart)).toEqual({ port: 80, host: "10.0.0.1" });
  });

  it.each([
    ["ROLLCALL_PROBES", "yes", read.appOptionsFrom],
    ["ROLLCALL_DOCS", "maybe", read.appOptionsFrom],
    ["ROLLCALL_PROXIES", "11", read.appOptionsFrom],
    ["ROLLCALL_DRAIN", "-1", read.drainFrom],
    ["ROLLCALL_KEEP_ALIVE_TIMEOUT", "10", read.timeoutsFrom],
    ["ROLLCALL_HEADERS_TIMEOUT", "1", read.timeoutsFrom],
    ["ROLLCALL_REQUEST_TIMEOUT", "x", read.timeoutsFrom],
    ["ROLLCALL_HEALTH_PORT", "65536", read.healthOptionsFrom],
  ] as const)("%s=%s is refused", (name, value, take) => {
    expect(refusal(() => take({ [name]: value }))).toMatch(new RegExp(`^${name}: `));
  });

  it("two sources, or none, are refused with both names", () => {
    const rest = { UPSTASH_REDIS_REST_URL: "https://name.example", UPSTASH_REDIS_REST_READONLY_TOKEN: "r" };
    const names = "REDIS_URL and UPSTASH_REDIS_REST_URL";
    expect(refusal(() => read.readSourceFrom({}))).toBe(`${names} are both missing: set one`);
    const both = { ...rest, REDIS_URL: "redis://localhost" };
    expect(refusal(() => read.readSourceFrom(both))).toBe(`${names} are both set: keep one`);
    expect(read.readSourceFrom(rest)).toEqual({ url: "https://name.example", token: "r" });
    expect(read.readSourceFrom({ REDIS_URL: "redis://localhost" })).toBe("redis://localhost");
  });
});

it("INV-8: code that serves requests does not read write credentials", () => {
  const seen = new Set<PropertyKey>();
  const values: Record<string, string> = {
    UPSTASH_REDIS_REST_URL: "https://name.example",
    UPSTASH_REDIS_REST_READONLY_TOKEN: "r",
    UPSTASH_REDIS_REST_TOKEN: "w",
  };
  const environment = new Proxy(values, {
    get(target, name) {
      seen.add(name);
      return Reflect.get(target, name) as unknown;
    },
  });
  read.readSourceFrom(environment);
  read.readCredentialsFrom(environment);
  read.readerOptionsFrom(environment);
  read.appOptionsFrom(environment);
  read.listenOptionsFrom(environment);
  expect(seen.has("UPSTASH_REDIS_REST_READONLY_TOKEN")).toBe(true);
  expect(seen.has("UPSTASH_REDIS_REST_TOKEN")).toBe(false);
  expect(seen.has("ROLLCALL_RECORD_KEYS")).toBe(false);
});

describe("a webhook", () => {
  const secret = `whsec_${Buffer.alloc(32, 9).toString("base64")}`;
  const set = {
    ROLLCALL_PREFIX: "chat",
    ROLLCALL_WEBHOOK_URL: "https://hooks.example/?key=a-secret",
    ROLLCALL_WEBHOOK_SECRETS: secret,
  };

  it("is configured by its URL and its secrets", () => {
    expect(read.webhookOptionsFrom({})).toBeUndefined();
    expect(read.webhookOptionsFrom(set)).toMatchObject({
      prefix: "chat",
      name: "webhook",
      url: set.ROLLCALL_WEBHOOK_URL,
      secrets: [secret],
      batch: 100,
    });
    expect(
      read.webhookOptionsFrom({
        ...set,
        ROLLCALL_WEBHOOK_NAME: "crm",
        ROLLCALL_WEBHOOK_TYPES: "user.offline, presence.gap",
        ROLLCALL_WEBHOOK_BATCH: "1",
        ROLLCALL_WEBHOOK_TIMEOUT: "5000",
        ROLLCALL_WEBHOOK_ALLOW: "hooks.internal,10.0.0.0/8",
      }),
    ).toMatchObject({
      name: "crm",
      types: ["user.offline", "presence.gap"],
      batch: 1,
      timeout: 5_000,
      allow: ["hooks.internal", "10.0.0.0/8"],
    });
  });

  it.each([
    [{ ROLLCALL_WEBHOOK_URL: "" }, /^ROLLCALL_WEBHOOK_SECRETS has no effect without ROLLCALL_WEBHOOK_URL$/],
    [{ ROLLCALL_WEBHOOK_SECRETS: "" }, /^ROLLCALL_WEBHOOK_SECRETS is not set$/],
    [{ ROLLCALL_WEBHOOK_SECRETS: "whsec_a-secret" }, /^ROLLCALL_WEBHOOK_SECRETS: secrets\[0\]/],
    [{ ROLLCALL_WEBHOOK_URL: "http://hooks.example/a-secret" }, /^ROLLCALL_WEBHOOK_URL: url must be https/],
    [{ ROLLCALL_WEBHOOK_URL: "https://169.254.169.254/a-secret" }, /^ROLLCALL_WEBHOOK_URL: the host of url/],
    [{ ROLLCALL_WEBHOOK_TYPES: "user.gone" }, /^ROLLCALL_WEBHOOK_TYPES: types\[0\]/],
    [{ ROLLCALL_WEBHOOK_BATCH: "101" }, /^ROLLCALL_WEBHOOK_BATCH: batch/],
    [{ ROLLCALL_WEBHOOK_ALLOW: "*" }, /^ROLLCALL_WEBHOOK_ALLOW: allow\[0\]/],
    [{ ROLLCALL_WEBHOOK_NAME: "a b" }, /^ROLLCALL_WEBHOOK_NAME: name/],
    [{ ROLLCALL_WEBHOOK_URLS: "x" }, /^ROLLCALL_WEBHOOK_URLS is unknown: did you mean ROLLCALL_WEBHOOK_URL/],
  ])("with %j is refused, without the value", (wrong, message) => {
    const said = refusal(() => read.webhookOptionsFrom({ ...set, ...wrong }));
    expect(said).toMatch(message);
    expect(said).not.toContain("a-secret");
  });
});

describe("browser tokens", () => {
  const SECRET = "a-secret-of-more-than-32-bytes-for-the-tests";
  const names = { ROLLCALL_BROWSER_ISSUER: "https://app.example", ROLLCALL_BROWSER_AUDIENCE: "presence" };

  it("are accepted with a secret, or with a key set", () => {
    const { browserTokens } = read.appOptionsFrom({
      ...names,
      ROLLCALL_BROWSER_SECRETS: `${SECRET}, ${SECRET}2`,
    });
    expect(browserTokens).toMatchObject({ audience: "presence", secrets: [SECRET, `${SECRET}2`] });
    const jwks = "https://keys.example/jwks.json";
    expect(read.appOptionsFrom({ ...names, ROLLCALL_BROWSER_JWKS: jwks }).browserTokens).toMatchObject({
      jwks,
    });
    expect(read.appOptionsFrom({}).browserTokens).toBeUndefined();
  });

  it.each([
    [names, /^ROLLCALL_BROWSER_ISSUER has no effect without/],
    [{ ...names, ROLLCALL_BROWSER_SECRETS: "short" }, /^ROLLCALL_BROWSER_SECRETS: secrets\[0\] must have 32/],
    [{ ROLLCALL_BROWSER_SECRETS: SECRET }, /^ROLLCALL_BROWSER_ISSUER is not set/],
    [{ ...names, ROLLCALL_BROWSER_JWKS: "http://keys.example" }, /^ROLLCALL_BROWSER_JWKS: jwks must begin with https/],
    [{ ...names, ROLLCALL_BROWSER_SECRETS: SECRET, ROLLCALL_BROWSER_JWKS: "https://k.example" }, /both set: keep one/],
  ])("%o is refused", (environment, message) => {
    expect(() => read.appOptionsFrom(environment)).toThrow(message);
  }); // prettier-ignore
});
