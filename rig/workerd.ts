/** A Worker bundled and run by wrangler, in the real workerd, on this machine, without network requests. */
import { unstable_startWorker } from "wrangler";

// No requests for metrics or for the contents of request.cf.
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

export interface WorkerOptions {
  /** Default: wrangler.toml. */
  readonly config?: string;
  /** The entry point, instead of the one in the configuration. */
  readonly entrypoint?: string;
}

export interface StartedWorker extends AsyncDisposable {
  /** Without a trailing slash. */
  readonly url: string;
  /** Runs one invocation of its cron to the end. */
  readonly schedule: () => Promise<Response>;
  /** What it printed. */
  readonly logged: string[];
}

/** With these variables in addition to those of the configuration; "" removes one. */
export async function startWorkerd(
  variables: Record<string, string>,
  { config = "wrangler.toml", entrypoint }: WorkerOptions = {},
): Promise<StartedWorker> {
  const logged: string[] = [];
  const worker = await unstable_startWorker({
    config,
    ...(entrypoint !== undefined && { entrypoint }),
    // A developer's .dev.vars would provide the very credentials that must be absent.
    envFiles: ["test/no-such-file.env"],
    bindings: Object.fromEntries(
      Object.entries(variables).map(([name, value]) => [name, { type: "plain_text", value }] as const),
    ),
    dev: {
      server: { hostname: "127.0.0.1", port: 0 },
      inspector: false,
      persist: false,
      watch: false,
      logLevel: "none",
      structuredLogsHandler: ({ message }: { message: string }) => void logged.push(message),
    },
  });
  await worker.ready;
  const url = String(await worker.url).replace(/\/$/, "");
  return {
    url,
    schedule: () => fetch(`${url}/cdn-cgi/handler/scheduled`),
    logged,
    [Symbol.asyncDispose]: () => worker.dispose(),
  };
}
