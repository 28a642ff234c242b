/** The Worker as wrangler runs it, and the CPU its processes use. */
import { readdirSync, readFileSync } from "node:fs";
import { startWorkerd } from "../../rig/workerd.ts";

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

export async function startMeasured(variables: Record<string, string>): Promise<Workerd> {
  const worker = await startWorkerd(variables);
  return {
    async schedule() {
      worker.logged.length = 0;
      const before = cpuOfThreads();
      const answer = await worker.schedule();
      const used = [...cpuOfThreads()].map(([thread, { pid, ms }]) => ({
        pid,
        isMain: thread === pid,
        ms: ms - (before.get(thread)?.ms ?? 0),
      }));
      if (!answer.ok)
        throw new Error(`the invocation failed: ${await answer.text()} ${worker.logged.join()}`);
      // Of wrangler's two processes the other one is a proxy, which does less.
      const function_ = used.filter(({ isMain }) => isMain).sort((a, b) => b.ms - a.ms)[0]!;
      const beside = used.filter(({ pid, isMain }) => pid === function_.pid && !isMain);
      return {
        cpu: function_.ms,
        beside: beside.reduce((sum, { ms }) => sum + ms, 0),
        logged: [...worker.logged],
      };
    },
    [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
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
