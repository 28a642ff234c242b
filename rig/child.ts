/**
 * A child process in its own process group. So Ctrl-C in a terminal reaches only its owner, which shuts its children down, and
 * processes that the child starts (wrangler starts workerd) end together with it.
 *
 * An owner that crashes leaves no group behind: a shell waits on a pipe that only the owner holds open, and kills the group when
 * the pipe closes.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { stripVTControlCharacters } from "node:util";

/** A child process that cannot be run. */
export class ChildError extends Error {
  override readonly name = "ChildError";
}

/** How much of a child's output is kept for error messages. */
const OUTPUT_LINES = 15;

export interface ChildOptions {
  readonly name: string;
  /** A JavaScript or TypeScript file, run by the owner's Node. */
  readonly file: string;
  readonly args?: readonly string[];
  /** Added to the owner's environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Deleted with the child when the owner crashes; otherwise the owner deletes it. */
  readonly directory?: string;
  readonly onMessage: (message: unknown) => void;
}

const running = new Set<Child>();

export class Child {
  readonly name: string;
  /** Also the id of its process group. */
  readonly pid: number;
  /** Resolves when the child has ended, its group is killed and its output is read. Never rejects. */
  readonly ended: Promise<void>;
  readonly #process: ChildProcess;
  readonly #output: string[] = [];

  private constructor(name: string, child: ChildProcess, directory: string | undefined) {
    this.name = name;
    this.pid = child.pid!;
    this.#process = child;
    for (const stream of [child.stdout!, child.stderr!])
      stream.on("data", (chunk: Buffer) => this.#keep(chunk));
    running.add(this);
    child.once("exit", () => this.killGroup());
    this.ended = new Promise((resolve) => {
      child.once("close", () => {
        running.delete(this);
        resolve();
      });
    });
    watchOver(this.pid, directory, this.ended);
  }

  /** Rejects with ChildError if the file cannot be run. */
  static async start({
    name,
    file,
    args = [],
    env,
    cwd,
    directory,
    onMessage,
  }: ChildOptions): Promise<Child> {
    const child = spawn(process.execPath, [file, ...args], {
      env: { ...process.env, NO_COLOR: "1", ...env },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      detached: true,
      ...(cwd !== undefined && { cwd }),
    });
    child.on("message", onMessage);
    try {
      await once(child, "spawn");
    } catch (cause) {
      throw new ChildError(`${name} cannot be started: ${String(cause)}`, { cause });
    }
    // A later "error" is a signal or a message to a process that has ended, which "exit" reports anyway.
    child.on("error", () => {});
    return new Child(name, child, directory);
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** How it ended, followed by the last lines of its output. */
  get epitaph(): string {
    const { exitCode, signalCode } = this.#process;
    const how = signalCode ?? (exitCode === null ? "still running" : `exit code ${exitCode}`);
    return [how, ...this.#output.map((line) => `  ${line}`)].join("\n");
  }

  get exitCode(): number | null {
    return this.#process.exitCode;
  }

  /** Sends a signal to the child only, not to its group. */
  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Over IPC. One that has ended gets nothing. */
  send(message: string): void {
    if (this.#process.connected) this.#process.send(message);
  }

  /** SIGTERM, and SIGKILL to the whole group after `patience` ms. Resolves when it has ended. */
  async stop(patience: number): Promise<void> {
    if (!this.hasEnded) this.kill("SIGTERM");
    const timer = setTimeout(() => this.killGroup(), patience);
    await this.ended;
    clearTimeout(timer);
  }

  killGroup(): void {
    try {
      process.kill(-this.pid, "SIGKILL");
    } catch {
      // The group is empty.
    }
  }

  #keep(chunk: Buffer): void {
    const lines = stripVTControlCharacters(chunk.toString()).split("\n");
    this.#output.push(...lines.map((line) => line.trimEnd()).filter((line) => line !== ""));
    this.#output.splice(0, this.#output.length - OUTPUT_LINES);
  }
}

/** Kills every group at once: for a second Ctrl-C and for an unplanned exit. */
export function killEveryGroup(): void {
  for (const child of running) child.killGroup();
}

function watchOver(pid: number, directory: string | undefined, ended: Promise<void>): void {
  // Not `kill -KILL -- -1234`, which dash does not understand.
  const script = 'read -r _; kill -s KILL -- "-$1" 2>/dev/null; if [ -n "$2" ]; then rm -rf "$2"; fi';
  const watchdog = spawn("/bin/sh", ["-c", script, "rollcall-watchdog", String(pid), directory ?? ""], {
    stdio: ["pipe", "ignore", "ignore"],
    cwd: "/",
    detached: true,
  });
  // Without a shell, a child outlives a crash of its owner.
  watchdog.on("error", () => {});
  watchdog.stdin.on("error", () => {});
  watchdog.unref();
  (watchdog.stdin as Socket).unref();
  // Later, the group id may belong to other processes.
  void ended.then(() => watchdog.kill("SIGKILL"));
}
