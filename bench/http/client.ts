/** What the benchmarks of the API share: a server as a process, and plain sockets that send it requests. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface, type Interface } from "node:readline";

/** The servers that bench/http/server.ts can be. */
export type Side = "rollcall" | "node" | "hono";

export interface SideServer extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly lines: Interface;
  readonly port: number;
}

/** Starts one. `answer`: what the bare servers send; `flags`: of node. */
export async function startSide(
  side: Side,
  redis: string,
  answer: object,
  flags: readonly string[] = [],
): Promise<SideServer> {
  const file = new URL("server.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [...flags, file, side, redis], {
    env: { ...process.env, ANSWER: JSON.stringify(answer) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await once(lines, "line")) as [string];
  return {
    child,
    lines,
    port: (JSON.parse(line) as { port: number }).port,
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill();
      await ended;
    },
  };
}

/** CPU time so far, µs, and resident memory, bytes. */
export async function usageOf({ child, lines }: SideServer): Promise<{ cpu: number; rss: number }> {
  const line = once(lines, "line") as Promise<[string]>;
  child.stdin!.write("\n");
  return JSON.parse((await line)[0]) as { cpu: number; rss: number };
}

export interface Exchange {
  readonly port: number;
  readonly connections: number;
  /** The next request, as text; undefined: no more. */
  readonly next: () => string | undefined;
  readonly answered: (status: number) => void;
}

/** Sends requests over connections that are kept open, one after another on each, until there are no more. */
export async function exchange(options: Exchange): Promise<void> {
  await Promise.all(Array.from({ length: options.connections }, () => converse(options)));
}

/** One connection; a new one when the server closes it after an answer. */
function converse({ port, connections, next, answered }: Exchange): Promise<void> {
  return new Promise((resolve, reject) => {
    const first = next();
    if (first === undefined) return resolve();
    const socket = connect(port, "127.0.0.1");
    socket.setNoDelay(true);
    let seen = "";
    let isOver = false;
    socket.on("connect", () => socket.write(first));
    socket.on("error", reject);
    socket.on("close", () => {
      if (!isOver) converse({ port, connections, next, answered }).then(resolve, reject);
    });
    socket.on("data", (data) => {
      seen += data.toString("latin1");
      const end = seen.indexOf("\r\n\r\n");
      if (end === -1) return;
      const length = Number(/content-length: *(\d+)/i.exec(seen.slice(0, end))?.[1] ?? 0);
      if (seen.length < end + 4 + length) return;
      answered(Number(seen.slice(9, 12)));
      const closes = /connection: *close/i.test(seen.slice(0, end));
      seen = "";
      if (closes) return;
      const request = next();
      if (request === undefined) {
        isOver = true;
        socket.end();
        resolve();
      } else socket.write(request);
    });
  });
}
