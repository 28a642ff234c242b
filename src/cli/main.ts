/** Finds the command and runs it. Each has a file of its own, loaded when it runs; table.ts lists them. */
import { EXIT } from "./command.ts";
import { failureOf, told } from "./failure.ts";
import { type Io, processIo, UNREAD } from "./io.ts";
import { safe } from "./print.ts";
import { type CommanderError, programOf, withoutValues } from "./program.ts";
import { TABLE } from "./table.ts";

/** Resolves with the exit code (command.ts); never rejects. */
export async function main(args: readonly string[], io: Io = processIo()): Promise<number> {
  let code: number = EXIT.ok;
  // Known before anything is parsed: a wrong value is one of that command.
  const known = TABLE.find((entry) => entry.name === args[0]);
  const name = known === undefined ? "rollcall" : `rollcall ${known.name}`;
  const plugin = (why: string): number | undefined => {
    const answer = known?.fails?.(safe(why.split("\n", 1)[0]!));
    if (answer !== undefined) io.stdout.write(`${answer.line}\n`);
    return answer?.exit;
  };
  const program = programOf(TABLE, io, async (entry, given) => {
    const { run } = await entry.load();
    code = await run({ entry, given, io });
  });
  try {
    if (args.length === 0) program.outputHelp();
    else await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    if (isCommanders(error)) {
      if (error.exitCode === 0) return EXIT.ok;
      // Commander has told it on stderr.
      return (
        plugin(withoutValues(error.message.replace(/^error: /, "").replace(/\n[\s\S]*$/, ""))) ?? EXIT.usage
      );
    }
    const failure = failureOf(error);
    if (failure.code === EXIT.interrupted && io.signal.reason === UNREAD) return EXIT.ok;
    const text = told(name, failure);
    if (text !== "") io.stderr.write(`${text}\n`);
    return (failure.code === EXIT.interrupted ? undefined : plugin(failure.message)) ?? failure.code;
  }
}

/** It has told what is wrong already, or it has printed the help or the version. */
function isCommanders(error: unknown): error is CommanderError {
  return error instanceof Error && "exitCode" in error && error.name === "CommanderError";
}
