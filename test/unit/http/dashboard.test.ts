/**
 * Goal: GET / is the dashboard where it is wanted and nowhere else, whole in every encoding, and nothing but its own script and styles
 * may run in it.
 * Method: the route over a real Redis; hashes are computed again from the page that is sent.
 */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import type { AppOptions } from "../../../src/http/app.ts";
import { takesGzip } from "../../../src/http/routes/dashboard.ts";
import { appOver, newPrefix, problemIn, TOKEN, type TestApp, useRedis } from "./support.ts";

const test = useRedis();
const prefix = newPrefix();
let api: TestApp;
beforeAll(() => {
  api = appOver(test.redis, { prefix });
});

const open = (app: TestApp, headers: Record<string, string> = {}, url = "http://api.example/") =>
  app.app.request(url, { headers });
const over = (options: Partial<AppOptions>) => appOver(test.redis, { prefix }, options);
const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const inside = (html: string, name: string) =>
  [...html.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"))].map(([, text = ""]) => text);

describe("the page", () => {
  it("runs only the script and the styles whose hashes its policy has, and talks to its origin only", async () => {
    const response = await open(api);
    expect(response.status).toBe(200);
    const html = await response.text();
    const policy = response.headers.get("content-security-policy")!.split("; ");
    expect(policy.toSorted()).toEqual(
      [
        "default-src 'none'",
        `script-src ${inside(html, "script").map(hashOf).join()}`,
        `style-src ${inside(html, "style").map(hashOf).join()}`,
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ].toSorted(),
    );
    expect(html).not.toMatch(/<[^>]*\s(?:style|on\w+|src)=/);
    expect(html.match(/href="([^"]*)"/g)).toEqual([expect.stringMatching(/^href="data:image\/svg/)]);
  });

  it("has the headers of every answer, and of no CORS even where all origins may read", async () => {
    for (const app of [api, over({ origins: ["*"] }), over({ origins: ["https://a.example"] })]) {
      const { headers } = await open(app, { origin: "https://a.example" });
      expect(Object.fromEntries(headers)).toMatchObject({
        "content-type": "text/html; charset=utf-8",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "x-frame-options": "DENY",
        "cache-control": "public, no-cache",
        vary: "Accept-Encoding",
      });
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
  });

  it("is the same page gzipped, under 60 kB, with a validator of its own", async () => {
    const plain = await open(api);
    const gzipped = await open(api, { "accept-encoding": "gzip, deflate, br" });
    expect(plain.headers.get("content-encoding")).toBeNull();
    expect(gzipped.headers.get("content-encoding")).toBe("gzip");
    const bytes = Buffer.from(await gzipped.arrayBuffer());
    expect(bytes.length).toBeLessThan(60_000);
    expect(gunzipSync(bytes).toString()).toBe(await plain.text());
    expect(gzipped.headers.get("etag")).not.toBe(plain.headers.get("etag"));
  });

  it("answers HEAD, and 304 to a client that has it", async () => {
    const { headers } = await open(api);
    const head = await api.app.request("http://api.example/", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
    expect(head.headers.get("etag")).toBe(headers.get("etag"));
    const held = await open(api, { "if-none-match": headers.get("etag")! });
    expect([held.status, await held.text()]).toEqual([304, ""]);
    expect(held.headers.get("content-security-policy")).toBe(headers.get("content-security-policy"));
    const post = await api.request("/", { method: "POST" });
    expect((await problemIn(post)).code).toBe("METHOD_NOT_ALLOWED");
  });

  it.each([
    ["gzip", true],
    ["deflate, GZIP;q=0.5", true],
    ["*", true],
    ["gzip;q=0", false],
    ["gzip;q=0, *", false],
    ["br", false],
    ["", false],
    ["gzipped", false],
  ])("Accept-Encoding %j takes gzip: %s", (header, takes) => {
    expect(takesGzip(header)).toBe(takes);
  });
});

describe("there is a page", () => {
  const has = async (options: Partial<AppOptions>) => (await open(over(options))).status === 200;

  it("where a token is set, unless it is turned off", async () => {
    expect(await has({})).toBe(true);
    expect(await has({ tokens: [], countsTokens: [TOKEN] })).toBe(true);
    expect(await has({ tokens: [] })).toBe(false);
    expect(await has({ dashboard: false })).toBe(false);
    expect(await has({ dashboard: true })).toBe(true);
  });

  it("and where there is none, the answer is as for any other path", async () => {
    const closed = await open(over({ dashboard: false }));
    expect((await problemIn(closed)).code).toBe("TOKEN_MISSING");
    expect(JSON.stringify(await over({ dashboard: false }).get("/openapi.json"))).not.toContain("text/html");
  });

  it.each<[Partial<AppOptions>, RegExp]>([
    [{ tokens: [], dashboard: true }, /^dashboard: true needs a token.*set `tokens`/],
    [{ tokens: [], dashboard: { token: TOKEN } }, /^dashboard\.token must be one of `tokens`/],
    [{ dashboard: { token: "another-one-of-16" } }, /^dashboard\.token must be one of `tokens`/],
    [{ dashboard: "on" as never }, /^dashboard must be true, false or \{ token \}/],
    [{ dashboard: { tokens: TOKEN } as never }, /tokens/],
  ])("not with %j", (options, message) => {
    expect(() => over(options)).toThrow(
      expect.objectContaining({ code: "OPTIONS_INVALID", message: expect.stringMatching(message) as string }),
    );
  });
});

describe("a token in the page", () => {
  const token = 'a-"token"&<with>-$&-signs';
  const tokenIn = (html: string) =>
    /<meta name="rollcall-token" content="([^"]*)">/
      .exec(html)![1]!
      .replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));

  it.each(["localhost", "127.0.0.1:3000", "127.9.9.9", "[::1]:8080"])("is there for %s", async (host) => {
    const app = over({ tokens: [token], dashboard: { token } });
    const response = await open(app, {}, `http://${host}/`);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const html = await response.text();
    expect(tokenIn(html)).toBe(token);
    const gzipped = await open(app, { "accept-encoding": "gzip" }, `http://${host}/`);
    expect(gunzipSync(Buffer.from(await gzipped.arrayBuffer())).toString()).toBe(html);
  });

  it.each(["presence.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1"])(
    "is not there for %s, which may be a stranger's name for this machine",
    async (host) => {
      const app = over({ tokens: [token], dashboard: { token } });
      expect(tokenIn(await (await open(app, {}, `http://${host}/`)).text())).toBe("");
    },
  );

  it("is not there for another machine that says localhost, nor behind a proxy on this one", async () => {
    const app = over({ tokens: [token], dashboard: { token } });
    const from = async (remoteAddress: string, headers: Record<string, string> = {}) => {
      const env = { incoming: { socket: { remoteAddress } } };
      return tokenIn(await (await app.app.request("http://localhost/", { headers }, env)).text()) !== "";
    };
    for (const own of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
      expect(await from(own)).toBe(true);
    for (const other of ["10.0.0.7", "::ffff:10.0.0.7", "fe80::1%eth0", "2001:db8::1", "172.17.0.1", ""])
      expect([other, await from(other)]).toEqual([other, false]);
    for (const [name, value] of Object.entries({
      "x-forwarded-for": "203.0.113.9",
      forwarded: "for=203.0.113.9",
      via: "1.1 proxy",
      "x-real-ip": "203.0.113.9",
      "cf-connecting-ip": "203.0.113.9",
    }))
      // prettier-ignore
      expect([name, await from("127.0.0.1", { [name]: value })]).toEqual([name, false]);
    // As `wrangler dev` says it; but on Node anybody can.
    expect(await from("127.0.0.1", { "cf-connecting-ip": "127.0.0.1" })).toBe(true);
    expect(await from("10.0.0.7", { "cf-connecting-ip": "127.0.0.1" })).toBe(false);
  });

  it("is in no other app's page", async () => {
    await (await open(over({ tokens: [token], dashboard: { token } }), {}, "http://localhost/")).text();
    expect(tokenIn(await (await open(api, {}, "http://localhost/")).text())).toBe("");
  });
});
