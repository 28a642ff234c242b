/** What is forgotten, by age and by hand. */
import { type Mutant, mutant } from "./mutant.ts";

const KEEP = "test/unit/lua/keep.test.ts";
const MAX = "test/unit/lua/keep-max.test.ts";
const MODEL = "test/model/retention.test.ts";
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
  mutant(
    "model-keep-followers-not-awaited",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "if read and read ~= '' and", "if false and"],
  ),
  mutant(
    "model-keep-moves-cut-untold",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "      note('moved_cut', cut)\n", ""],
  ),
  mutant(
    "model-keep-cut-too-low",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "if removed > 0 then cut = from end", "if removed > 0 then cut = '1' end"],
  ),
  mutant(
    "model-keep-cut-too-high",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "if removed > 0 then cut = from end", "if removed > 0 then cut = last end"],
  ),
  mutant(
    "model-keep-rejected-as-long-as-changes",
    "INV-11",
    [MODEL],
    [
      lua("project/forget"),
      "trim(REJECTED, format('%.0f', now - keep_rejected))",
      "trim(REJECTED, format('%.0f', now - keep_changes))",
    ],
  ),
  mutant(
    "model-keep-rejected-without-end",
    "INV-11",
    [MODEL],
    [
      lua("project/parse"),
      "call('XADD', REJECTED, 'MAXLEN', '~', REJECTED_KEPT, '*'",
      "call('XADD', REJECTED, '*'",
    ],
  ),
  mutant(
    "model-keep-more-untold",
    "INV-11",
    [MODEL],
    [
      lua("project/trim"),
      "if more > 0 then return removed + more, true end",
      "if more > 0 then return removed + more, false end",
    ],
  ),
  mutant(
    "model-keep-all-at-once",
    "INV-7",
    [MODEL],
    [lua("project/trim"), "before, 'LIMIT', most_of(key, call('XLEN', key)))", "before, 'LIMIT', 1000000)"],
  ),
  mutant(
    "model-keep-by-weight-of-nothing",
    "INV-7",
    [MODEL],
    [lua("project/trim"), "type(weight) == 'number' and weight > 0", "false"],
  ),
  mutant(
    "model-keep-moves-without-number",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "cut, rest = thin(moves, most)", "cut, rest = nil, false"],
  ),
  mutant(
    "model-keep-fewer-than-said",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "local beyond = length - most\n", "local beyond = length - most + 100\n"],
  ),
  mutant(
    "model-keep-not-when-due-says",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "  from_oldest(CHANGES, keep_changes, change, blank)\n", ""],
  ),
  mutant(
    "model-keep-nothing-follows-an-old-blank",
    "INV-11",
    [MODEL, "test/unit/lua/keep.test.ts"],
    [lua("project/forget"), "oldest[1] == blank and blank == last then", "oldest[1] == blank then"],
  ),
  mutant(
    "model-keep-weaker-caller-counts",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "and tonumber(rejected) <= keep_rejected", ""],
  ),
  mutant(
    "model-keep-clock-back-waits",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "local is_done = at and tonumber(at) <= now and", "local is_done = at and"],
  ),
  mutant(
    "model-keep-blank-without-end",
    "INV-11",
    [MODEL],
    [lua("project/forget"), "if last_at > 0 and last ~= blank then", "if last_at > 0 then"],
  ),
  mutant(
    "model-keep-more-not-heard-in-quick-calls",
    "INV-11",
    [MODEL],
    [lua("project/quick"), "t.kept or CHANGES_KEPT, '*'", "CHANGES_KEPT, '*'"],
  ),
  mutant(
    "model-keep-more-not-heard-of-scopes",
    "INV-11",
    [MODEL],
    [lua("project/scopes"), "t.kept or CHANGES_KEPT, '*'", "CHANGES_KEPT, '*'"],
  ),
];
