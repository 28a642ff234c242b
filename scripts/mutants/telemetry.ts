/** Breaks of telemetry: what it does wrong must not be done to the work that it is told of (INV-14). */
import { mutantsOf } from "./mutant.ts";

const GUARD = "test/unit/telemetry/guard.test.ts";
const core = mutantsOf("core");

export const TELEMETRY_MUTANTS = [
  core(
    "telemetry-work-twice",
    "INV-14",
    GUARD,
    "telemetry.ts",
    "      if (outcome !== undefined) return;\n",
    "",
  ),
  core(
    "telemetry-work-left-out",
    "INV-14",
    GUARD,
    "telemetry.ts",
    "    // One of them did not call it.\n    once();\n",
    "    outcome ??= { value: undefined as T };\n",
  ),
  core(
    "telemetry-errors-escape",
    "INV-14",
    GUARD,
    "telemetry.ts",
    "    for (const one of running) safely(() => call(one));\n",
    "    for (const one of running) call(one);\n",
  ),
];
