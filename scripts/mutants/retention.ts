/** What is forgotten, by age and by hand. */
import { type Mutant, mutant } from "./mutant.ts";

const KEEP = "test/unit/lua/keep.test.ts";
const MAX = "test/unit/lua/keep-max.test.ts";
const FORGET = "test/unit/projector/forget.test.ts";

const lua = (part: string) => `src/lua/${part}.lua`;

export const RETENTION_MUTANTS: readonly Mutant[] = [
  mutant("keep-last-change-goes", "INV-11", [KEEP], [lua("project/forget"), "    from = last\n", ""]),
  mutant(
    "keep-nothing-follows-the-last-change",
    "INV-11",
    [KEEP],
    [lua("project/forget"), "if last_at > 0 and last ~= blank then", "if false then"],
  ),
  mutant(
    "keep-cut-untold",
    "INV-11",
    [KEEP],
    [lua("project/forget"), "    if removed > 0 then cut = from end\n", ""],
  ),
  mutant(
    "keep-cut-unread",
    "INV-11",
    [KEEP],
    ["src/reader/changes.ts", '["HMGET", keys.totals, view.cut]', '["HMGET", keys.totals, "uncut"]'],
  ),
  mutant(
    "keep-part-of-a-node-stays",
    "INV-11",
    [KEEP],
    [lua("project/trim"), "removed + call('XTRIM', key, 'MINID', before), false", "removed, false"],
  ),
  mutant(
    "keep-weaker-caller-counts",
    "INV-11",
    [KEEP],
    [
      lua("project/forget"),
      "\n    and tonumber(changes) <= keep_changes and tonumber(rejected) <= keep_rejected",
      "",
    ],
  ),
  mutant(
    "keep-too-many-untold",
    "INV-11",
    [MAX],
    [lua("project/forget"), "    if cut then put('cut', cut) end\n", ""],
  ),
  mutant(
    "keep-too-many-are-new",
    "INV-11",
    [MAX],
    [lua("project/forget"), "math.max(0, now - FORGET_MS)), 'LIMIT'", "now + FORGET_MS), 'LIMIT'"],
  ),
  mutant(
    "keep-fewer-than-said",
    "INV-11",
    [MAX],
    [lua("project/forget"), "math.min(beyond, most_of(key, length))", "most_of(key, length)"],
  ),
  mutant(
    "keep-weaker-number-counts",
    "INV-11",
    [MAX],
    [lua("project/forget"), " and tonumber(by) <= most)", ")"],
  ),
  mutant(
    "keep-more-not-heard",
    "INV-11",
    [MAX],
    [lua("project/head"), "if most > CHANGES_KEPT then t.kept = most end", ""],
  ),
  mutant(
    "keep-nobody-left-forgotten",
    "INV-11",
    [KEEP],
    [lua("project/tail"), "if due < 0 then due = tonumber(call('HGET', TOTALS, 'forget') or -1) end\n", ""],
  ),
  mutant(
    "forget-single-entry",
    "INV-11",
    [FORGET],
    [lua("forget"), "local removed, more = trim(STREAM, from)", "local removed, more = 0, false"],
  ),
  mutant(
    "forget-followers-not-awaited",
    "INV-11",
    [FORGET],
    [lua("forget"), "if last and last[1] == from then", "if false then"],
  ),
  mutant(
    "forget-streams-not-awaited",
    "INV-11",
    [FORGET],
    ["src/projector/forget.ts", "      await followed(stream, id);\n", ""],
  ),
  mutant(
    "forget-the-present",
    "INV-13",
    [FORGET],
    [lua("forget"), "if call('HGET', USERS, user) then return { 'present', '', 0 } end\n", ""],
  ),
];
