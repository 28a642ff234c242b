/** Breaks of the reader: INV-15 (what has lapsed), INV-17 (one cursor a listing). */
import { type Mutant, mutantsOf } from "./mutant.ts";

const LAPSED = "test/unit/reader/lapsed.test.ts";
const LISTING = "test/unit/reader/listing.test.ts";
const CLOCK = "test/unit/reader/clock.test.ts";

const mutant = mutantsOf("reader");

export const READER_MUTANTS: readonly Mutant[] = [
  mutant(
    "reader-lapsed-leases-count",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    "slots.filter(([slot]) => !processes.has(slot) || ",
    "slots.filter(([slot]) => processes.size >= 0 || ",
  ),
  mutant(
    "reader-grace-that-is-over-counts",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    "Number(deadlines[i]) <= now",
    "Number(deadlines[i]) < 0",
  ),
  mutant(
    "reader-reaped-have-grace",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    "state.at + state.grace > now",
    "state.at + state.grace > 0",
  ),
  mutant(
    "reader-ended-have-no-grace",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    `kept.set(slot, "grace")`,
    `kept.delete(slot)`,
  ),
  mutant(
    "reader-fenced-are-renewed",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    `state.state === "live" && records > 0`,
    `records > 0`,
  ),
  mutant("reader-log-renews-nobody", "INV-15", LAPSED, "lapsed.ts", "renewed.add(process);", ""),
  mutant("reader-log-renews-for-ever", "INV-15", LAPSED, "lapsed.ts", "if (until <= now) continue;", ""),
  mutant(
    "reader-one-look-at-the-log",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    "if (entries.length < RENEWALS_PAGE) break;",
    "if (entries.length > 0) break;",
  ),
  mutant(
    "reader-outage-puts-everybody-out",
    "INV-15",
    LAPSED,
    "lapsed.ts",
    "lostAgo >= HOLD_MS",
    "lostAgo >= 0",
  ),
  mutant(
    "reader-own-clock",
    "INV-15",
    CLOCK,
    "clock.ts",
    "this.#ahead === undefined ? this.#wall()",
    "this.#wall() > 0 ? this.#wall()",
  ),
  mutant(
    "reader-each-page-its-own-cursor",
    "INV-17",
    LISTING,
    "pages.ts",
    "const changes = at?.changes ?? asOf.cursor;",
    "const changes = asOf.cursor;",
  ),
  mutant(
    "reader-cursor-of-the-last-page",
    "INV-17",
    LISTING,
    "pages.ts",
    "if (cursor === undefined) onFirst(asOf);",
    "onFirst({ ...asOf, cursor: (await context.ask(0, [])).asOf.change });",
  ),
  mutant(
    "reader-cursor-after-the-pages",
    "INV-17",
    LISTING,
    "pages.ts",
    "const asOf = combine(await withOthers(context, shard, part.asOf));",
    "const asOf = combine(await withOthers(context, -1, part.asOf));",
  ),
];
