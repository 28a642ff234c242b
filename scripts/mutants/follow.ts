/** Breaks of following scopes: INV-13 in each of them. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const RANDOM = "test/unit/follow/random.test.ts";
const SCOPES = "test/unit/presence/scopes.test.ts";

const mutant = mutantsOf("follow");

export const FOLLOW_MUTANTS: readonly Mutant[] = [
  mutant(
    "what-comes-while-a-scope-is-read-is-lost",
    "INV-13",
    RANDOM,
    "views.ts",
    "      for (const change of waiting) apply(followed, part, change);\n",
    "",
  ),
  mutant(
    "what-a-rebuild-made-void-counts",
    "INV-13",
    RANDOM,
    "views.ts",
    `isVoid: clearing === "1",`,
    `isVoid: clearing === "2",`,
  ),
  mutant(
    "a-scope-that-is-told-later-is-not-read-again",
    "INV-13",
    SCOPES,
    "views.ts",
    "    if (part.untold) part.again = true;\n",
    "",
  ),
  mutant(
    "each-scope-has-a-bound-of-its-own",
    "INV-13",
    SCOPES,
    "followed.ts",
    "    if (this.#users <= this.#max) return false;\n",
    "    if (followed.parts.reduce((sum, { counted }) => sum + counted, 0) <= this.#max) return false;\n",
  ),
];
