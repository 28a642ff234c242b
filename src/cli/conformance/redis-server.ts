/** A Redis for the checks: the one at REDIS_URL, or one started from PATH. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { RespClient } from "./resp.ts";

export interface Redis {
  readonly url: string;
  stop(): Promise<void>;
}

const START_MS = 10_000;

/** Rejects when there is none. */
export async function findRedis(url: string | undefined): Promise<Redis> {
  if (url !== undefined && url !== "") {
    const client = await RespClient.open(url).catch((error: Error) => {
      throw new Error(`the Redis at REDIS_URL does not answer: ${error.message}`);
    });
    client.close();
    return { url, stop: async () => {} };
  }
  for (const name of ["redis-server", "valkey-server"]) {
    const started = await start(name);
    if (started !== undefined) return started;
  }
  throw new Error("no Redis: set REDIS_URL, or install redis-server so that it is on PATH");
}

/** Undefined: the program does not exist. */
async function start(name: string): Promise<Redis | undefined> {
  const port = await freePort();
  const directory = await mkdtemp(join(tmpdir(), "rollcall-conformance-"));
  const settings = { port: String(port), bind: "127.0.0.1", save: "", appendonly: "no", dir: directory };
  const flags = Object.entries(settings).flatMap(([setting, value]) => [`--${setting}`, value]);
  const child = spawn(name, flags, { stdio: "ignore" });
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  // Stop it however this process ends.
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    process.off("exit", kill);
    await rm(directory, { recursive: true, force: true });
  };
  const url = `redis://127.0.0.1:${port}`;
  const runs = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  for (const until = performance.now() + START_MS; runs() && performance.now() < until;) {
    try {
      (await RespClient.open(url)).close();
      return { url, stop };
    } catch {
      await delay(20);
    }
  }
  await stop();
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
