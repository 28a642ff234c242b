/** The bridge as a separate process, so that its cost is not counted as the function's. */
import { spawn } from "node:child_process";
import { once } from "node:events";

const TOKEN = "the-credentials-that-may-write";

export interface BridgeProcess extends AsyncDisposable {
  readonly environment: Record<string, string>;
}

export async function startBridgeProcess(redis: string): Promise<BridgeProcess> {
  const child = spawn(process.execPath, ["packages/upstash-bridge/src/main.ts", "--redis", redis], {
    env: { ...process.env, UPSTASH_REDIS_REST_TOKEN: TOKEN },
    stdio: ["ignore", "pipe", "inherit"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  let printed = "";
  let url: string | undefined;
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    url = /^UPSTASH_REDIS_REST_URL=(\S+)$/m.exec(printed)?.[1];
    if (url !== undefined) break;
  }
  if (url === undefined) throw new Error(`the bridge did not start: ${printed}`);
  return {
    environment: { UPSTASH_REDIS_REST_URL: url, UPSTASH_REDIS_REST_TOKEN: TOKEN },
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      child.kill("SIGTERM");
      await ended;
    },
  };
}
