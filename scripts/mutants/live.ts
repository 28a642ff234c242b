/** Breaks of what a page shows: a list and the changes after it, INV-11, through gaps and reconnections. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const LIVE = "test/unit/client/live.test.ts";

const mutant = mutantsOf("client");

export const LIVE_MUTANTS: readonly Mutant[] = [
  mutant(
    "a-page-does-not-list-again-after-a-gap",
    "INV-11",
    LIVE,
    "live-users.ts",
    `      if (told.event === "gap") {`,
    `      if (told.cursor === "gap") {`,
  ),
  mutant(
    "a-page-takes-changes-of-those-it-did-not-ask-for",
    "INV-11",
    LIVE,
    "live-users.ts",
    "        if (isAsked?.has(user) === false) continue;\n",
    "",
  ),
  mutant(
    "a-page-never-lists-again-by-itself",
    "INV-11",
    LIVE,
    "live-users.ts",
    "if (relist > 0 && cursor !== undefined)",
    "if (relist > 1e9 && cursor !== undefined)",
  ),
  mutant(
    "counts-resume-from-a-cursor-that-they-have-no-use-for",
    "INV-11",
    LIVE,
    "follow.ts",
    "resumes ? cursor : undefined",
    "cursor",
  ),
  mutant(
    "a-closed-page-keeps-its-stream",
    "INV-11",
    LIVE,
    "live-users.ts",
    "    closing.abort();\n    round.abort();\n",
    "    closing.abort();\n",
  ),
  mutant(
    "a-request-does-not-end-with-its-signal",
    "INV-11",
    LIVE,
    "request.ts",
    `    signal?.addEventListener("abort", stop);\n`,
    "",
  ),
];
