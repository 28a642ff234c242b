/** Runs an example as a process of its own, on a free port, and reads what it prints. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { io as connectClient, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { onTestFinished } from "vitest";
import { until } from "../../../rig/until.ts";

/** Several processes that start at once on a busy machine take their time. */
const START_MS = 50_000;

/** For a test: seconds on an idle machine. */
export const PATIENT = { timeout: 150_000 };

export const EXAMPLES = join(import.meta.dirname, "../../../examples");

export interface Example {
  readonly url: string;
  readonly lines: readonly string[];
  /** Waits for a line with this text, or one that the pattern fits, after those that an earlier call found; returns it. */
  readonly says: (line: string | RegExp) => Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM. Resolves with the exit code. */
  readonly stop: () => Promise<number | null>;
}

/** Starts examples/NAME, with these variables too, and waits until it listens. It is killed with the test. */
export async function startExample(
  name: string,
  redis: string,
  variables: Record<string, string> = {},
): Promise<Example> {
  const child = spawn(process.execPath, ["--no-warnings", join(EXAMPLES, name)], {
    env: { ...process.env, REDIS_URL: redis, PORT: "0", ...variables },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = once(child, "close");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await closed;
  });
  const lines: string[] = [];
  let rest = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split("\n");
      rest = parts.pop()!;
      lines.push(...parts);
    });
  let seen = 0;
  async function says(line: string | RegExp, timeout?: number): Promise<string> {
    const fits = (one: string) => (typeof line === "string" ? one.includes(line) : line.test(one));
    const found = () => lines.findIndex((one, i) => i >= seen && fits(one));
    const isOver = () => child.exitCode !== null || child.signalCode !== null;
    try {
      await until(
        `${name} says ${line}`,
        () => found() !== -1 || isOver(),
        timeout === undefined ? {} : { timeout },
      );
    } catch (cause) {
      throw new Error(`${name} does not say ${line}:\n${lines.join("\n")}`, { cause });
    }
    if (found() === -1) throw new Error(`${name} ended without saying ${line}:\n${lines.join("\n")}`);
    seen = found() + 1;
    return lines[seen - 1]!;
  }
  const [, port] = /port: (\d+)/.exec(await says("listening on", START_MS))!;
  return {
    url: `http://127.0.0.1:${port}`,
    lines,
    says,
    kill: (signal) => void child.kill(signal),
    async stop() {
      child.kill("SIGTERM");
      await closed;
      return child.exitCode;
    },
  };
}

/** A client that is connected; closed with the test. `user` goes into `auth`. */
export async function tab(
  url: string,
  user?: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
): Promise<Socket> {
  const socket = connectClient(url, {
    auth: user === undefined ? {} : { user },
    forceNew: true,
    transports: ["websocket"],
    ...options,
  });
  onTestFinished(() => void socket.io.engine?.close());
  onTestFinished(() => void socket.disconnect());
  await until("connected", () => socket.connected);
  return socket;
}
