/** Breaks of the command: what an operator destroys without knowing. */
import { mutantsOf } from "./mutant.ts";

const COMMANDS = "test/unit/cli/commands.test.ts";
const ARGUMENTS = "test/unit/cli/arguments.test.ts";
const TERMINAL = "test/hostile/terminal.test.ts";
const mutant = mutantsOf("cli");

export const CLI_MUTANTS = [
  mutant(
    "an-operator-trims",
    "INV-11",
    COMMANDS,
    "write.ts",
    "const keep = trims\n",
    "const keep = trims || !trims\n",
  ),
  mutant(
    "nobody-is-asked",
    "INV-1",
    ARGUMENTS,
    "write.ts",
    'if (given.on("yes")) return;',
    'if (given.has("yes")) return;',
  ),
  mutant(
    "a-gap-is-a-success",
    "INV-11",
    COMMANDS,
    "changes.ts",
    "if (answer.gap) {\n      isComplete = false;",
    "if (answer.gap) {",
  ),
  mutant("doctor-prints-what-strangers-wrote", "INV-8", TERMINAL, "doctor.ts", "${safe(found)}", "${found}"),
  mutant(
    "json-has-terminal-commands",
    "INV-8",
    TERMINAL,
    "print.ts",
    "this.line(jsonOf(value));",
    "this.line(JSON.stringify(value));",
  ),
  mutant(
    "an-api-writes-our-lines",
    "INV-8",
    TERMINAL,
    "failure.ts",
    "the API answered: ${escaped(error.message)}",
    "the API answered: ${error.message}",
  ),
  mutant(
    "a-url-in-the-wrong-place-is-repeated",
    "INV-8",
    ARGUMENTS,
    "program.ts",
    "/^[\\w-]{1,60}$/.test(text)",
    "text.length > 0",
  ),
];
