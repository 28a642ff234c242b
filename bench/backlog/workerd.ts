/** The Worker as wrangler runs it, and the CPU its processes use. */
import { readdirSync, readFileSync } from "node:fs";
import { unstable_startWorker } from "wrangler";

// No look-ups on the network.
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

export interface Invocation {
  /** ms, over all threads of all workerd processes. */
  readonly cpu: number;
  readonly logged: readonly string[];
}

export interface Workerd extends AsyncDisposable {
  /** One scheduled invocation, to its end. */
  schedule(): Promise<Invocation>;
}

export async function startWorkerd(variables: Record<string, string>): Promise<Workerd> {
  let logged: string[] = [];
  const worker = await unstable_startWorker({
    config: "wrangler.toml",
    envFiles: ["bench/no-such-file.env"],
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
  const url = new URL("/cdn-cgi/handler/scheduled", await worker.url);
  return {
    async schedule() {
      logged = [];
      const before = cpuOfWorkerd();
      const answer = await fetch(url);
      const cpu = cpuOfWorkerd() - before;
      if (!answer.ok) throw new Error(`the invocation failed: ${await answer.text()} ${logged.join()}`);
      return { cpu, logged };
    },
    [Symbol.asyncDispose]: () => worker.dispose(),
  };
}

/** CPU of our own workerd processes so far, ms; the scheduler keeps it in ns, thread by thread. */
function cpuOfWorkerd(): number {
  let ns = 0;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
      if (name !== "workerd" || Number(parent) !== process.pid) continue;
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
      }
    } catch {
      // It ended while we looked.
    }
  }
  return ns / 1e6;
}
