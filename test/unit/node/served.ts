/** An app behind serve(), raw connections to it, and curl. */
import { execFile } from "node:child_process";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import type { FetchApp } from "../../../src/http/fetch.ts";
import { serve, type ServeOptions } from "../../../src/node/server.ts";

export interface Served extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
}

export async function served(app: FetchApp, options: Partial<ServeOptions> = {}): Promise<Served> {
  const leaving = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const serving = serve(app, { port: 0, ...options, signal: leaving.signal, onListen: resolve });
  serving.catch(reject);
  const url = await promise;
  return {
    url,
    port: Number(new URL(url).port),
    async [Symbol.asyncDispose]() {
      leaving.abort();
      await serving;
    },
  };
}

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export interface Raw extends Disposable {
  readonly socket: Socket;
  /** The next answer; null when the connection has ended without one. A HEAD's answer has no body. */
  readonly next: (options?: { readonly head?: boolean }) => Promise<RawAnswer | null>;
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
}

/** A connection that sends text as it is. */
export function raw(port: number): Raw {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  let seen = Buffer.alloc(0);
  let isOver = false;
  let wake = () => {};
  socket.on("data", (data) => {
    seen = Buffer.concat([seen, data]);
    wake();
  });
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => {
      isOver = true;
      wake();
      resolve();
    });
  });
  return {
    socket,
    closed,
    async next({ head = false } = {}) {
      for (;;) {
        const end = seen.indexOf("\r\n\r\n");
        const text = seen.subarray(0, Math.max(0, end)).toString("latin1");
        const length = head ? 0 : Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0);
        if (end !== -1 && seen.length >= end + 4 + length) {
          const body = seen.subarray(end + 4, end + 4 + length).toString();
          seen = seen.subarray(end + 4 + length);
          return { status: Number(text.slice(9, 12)), head: text.toLowerCase(), body };
        }
        if (isOver) return null;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** What curl printed: the answer with its head. Rejects when curl fails. */
export async function curl(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("curl", ["-s", "-i", "--max-time", "20", ...args]);
  return stdout;
}
