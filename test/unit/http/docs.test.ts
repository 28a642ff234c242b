/**
 * Goal: GET /docs shows every route of /openapi.json to people, with nothing that runs, loads or leaks.
 * Method: the page is compared with the document, and opened in a real browser at two widths.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { createApp, createProbes } from "../../../src/http/app.ts";
import { serve } from "../../../src/node/server.ts";
import { createReader } from "../../../src/reader/create.ts";
import { browserOnly, startChromium } from "../../../rig/chromium.ts";

// Nothing here asks Redis.
const reader = createReader({ redis: "redis://127.0.0.1:1" });
const app = createApp({ reader });
const page = async () => (await app.request("/docs")).text();

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string }[];
  readonly responses: Readonly<Record<string, object>>;
}

it("every route, parameter, status and schema of the document is on the page", async () => {
  const { paths, components } = (await (await app.request("/openapi.json")).json()) as {
    paths: Record<string, Record<string, Operation>>;
    components: { schemas: Record<string, object> };
  };
  const text = await page();
  expect(Object.keys(paths).length).toBeGreaterThan(10);
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { operationId, parameters = [], responses }] of Object.entries(methods)) {
      const article = new RegExp(`<article aria-labelledby="${operationId}">.*?</article>`, "s").exec(
        text,
      )?.[0];
      expect(article, path).toContain(`<b>${method.toUpperCase()}</b> ${path}`);
      for (const { name } of parameters) expect(article).toContain(`<code>${name}</code>`);
      for (const status of Object.keys(responses)) expect(article).toContain(`<dt>${status}</dt>`);
    }
  for (const name of Object.keys(components.schemas)) expect(text).toContain(`id="schema-${name}"`);
  expect(text).toContain("QUERY_INVALID");
});

it("each id is there once, and each link leads to one", async () => {
  const text = await page();
  const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
  expect(ids).toEqual([...new Set(ids)]);
  for (const [, id] of text.matchAll(/ href="#([^"]+)"/g)) expect(ids).toContain(id);
});

it("an example for curl sends a token only where one is required, and a body that the route takes", async () => {
  const text = (await page()).replaceAll("&quot;", '"').replaceAll("&#39;", "'");
  expect(text).toContain('>curl "$URL/v1/counts"\n');
  expect(text).toContain('>curl -H "authorization: Bearer $TOKEN" "$URL/v1/users/alice"<');
  const bodies = [...text.matchAll(/--json '(.+?)' "\$URL([^"]+)"/g)];
  expect(bodies.length).toBe(2);
  for (const [, body = "", path = ""] of bodies) {
    // It gets as far as asking a Redis that is not there.
    const asked = createApp({ reader, tokens: ["a-token-for-the-tests-of-the-api"], timeout: 1 }).request(
      path,
      {
        method: "POST",
        headers: {
          authorization: "Bearer a-token-for-the-tests-of-the-api",
          "content-type": "application/json",
        },
        body,
      },
    );
    expect((await asked).status, body).toBe(503);
  }
});

it("its policy lets its styles in and nothing else, and it weighs little", async () => {
  const response = await app.request("/docs");
  const text = await response.text();
  const style = /<style>(.*?)<\/style>/s.exec(text)![1]!;
  const hash = createHash("sha256").update(style).digest("base64");
  expect(response.headers.get("content-security-policy")).toBe(
    `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(text).not.toMatch(/<script|style="|\son\w+=|https?:\/\//);
  expect(gzipSync(text).length).toBeLessThan(10_000);
  const etag = response.headers.get("etag")!;
  expect((await app.request("/docs", { headers: { "if-none-match": etag } })).status).toBe(304);
});

it("without `docs`, and on the port of probes, there is no page", async () => {
  const without = createApp({ reader, docs: false });
  // As any path that does not exist.
  expect((await without.request("/docs")).status).toBe((await without.request("/nothing")).status);
  expect((await createProbes({ reader }).request("/docs")).status).toBe(404);
  expect(() => createApp({ reader, docs: "no" as never })).toThrow("docs must be true or false");
});

it("a browser shows it without a complaint or a request of its own, and nothing is wider than a phone", async (context) => {
  browserOnly(context);
  const stopping = new AbortController();
  const { signal } = stopping;
  const listening = Promise.withResolvers<string>();
  const serving = serve(app, { port: 0, host: "127.0.0.1", signal, onListen: listening.resolve });
  const url = `${await listening.promise}/docs`;
  const browser = await startChromium();
  const backgrounds = new Set<string>();
  for (const [width, colorScheme] of [[320, "dark"], [1280, "light"]] as const) {
    const tab = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    const said: string[] = [];
    tab.on("console", (message) => said.push(message.text()));
    tab.on("pageerror", (error) => said.push(error.message));
    tab.on("request", (request) => said.push(request.url()));
    await tab.goto(url, { waitUntil: "networkidle" });
    expect(said).toEqual([url]);
    expect(await tab.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
    backgrounds.add(await tab.evaluate(() => getComputedStyle(document.body).backgroundColor));
    // The first stop of the keyboard is the link past the list of routes.
    await tab.keyboard.press("Tab");
    expect(await tab.evaluate(() => document.activeElement?.getAttribute("href"))).toBe("#main");
  }
  expect(backgrounds.size).toBe(2);
  await browser.close();
  stopping.abort();
  await serving;
}); // prettier-ignore
