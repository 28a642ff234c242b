/** Commands with a time limit, and the parts of the matrix: each is timed, and a failure does not stop the others. */
import { execFile } from "node:child_process";

export interface RunOptions {
  readonly cwd: string;
  /** Killed after this long, ms. */
  readonly timeout: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** The command's stdout. Rejects with its whole output when it fails or takes too long. */
export async function run(
  file: string,
  args: readonly string[],
  { cwd, timeout, env = {} }: RunOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd, timeout, env: { ...clean, ...env }, maxBuffer: 64 * 1024 * 1024 };
    execFile(file, args, { ...options, killSignal: "SIGKILL" }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const why = error.killed === true ? `took longer than ${timeout} ms` : `ended with ${error.code}`;
      reject(
        new Error(`${file} ${args.join(" ")} ${why}\n${[stdout, stderr].join("\n").trim()}`, {
          cause: error,
        }),
      );
    });
  });
}

/** npm sets variables for its children, and a nested npm would use them as its settings. */
const clean = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(?!config_(registry|cache|userconfig))/i.test(name)),
);

export interface Parts {
  /** Runs one part and prints a line. Undefined when it failed. */
  part<T>(title: string, work: () => Promise<T>): Promise<T | undefined>;
  /** How many have failed so far. */
  readonly failed: number;
}

export function parts(): Parts {
  let failed = 0;
  return {
    async part(title, work) {
      const began = performance.now();
      const line = (mark: string, rest = "") =>
        console.log(
          `${mark} ${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${title}${rest}`,
        );
      try {
        const result = await work();
        line("ok  ", typeof result === "string" && result !== "" ? `: ${result}` : "");
        return result;
      } catch (error) {
        failed++;
        line("FAIL");
        console.log((error instanceof Error ? error.message : String(error)).replaceAll(/^/gm, "     "));
        return undefined;
      }
    },
    get failed() {
      return failed;
    },
  };
}
