/** Runs a block as a process of its own, against the test's Redis and on a free port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { ROOT } from "./markdown.ts";
import { until } from "../../../rig/until.ts";

/** How long a process may take on a busy machine to say what it says at once on an idle one. */
export const PATIENCE = { timeout: 25_000 };

/** Pages say where Redis and the servers usually are; a test has them elsewhere. */
export interface Places {
  /** In place of `redis://localhost:6379`. */
  readonly redis: string;
  /** In place of ports 3000 and 8080. */
  readonly port: number;
}

export function placed(code: string, { redis, port }: Places): string {
  return code.replaceAll("redis://localhost:6379", redis).replaceAll(/\b(?:3000|8080)\b/g, String(port));
}

export interface Running {
  /** All that it has written so far, errors included. */
  output(): string;
  /** Waits until it has written `text`; fails with what it wrote when it has ended instead. */
  says(text: string): Promise<void>;
  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void;
  /** Resolves with its exit code; null: a signal ended it. */
  readonly ended: Promise<number | null>;
}

export function run(directory: string, file: string, environment: Record<string, string> = {}): Running {
  const child = spawn(
    process.execPath,
    ["--no-warnings", "--import", join(ROOT, "test/unit/docs/doors.ts"), file],
    { cwd: directory, env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  let over = false;
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, "close").then(() => {
    over = true;
    return child.exitCode;
  });
  return {
    output: () => output,
    async says(text) {
      await until(`${file} says ${JSON.stringify(text)}`, () => output.includes(text) || over, PATIENCE);
      if (!output.includes(text)) throw new Error(`${file} ended without saying ${text}:\n${output}`);
    },
    kill: (signal) => void child.kill(signal),
    ended,
  };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
