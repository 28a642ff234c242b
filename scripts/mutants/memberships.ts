/** Breaks of what a recorder records of scopes. */
import { type Mutant, mutant } from "./mutant.ts";

const MEMBERSHIPS = "test/unit/core/memberships.test.ts";
const RANDOM = "test/unit/core/memberships-random.test.ts";
const RECORDER = "test/unit/recorder/scopes.test.ts";
const SIMULATION = "test/simulation/simulation.test.ts";

export const MEMBERSHIP_MUTANTS: readonly Mutant[] = [
  mutant(
    "memberships-come-before-their-sockets",
    "INV-16",
    [MEMBERSHIPS, RANDOM],
    [
      "src/core/journal.ts",
      "      users.takeComing(lists) &&\n",
      "      (users.takeComing(lists) || true) &&\n",
    ],
  ),
  mutant(
    "sockets-go-before-their-memberships",
    "INV-16",
    [MEMBERSHIPS, RANDOM],
    [
      "src/core/journal.ts",
      "      memberships.takeParts(lists) &&\n",
      "      (memberships.takeParts(lists) || true) &&\n",
    ],
  ),
  mutant(
    "anonymous-sockets-go-before-their-memberships",
    "INV-16",
    [MEMBERSHIPS, RANDOM],
    [
      "src/core/journal.ts",
      "this.#memberships.dirty ? Math.max(this.#anonymous, this.#anonymousRecorded) : this.#anonymous",
      "this.#anonymous",
    ],
  ),
  mutant(
    "who-is-forgotten-in-the-whole-is-told-in-a-scope",
    "INV-16",
    [MEMBERSHIPS],
    ["src/core/journal.ts", "(user) => users.recorded(user) > 0", "() => true"],
  ),
  mutant(
    "who-came-and-went-in-a-scope-only-came",
    "INV-16",
    [MEMBERSHIPS, RANDOM],
    ["src/core/ledger.ts", "        pending.delta = -1;\n", "        this.#end(pending);\n"],
  ),
  mutant(
    "bye-before-memberships-are-stated",
    "INV-3",
    [MEMBERSHIPS, RANDOM],
    [
      "src/core/journal.ts",
      "if (!this.#memberships.takeShut(lists)) return;",
      "this.#memberships.takeShut(lists);",
    ],
  ),
  mutant(
    "naming-a-scope-costs-nothing",
    "INV-7",
    [MEMBERSHIPS, RANDOM],
    ["src/core/record-lists.ts", "isNamed ? 1 : 1 + SCOPE_OPERATIONS", "1"],
  ),
  mutant(
    "scopes-are-cut-by-count-alone",
    "INV-7",
    [MEMBERSHIPS],
    [
      "src/core/record-lists.ts",
      "this.#operations + operations > OPERATIONS_MAX || this.#bytes[name] + bytes > LIST_BYTES_MAX",
      "this.#operations + operations > OPERATIONS_MAX",
    ],
  ),
  mutant(
    "empty-scopes-are-kept",
    "INV-9",
    [MEMBERSHIPS],
    ["src/core/ledger.ts", "    if (this.#open.size === 0) backlog.onEmpty(this);\n", ""],
  ),
  mutant(
    "the-first-mark-counts",
    "INV-16",
    [MEMBERSHIPS],
    ["src/core/memberships.ts", "    ledger.name = scope;\n", ""],
  ),
  mutant(
    "memberships-are-not-stated-anew",
    "INV-3",
    [SIMULATION],
    ["src/core/memberships.ts", "    for (const ledger of this.#scopes.values()) ledger.restate();\n", ""],
  ),
  mutant(
    "who-ended-stays-in-scopes",
    "INV-16",
    [SIMULATION],
    [
      "src/lua/project/reap.lua",
      "if is_over and t.lingering then sweep, is_over = list[1][1] .. ' 0 0 ', false end",
      "",
    ],
  ),
  mutant(
    "memberships-are-no-news",
    "INV-16",
    [RECORDER],
    ["src/recorder/sender.ts", "SCOPE_LISTS.some((name) => record[name] !== undefined)", "false"],
  ),
];
