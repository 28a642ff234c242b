/**
 * `rollcall completion SHELL`: a script made from the table. It knows all there is to know, so pressing Tab starts no Node.
 */
import { type Call, type Entry, EXIT, type Flag } from "./command.ts";
import type { SHELLS } from "./flags.ts";
import { TABLE } from "./table.ts";

type Shell = (typeof SHELLS)[number];

const GLOBAL = ["--help", "--version"];
const names = (): string[] => [...TABLE.map(({ name }) => name), "help"];
const wordsOf = ({ flags, positionals }: Entry): string[] => [
  ...positionals.flatMap(({ choices = [] }) => choices),
  ...flags.map(({ name }) => `--${name}`),
  "--help",
];
const withChoices = (flags: readonly Flag[]) => flags.filter(({ choices }) => choices !== undefined);

function bash(): string {
  const commands = TABLE.map((entry) => `    ${entry.name}) words="${wordsOf(entry).join(" ")}" ;;`);
  const values = TABLE.flatMap(({ name, flags }) =>
    withChoices(flags).map((flag) => `    "${name} --${flag.name}") words="${flag.choices!.join(" ")}" ;;`),
  );
  return `# rollcall completion for bash: source <(rollcall completion bash)
_rollcall() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="" words="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
    -*) ;;
    *) command="\${COMP_WORDS[i]}"; break ;;
    esac
  done
  case "$command" in
    "") words="${[...names(), ...GLOBAL].join(" ")}" ;;
    help) words="${names().join(" ")}" ;;
${commands.join("\n")}
  esac
  case "$command $prev" in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _rollcall rollcall
`;
}

/** In single quotes, as a POSIX shell reads it; \`:\` ends the word of a description in zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const described = (word: string, about: string): string =>
  quoted(`${word.replaceAll(":", "\\:")}:${about.replaceAll("\n", " ")}`);

function zsh(): string {
  const commands = [...TABLE.map(({ name, summary }) => described(name, summary)), described("help", "help")];
  const cases = TABLE.map(({ name, flags, positionals }) => {
    const words = [
      ...positionals.flatMap(({ choices = [], doc }) => choices.map((choice) => described(choice, doc))),
      ...flags.map((flag) => described(`--${flag.name}`, flag.doc)),
      described("--help", "print the help"),
    ];
    return `    ${name}) words_of=(${words.join(" ")}) ;;`;
  });
  const values = TABLE.flatMap(({ name, flags }) =>
    withChoices(flags).map(
      (flag) =>
        `    '${name} --${flag.name}') words_of=(${flag.choices!.map((one) => quoted(one)).join(" ")}) ;;`,
    ),
  );
  return `#compdef rollcall
# rollcall completion for zsh: source <(rollcall completion zsh), or a file _rollcall in your fpath
_rollcall() {
  local -a words_of
  if (( CURRENT == 2 )); then
    words_of=(${commands.join(" ")})
    _describe -t commands command words_of
    return
  fi
  case "\${words[2]}" in
    help) words_of=(${names().join(" ")}) ;;
${cases.join("\n")}
  esac
  case "\${words[2]} \${words[CURRENT-1]}" in
${values.join("\n")}
  esac
  _describe -o -t options option words_of
}
if [ "\${funcstack[1]}" = _rollcall ]; then _rollcall "$@"; else compdef _rollcall rollcall; fi
`;
}

function fish(): string {
  // Its quotes know \\' and \\\\.
  const text = (about: string) =>
    `'${about.replaceAll("\\", "\\\\").replaceAll("'", "\\'").replaceAll("\n", " ")}'`;
  const commands = TABLE.map(
    ({ name, summary }) => `complete -c rollcall -f -n __fish_use_subcommand -a ${name} -d ${text(summary)}`,
  );
  const flags = TABLE.flatMap((entry) => {
    const seen = `complete -c rollcall -f -n '__fish_seen_subcommand_from ${entry.name}'`;
    const choices = entry.positionals.flatMap(({ choices: some = [] }) => some);
    return [
      ...(choices.length > 0 ? [`${seen} -a '${choices.join(" ")}'`] : []),
      ...entry.flags.map(({ name, kind, doc, choices: some }) => {
        const value = kind === "switch" ? "" : some === undefined ? " -x" : ` -x -a '${some.join(" ")}'`;
        return `${seen} -l ${name}${value} -d ${text(doc)}`;
      }),
    ];
  });
  return `# rollcall completion for fish: rollcall completion fish | source
${commands.join("\n")}
complete -c rollcall -f -n __fish_use_subcommand -l help -d 'print the help'
complete -c rollcall -f -n __fish_use_subcommand -l version -d 'print the version'
${flags.join("\n")}
`;
}

const SCRIPTS: Readonly<Record<Shell, () => string>> = { bash, zsh, fish };

export async function run({ given, io }: Call): Promise<number> {
  io.stdout.write(SCRIPTS[given.positionals[0] as Shell]());
  return EXIT.ok;
}
