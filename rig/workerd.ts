/** A Worker as wrangler bundles and runs it: in the real workerd, on this machine, without a look-up on the network. */
import { unstable_startWorker } from "wrangler";

// Neither for metrics nor for what request.cf would be.
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

export interface WorkerOptions {
  /** Default: wrangler.toml. */
  readonly config?: string;
  /** Instead of the one that the configuration names. */
  readonly entrypoint?: string;
}

export interface StartedWorker extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
  /** One invocation of its cron, to its end. */
  readonly schedule: () => Promise<Response>;
  /** What it printed. */
  readonly logged: string[];
}

/** With these variables beside those of the configuration; "" leaves one of them out. */
export async function startWorkerd(
  variables: Record<string, string>,
  { config = "wrangler.toml", entrypoint }: WorkerOptions = {},
): Promise<StartedWorker> {
  const logged: string[] = [];
  const worker = await unstable_startWorker({
    config,
    ...(entrypoint !== undefined && { entrypoint }),
    // A .dev.vars of somebody who works here would bring the very credentials that have to be absent.
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
