/** The Worker as wrangler runs it, and the CPU its processes use. */
import { readdirSync, readFileSync } from "node:fs";
import { unstable_startWorker } from "wrangler";

// No look-ups on the network.
process.env["WRANGLER_SEND_METRICS"] = "false";
process.env["CLOUDFLARE_CF_FETCH_ENABLED"] = "false";

export interface Invocation {
  /** Of the thread that runs the function, ms: its JavaScript, and what the platform does for it there, such as HTTP. */
  readonly cpu: number;
  /** Of the threads beside it, ms: V8 collecting garbage and compiling. */
  readonly beside: number;
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
      const before = cpuOfThreads();
      const answer = await fetch(url);
      const used = [...cpuOfThreads()].map(([thread, { pid, ms }]) => ({
        pid,
        isMain: thread === pid,
        ms: ms - (before.get(thread)?.ms ?? 0),
      }));
      if (!answer.ok) throw new Error(`the invocation failed: ${await answer.text()} ${logged.join()}`);
      // Of wrangler's two processes the other one is a proxy, which does less.
      const function_ = used.filter(({ isMain }) => isMain).sort((a, b) => b.ms - a.ms)[0]!;
      const beside = used.filter(({ pid, isMain }) => pid === function_.pid && !isMain);
      return { cpu: function_.ms, beside: beside.reduce((sum, { ms }) => sum + ms, 0), logged };
    },
    [Symbol.asyncDispose]: () => worker.dispose(),
  };
}

/** CPU so far of the threads of our own workerd processes; the scheduler keeps it in ns. */
function cpuOfThreads(): Map<string, { readonly pid: string; readonly ms: number }> {
  const threads = new Map<string, { pid: string; ms: number }>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
      if (name !== "workerd" || Number(parent) !== process.pid) continue;
      for (const thread of readdirSync(`/proc/${pid}/task`)) {
        const [ns] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1);
        threads.set(thread, { pid, ms: Number(ns) / 1e6 });
      }
    } catch {
      // It ended while we looked.
    }
  }
  return threads;
}
