/** Runs the demo as a person would, and finds out whether it left anything behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { until } from "../../../rig/until.ts";

const MAIN = fileURLToPath(new URL("../../../examples/demo/main.ts", import.meta.url));

export interface DemoRun {
  readonly pid: number;
  readonly said: { out: string; err: string };
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the output has this in it; rejects when the demo ends before. */
  says(text: string): Promise<void>;
}

/** Starts the demo with nothing in its environment but PATH, HOME and `environment`. */
export function startDemo(args: readonly string[], environment: NodeJS.ProcessEnv = {}): DemoRun {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH, HOME, ...environment } });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (said.err += chunk.toString()));
  let isOver = false;
  const ended = once(child, "close").then(([code, signal]) => {
    isOver = true;
    return { code: code as number | null, signal: signal as string | null };
  });
  return {
    pid: child.pid!,
    said,
    ended,
    kill: (signal) => child.kill(signal),
    async says(text) {
      await until(
        `the demo says ${JSON.stringify(text)}`,
        () => {
          if (isOver && !said.out.includes(text))
            throw new Error(`the demo ended first: ${said.out}${said.err}`);
          return said.out.includes(text);
        },
        { timeout: 40_000 },
      );
    },
  };
}

/** The process groups the demo said it started, as `name=id`. */
export function groupsIn(output: string): string[] {
  return output
    .split("\n")
    .filter((line) => line.startsWith("pids "))
    .flatMap((line) => line.split(" ").slice(1));
}

/** Waits until no process of these groups is left. */
export async function untilGone(groups: readonly string[]): Promise<void> {
  const ids = groups.map((group) => Number(group.split("=")[1]));
  await until(`gone: ${groups.join(" ")}`, () => !ids.some(isRunning));
}

/** Does a process group have a member that runs? One that has ended and waits for its parent to notice does not count. */
function isRunning(group: number): boolean {
  if (existsSync("/proc/self/stat")) return statesInLinux(group).some((state) => state !== "Z");
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

function statesInLinux(group: number): string[] {
  const states: string[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      // pid (name) state parent group …; the name may hold anything.
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, , id] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(id) === group) states.push(state!);
    } catch {
      // It has ended meanwhile.
    }
  }
  return states;
}
