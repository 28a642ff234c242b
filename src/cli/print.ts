export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** To standard error, after the name of the command: what is wrong with its use. */
export function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
