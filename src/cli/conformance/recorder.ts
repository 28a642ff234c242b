/** The recorder under test: a child process that speaks JSON lines. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";

/** What the recorder may say. */
interface Line {
  readonly ready?: { readonly projects?: boolean; readonly tracks?: boolean };
  readonly synced?: number;
  readonly closed?: boolean;
  readonly error?: string;
}

const STDERR_KEPT = 2_000;

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

export class RecorderProcess {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #lines: Line[] = [];
  readonly #awaited = new Set<() => void>();
  /** Of standard error, the end. */
  #stderr = "";
  #ended: string | undefined;
  /** Errors it reported; a recorder reports one when it has given up. */
  readonly errors: string[] = [];

  constructor([program = "", ...args]: readonly string[]) {
    // A group of its own, so that a shell around it is stopped with it.
    this.#child = spawn(program, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    this.#input = this.#child.stdin!;
    this.#input.on("error", () => {});
    this.#child.stderr!.on("data", (data: Buffer) => {
      this.#stderr = (this.#stderr + data.toString()).slice(-STDERR_KEPT);
    });
    this.#child.on("error", (error) => this.#end(`it cannot be started: ${error.message}`));
    this.#child.on("exit", (code, signal) => this.#end(`it ended with ${signal ?? `code ${code}`}`));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#hear(line));
  }

  send(line: object): void {
    // Some line readers also split at these characters.
    const text = JSON.stringify(line).replaceAll(/[\u0085\u2028\u2029]/g, escaped);
    this.#input.write(`${text}\n`);
  }

  /** Resolves with the first matching line. Rejects when the recorder ends, reports an error, or takes longer than `ms`. */
  async hear(what: string, fits: (line: Line) => boolean, ms: number): Promise<Line> {
    const until = performance.now() + ms;
    for (;;) {
      const found = this.#lines.find(fits);
      if (found !== undefined) return found;
      if (this.errors.length > 0) throw new Error(`the recorder reported an error: ${this.errors[0]}`);
      if (this.#ended !== undefined) throw new Error(`waiting for ${what}: ${this.#ended}${this.#words()}`);
      const left = until - performance.now();
      if (left <= 0) throw new Error(`the recorder did not say ${what} within ${ms} ms${this.#words()}`);
      await new Promise<void>((resolve) => {
        const go = () => {
          clearTimeout(timer);
          this.#awaited.delete(go);
          resolve();
        };
        const timer = setTimeout(go, left);
        this.#awaited.add(go);
      });
    }
  }

  /** SIGSTOP, SIGCONT, SIGKILL for it and all that it started. */
  signal(signal: NodeJS.Signals): void {
    if (this.#child.pid === undefined || this.#ended !== undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch {
      this.#child.kill(signal);
    }
  }

  #words(): string {
    return this.#stderr === "" ? "" : `; on standard error: ${this.#stderr.trim()}`;
  }

  #end(how: string): void {
    this.#ended ??= how;
    this.#wake();
  }

  #hear(text: string): void {
    try {
      const line = JSON.parse(text) as Line;
      if (typeof line.error === "string") this.errors.push(line.error);
      this.#lines.push(line);
    } catch {
      this.errors.push(`a line that is not JSON: ${text.slice(0, 200)}`);
    }
    this.#wake();
  }

  #wake(): void {
    for (const go of this.#awaited) go();
  }
}
