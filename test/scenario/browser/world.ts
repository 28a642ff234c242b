/** Pages of one origin in a real browser, and the API of another behind serve(), over a real Socket.IO server and a real Redis. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { type AppOptions, createApp } from "../../../src/http/app.ts";
import { serve } from "../../../src/node/server.ts";

/** A request that the API got; `status` once it is answered. */
export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  status: number | undefined;
}

export interface Api extends AsyncDisposable {
  readonly url: string;
  readonly got: readonly Got[];
}

/** The API behind serve(), and what reaches it. Ends as a server that is told to: its streams first. */
export async function startApi(options: AppOptions, port = 0): Promise<Api> {
  const leaving = new AbortController();
  const { signal } = leaving;
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const serving = serve(createApp({ ...options, signal }), { port, signal, onListen: resolve });
  serving.catch(reject);
  const url = await promise;
  const got: Got[] = [];
  const requests = new WeakMap<IncomingMessage, Got>();
  const isOurs = ({ socket }: IncomingMessage) => socket.localPort === Number(new URL(url).port);
  const starts = (message: unknown) => {
    const { request } = message as { readonly request: IncomingMessage };
    if (!isOurs(request)) return;
    const { method = "", url: path = "", headers } = request;
    const one: Got = { method, path, headers, status: undefined };
    got.push(one);
    requests.set(request, one);
  };
  const ends = (message: unknown) => {
    const { request, response } = message as { request: IncomingMessage; response: ServerResponse };
    const one = requests.get(request);
    if (one !== undefined) one.status = response.statusCode;
  };
  subscribe("http.server.request.start", starts);
  subscribe("http.server.response.finish", ends);
  return {
    url,
    got,
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await serving;
      unsubscribe("http.server.request.start", starts);
      unsubscribe("http.server.response.finish", ends);
    },
  };
}

export interface Site extends AsyncDisposable {
  readonly origin: string;
}

/** A site with one page, which has the functions of `script` and asks for nothing else. */
export async function startSite(
  script: "page.ts" | "react-page.ts" | "friends-page.ts" = "page.ts",
): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(script, import.meta.url))],
    bundle: true,
    // React as it is while one develops: StrictMode mounts everything twice, and mistakes are told in the console.
    define: { "process.env.NODE_ENV": '"development"' },
    write: false,
    platform: "browser",
    format: "iife",
    logLevel: "silent",
  });
  const code = outputFiles[0]!.text;
  const html = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>-</title><script>${code}</script>`;
  const server = createServer((_, response) => {
    response.setHeader("content-type", "text/html");
    response.end(html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export interface Tab extends AsyncDisposable {
  readonly page: Page;
  /** What its console showed in red, and what its code threw. */
  readonly errors: readonly string[];
}

/** A page in a profile of its own: no cookies, cache or connections of another. */
export async function openTab(browser: Browser, { origin }: Site): Promise<Tab> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(origin);
  return { page, errors, [Symbol.asyncDispose]: () => context.close() };
}
