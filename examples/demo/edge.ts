/**
 * The edge of the demo: this project's Worker under `wrangler dev`, in the real workerd, with only the bridge's read-only token.
 */
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Child } from "../../rig/child.ts";
import { type EdgeClient, edgeClient } from "./edge-client.ts";
import { DemoError } from "./errors.ts";
import { orAborted } from "../../rig/pace.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const START_TIMEOUT_MS = 25_000;
const STOP_TIMEOUT_MS = 4_000;
/** Tokens are pasted by people; this is long enough for a demo on a loopback address. */
const TOKEN_BYTES = 12;

export interface EdgeOptions {
  /** The bridge's URL and read-only token. */
  readonly restUrl: string;
  readonly readOnlyToken: string;
  readonly prefix: string;
  readonly onFailure: (error: DemoError) => void;
}

export interface Edge extends EdgeClient {
  readonly url: string;
  /** The bearer token for callers. */
  readonly token: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** Rejects with DemoError when wrangler ends or is not ready in time, with the signal's reason when the signal fires. */
export async function startEdge(options: EdgeOptions, signal: AbortSignal): Promise<Edge> {
  const directory = await mkdtemp(join(tmpdir(), "rollcall-edge-"));
  let child: Child | undefined;
  let isStopping = false;
  async function stop(): Promise<void> {
    isStopping = true;
    await child?.stop(STOP_TIMEOUT_MS);
    await rm(directory, { recursive: true, force: true });
  }
  try {
    const token = randomBytes(TOKEN_BYTES).toString("hex");
    const { promise: ready, resolve } = Promise.withResolvers<string>();
    child = await wrangler(directory, await secretsIn(directory, options, token), (message) => {
      const url = readyUrl(message);
      if (url !== undefined) resolve(url);
    });
    const { pid, ended } = child;
    const failed = ended.then(() => {
      throw new DemoError(`wrangler dev ended: ${child!.epitaph}`);
    });
    const url = await orAborted(Promise.race([ready, failed]), signal, {
      timeout: START_TIMEOUT_MS,
      late: () =>
        new DemoError(`wrangler dev was not ready within ${START_TIMEOUT_MS} ms: ${child!.epitaph}`),
    });
    failed.catch((error: DemoError) => {
      if (!isStopping) options.onFailure(error);
    });
    const ask = edgeClient(url, token);
    // The Worker may listen and still not answer: an invalid variable shows here.
    await ask.counts().catch((error: DemoError) => {
      throw new DemoError(
        `the edge does not answer correctly: ${error.message}\nwrangler dev: ${child!.epitaph}`,
      );
    });
    signal.throwIfAborted();
    return { url, token, pid, stop, ...ask };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** In a file, because any user can read a process's arguments; separate from the project's .dev.vars. */
async function secretsIn(directory: string, options: EdgeOptions, token: string): Promise<string> {
  const path = join(directory, "secrets.env");
  const variables = {
    UPSTASH_REDIS_REST_URL: options.restUrl,
    UPSTASH_REDIS_REST_READONLY_TOKEN: options.readOnlyToken,
    ROLLCALL_TOKENS: token,
    // The page opens without asking. Only this machine reaches it.
    ROLLCALL_DASHBOARD: "token",
    // Nobody bills a request to the bridge.
    ROLLCALL_STREAM_REQUESTS: "100000",
    ROLLCALL_PREFIX: options.prefix,
    ROLLCALL_SHARDS: "1",
    // The nodes run the projector.
    ROLLCALL_STALE_AFTER: "5000",
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(path, lines.join(""), { mode: 0o600 });
  return path;
}

async function wrangler(
  directory: string,
  secrets: string,
  onMessage: (message: unknown) => void,
): Promise<Child> {
  const manifest = createRequire(import.meta.url).resolve("wrangler/package.json");
  const [state, registry, logs] = ["state", "registry", "logs"].map((name) => join(directory, name));
  for (const path of [state!, registry!, logs!]) await mkdir(path);
  const flags = {
    config: join(PROJECT, "wrangler.toml"),
    "env-file": secrets,
    "persist-to": state,
    ip: "127.0.0.1",
    port: "0",
    "inspector-port": "0",
    "log-level": "warn",
    "show-interactive-dev-session": "false",
  };
  return Child.start({
    name: "wrangler",
    file: join(dirname(manifest), "bin", "wrangler.js"),
    args: ["dev", ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)],
    cwd: PROJECT,
    directory,
    env: {
      // No network requests.
      WRANGLER_SEND_METRICS: "false",
      CLOUDFLARE_CF_FETCH_ENABLED: "false",
      WRANGLER_HIDE_BANNER: "true",
      WRANGLER_REGISTRY_PATH: registry!,
      WRANGLER_LOG_PATH: logs!,
    },
    onMessage,
  });
}

/** wrangler sends its parent a message with its address once it is ready. */
function readyUrl(message: unknown): string | undefined {
  const told = typeof message === "string" ? (JSON.parse(message) as Record<string, unknown>) : {};
  return told["event"] === "DEV_SERVER_READY"
    ? `http://${String(told["ip"])}:${String(told["port"])}`
    : undefined;
}
