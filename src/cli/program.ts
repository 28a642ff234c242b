/** The table as a program of commander: parsing, suggestions, help. */
import { Argument, Command, type CommanderError, Option } from "commander";
import { VERSION } from "../core/version.ts";
import { type Entry, type Flag, UsageError } from "./command.ts";
import { Given, type Value, valueOf } from "./given.ts";
import type { Io } from "./io.ts";
import { safe } from "./print.ts";

export type { CommanderError };

/** Fixed, so that docs/cli.md has what a terminal shows. */
const WIDTH = 100;

const CODES = `Exit codes: 0, yes; 1, the answer is no; 2, wrong use; 3, Redis or the API cannot be reached or is
too slow; 4, it refused; 70, a bug; 130, interrupted.`;

export type Act = (entry: Entry, given: Given) => Promise<void>;

export function programOf(table: readonly Entry[], io: Io, act: Act): Command {
  const program = settled(new Command("rollcall"), io)
    .description("Crash-proof presence for Socket.IO: who is online, from the command line.")
    .version(VERSION, "--version", "print the version")
    .helpOption("--help", "print this, or the help of a command")
    .helpCommand("help [command]", "print the help of a command")
    .enablePositionalOptions()
    .usage("<command> [options]")
    .addHelpText(
      "after",
      `
Data goes to stdout, everything else to stderr. On a terminal you get tables; in a pipe, one line per
row with fields separated by tabs. The variable in brackets sets the same option.

${CODES}`,
    );
  for (const entry of table) program.addCommand(commandOf(entry, io, act));
  return program;
}

function settled(command: Command, io: Io): Command {
  return command
    .exitOverride()
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      getOutHelpWidth: () => WIDTH,
      getErrHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => write(complaint(text, command.name())),
    });
}

/**
 * What commander says without what was typed, of which only what looks like a flag or a command is left: the rest may be a secret, such as a
 * URL of Redis without its `--redis`.
 */
export function withoutValues(said: string): string {
  const what = said
    .replace(
      /^(unknown option )'([\s\S]*)'$/,
      (_, start: string, text: string) => `${start}'${/^-{1,2}[^\s=:'/]{0,60}/.exec(text)?.[0] ?? ""}'`,
    ) // prettier-ignore
    .replace(
      /^(unknown command )'([\s\S]*)'$/,
      (_, start: string, text: string) =>
        `${start}${/^[\w-]{1,60}$/.test(text) ? `'${text}'` : "(not shown: it may be a secret)"}`,
    ) // prettier-ignore
    .replace(/^(too many arguments .*? but got \d+)[\s\S]*$/, "$1");
  return safe(what);
}

/** Commander's text in our form. */
function complaint(text: string, name: string): string {
  const [, what = text, hint] = /^error: ([\s\S]*?)(?:\n\((Did you mean [\s\S]*)\))?\n*$/.exec(text) ?? [];
  const said = withoutValues(what);
  const near = hint === undefined ? "" : ` (${hint.replace(/^D/, "d").replaceAll("\n", " ")})`;
  const command = name === "rollcall" ? name : `rollcall ${name}`;
  return `${command}: ${said}${near}\nSee: ${command} --help\n`;
}

function commandOf(entry: Entry, io: Io, act: Act): Command {
  const { name, summary, about, codes, examples, flags, positionals } = entry;
  const command = settled(new Command(name), io)
    .summary(summary)
    .description(about === undefined ? sentence(summary) : `${sentence(summary)}\n\n${about}`)
    .helpOption("--help", "print this")
    .allowExcessArguments(false)
    .addHelpText(
      "after",
      `\n${examplesOf(examples)}\n\n${CODES}${codes === undefined ? "" : `\nHere: ${codes}.`}`,
    );
  for (const positional of positionals) {
    const dots = positional.many === true ? "..." : "";
    const shape =
      positional.optional === true ? `[${positional.name}${dots}]` : `<${positional.name}${dots}>`;
    const argument = new Argument(shape, positional.doc);
    if (positional.choices !== undefined)
      // Not `choices`, which the help would list a second time.
      argument.argParser((text: string) => chosen(positional.name, text, positional.choices!));
    command.addArgument(argument);
  }
  for (const flag of flags) command.addOption(optionOf(flag));
  command.action(async () => act(entry, givenTo(entry, command, io)));
  return command;
}

function chosen(name: string, text: string, choices: readonly string[]): string {
  if (!choices.includes(text)) throw new UsageError(`<${name}> must be one of ${choices.join(", ")}`);
  return text;
}

function optionOf(flag: Flag): Option {
  const { name, value = "value", kind, doc, env, choices, fallback, many } = flag;
  const shape = kind === "switch" ? `--${name}` : `--${name} <${value}>`;
  const notes = [
    choices === undefined || choices.length > 6 ? [] : [choices.join(", ")],
    fallback === undefined ? [] : [`default ${fallback}`],
  ].flat();
  const note = notes.length === 0 ? "" : ` (${notes.join("; ")})`;
  const option = new Option(shape, `${doc}${note}${env === null ? "" : ` [${env}]`}`);
  if (kind !== "switch")
    option.argParser((text: string, before: unknown) => {
      const one = valueOf(flag, text, `--${name}`);
      return many === true ? [...((before as string[] | undefined) ?? []), one] : one;
    });
  return option;
}

function examplesOf(examples: Entry["examples"]): string {
  const width = Math.max(...examples.map(({ line }) => line.length));
  const lines = examples.map(({ line, what }) => `  ${line.padEnd(width)}   ${what}`);
  return `Examples:\n${lines.join("\n")}`;
}

function sentence(text: string): string {
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}

/** The command line first, then the environment, then what the table says. */
function givenTo(entry: Entry, command: Command, { env }: Io): Given {
  const values = new Map<string, Value>();
  const onLine = new Set<string>();
  for (const flag of entry.flags) {
    const key = new Option(`--${flag.name}`).attributeName();
    const value = command.getOptionValue(key) as Value | undefined;
    if (value !== undefined) {
      values.set(flag.name, value);
      onLine.add(flag.name);
      continue;
    }
    const text = flag.env === null ? "" : (env[flag.env] ?? "").trim();
    if (text !== "") values.set(flag.name, fromEnvironment(flag, text));
    else if (flag.fallback !== undefined) values.set(flag.name, flag.fallback);
  }
  return new Given(entry, command.args, values, onLine);
}

function fromEnvironment(flag: Flag, text: string): Value {
  if (flag.many !== true) return valueOf(flag, text, flag.env!);
  const parts = text.split(",").map((part) => part.trim());
  return parts.filter((part) => part !== "").map((part) => valueOf(flag, part, flag.env!) as string);
}
