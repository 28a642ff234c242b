/** The Worker run by wrangler, and the CPU time of its processes. */
import { readdirSync, readFileSync } from "node:fs";
import { startWorkerd } from "../../rig/workerd.ts";

export interface Invocation {
  /** CPU of the thread that runs the function, ms: its JavaScript and the platform's work on that thread, such as HTTP. */
  readonly cpu: number;
  /** CPU of the other threads, ms: V8's garbage collection and compilation. */
  readonly beside: number;
  readonly logged: readonly string[];
}

export interface Workerd extends AsyncDisposable {
  /** Runs one scheduled invocation to the end. */
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
      // wrangler runs two processes; the other one is a proxy, which uses less CPU.
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

/** CPU time so far of the threads of our workerd processes; the scheduler records it in ns. */
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
      // The thread ended meanwhile.
    }
  }
  return threads;
}
