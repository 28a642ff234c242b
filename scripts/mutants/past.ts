/** Breaks of the past: INV-20. */
import { type Mutant, mutant } from "./mutant.ts";

const PAST = "test/unit/reader/past.test.ts";
const USERS_AT = "src/reader/users-at.ts";

export const PAST_MUTANTS: readonly Mutant[] = [
  mutant(
    "past-last-change-decides",
    "INV-20",
    [PAST],
    [
      "src/core/past.ts",
      "else known.is = isOnline;",
      "else this.#changed.set(user, { was: !isOnline, is: isOnline });",
    ],
  ),
  mutant(
    "past-before-what-is-kept",
    "INV-20",
    [PAST],
    [USERS_AT, "if (kept > at)", "if (kept > at && kept < 0)"],
    [USERS_AT, "if (since !== null && since > at) return { past, since, told };", ""],
    [USERS_AT, "if (since > at) return { ...parts,", "if (since < 0) return { ...parts,"],
  ),
  mutant(
    "past-begins-with-the-moment",
    "INV-20",
    [PAST],
    [USERS_AT, "`${at + 1}-0`;\n    marks", "`${at}-0`;\n    marks"],
  ),
  mutant(
    "past-counts-are-not-compared",
    "INV-20",
    [PAST],
    [USERS_AT, "marks.size > 0 || past.now !== presentIn(replies[1])", "marks.size > 0"],
  ),
  mutant(
    "past-of-a-room-that-was-not-told",
    "INV-20",
    [PAST],
    [USERS_AT, "return Math.max(\n      kept,", "return Math.min(\n      kept,"],
  ),
  mutant(
    "past-sessions-have-a-start",
    "INV-20",
    [PAST],
    ["src/reader/sessions.ts", "exact: exact && sessions.every(({ start }) => start !== null),", "exact,"],
  ),
];
