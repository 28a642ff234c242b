export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** To standard error, after the name of the command: what is wrong with its use. */
export function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** What a command says things with, and its environment: a test passes its own. */
export interface Surroundings {
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export const STANDARD: Surroundings = { print, complain, env: process.env };
