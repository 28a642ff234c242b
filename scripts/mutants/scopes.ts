/** Breaks of what the script does with scopes. */
import { type Mutant, mutant } from "./mutant.ts";

const SCOPES = "test/unit/lua/scopes.test.ts";
const VERIFY = "test/unit/projector/verify-scopes.test.ts";
const KEEP = "test/unit/lua/keep.test.ts";
const FORGET = "test/unit/projector/forget.test.ts";

const lua = (part: string) => `src/lua/project/${part}.lua`;

export const SCOPE_MUTANTS: readonly Mutant[] = [
  mutant(
    "scopes-half-of-a-record-is-kept",
    "INV-16",
    [SCOPES],
    [
      lua("fold"),
      "    c.is[id], c.cause[id], c.keep[id], c.since[id], c.sockets, q.by[c.text], q.by[''] = v, cause, keep, since, open, by, sum\n",
      "",
    ],
  ),
  mutant(
    "scopes-looked-at-though-the-whole-fences",
    "INV-16",
    [SCOPES],
    [
      lua("fold"),
      "if not reason and record.memberships then reason =",
      "if record.memberships then reason = reason and (carry_out_in_scopes(record, p, at, before) or reason) or",
    ],
  ),
  mutant(
    "scopes-no-check-digit-quick",
    "INV-16",
    [SCOPES],
    [lua("quick"), "if type(there) == 'table' or tonumber(there or 0) ~= p.had then", "if false then"],
  ),
  mutant(
    "scopes-who-is-gone-lingers",
    "INV-16",
    [SCOPES],
    [
      lua("scopes"),
      "      for id in pairs(absent) do\n        if left == 0 then break end",
      "      for id in pairs(absent) do\n        if true then break end",
    ],
  ),
  mutant(
    "scopes-what-a-goodbye-drops-lingers",
    "INV-16",
    [SCOPES],
    [
      lua("scopes"),
      "why_absent(absent[id], c.since[id] or 0)",
      "why_absent(absent[id], (c.since[id] or 0) + 1)",
    ],
  ),
  mutant(
    "scopes-who-goes-and-comes-back-lingers-in-a-call",
    "INV-12",
    [SCOPES],
    [lua("scopes"), "    return p.ended_in and p.ended_in + 1 or 0\n", "    return math.huge\n"],
  ),
  mutant(
    "scopes-who-came-back-lingers",
    "INV-12",
    [SCOPES],
    [lua("steps"), "      scopes.note(absent, dead)\n", ""],
  ),
  mutant(
    "scopes-the-last-goodbye-is-the-cause",
    "INV-12",
    [SCOPES],
    [
      lua("scopes"),
      "if gaps[i] >= since then return gaps[i + 1] end",
      "if gaps[i] >= since then return gaps[#gaps] end",
    ],
  ),
  mutant(
    "scopes-lingerers-are-not-removed",
    "INV-16",
    [SCOPES],
    [lua("scopes"), "    in_chunks('ZREM', LINGERERS, back)\n", ""],
  ),
  mutant(
    "scopes-part-begins-a-grace",
    "INV-16",
    [SCOPES],
    [lua("quick"), "(kind == 9 or kind == 11) and p.grace", "(kind >= 9) and p.grace"],
  ),
  mutant(
    "scopes-told-for-ever",
    "INV-16",
    [SCOPES],
    [lua("scopes"), "elseif score == 0 and c.told then untold[#untold + 1] = c.text end", "end"],
  ),
  mutant(
    "scopes-told-made-anew-count-as-all",
    "INV-16",
    [SCOPES],
    [
      lua("open"),
      "if told ~= tonumber(telling or 0) then",
      "if told == 0 and tonumber(telling or 0) > 0 then",
    ],
  ),
  mutant(
    "scopes-of-slots-nobody-knows-stay",
    "INV-1",
    [SCOPES],
    [lua("open"), "do forget_slot(slot) end\n    end", "do end\n    end"],
  ),
  mutant(
    "scopes-of-an-ended-process-stay",
    "INV-5",
    [SCOPES],
    [lua("reap"), "if is_over and t.lingering then sweep", "if false then sweep"],
  ),
  mutant(
    "scopes-a-pass-forgets-its-second-process",
    "INV-5",
    [SCOPES],
    [lua("reap"), "if list[i][1] == slot then following = list[i + 1][1] end", ""],
  ),
  mutant(
    "scopes-take-off-counts-no-memberships",
    "INV-1",
    [SCOPES],
    [lua("scopes"), "        q.by[c.text], q.by[''] = q.by[c.text] - count, q.by[''] - count\n", ""],
  ),
  mutant(
    "scopes-graces-stay-when-the-clock-goes-back",
    "INV-16",
    [SCOPES],
    [lua("expire"), "    for i = 1, #members do call('ZADD', key, latest, members[i]) end\n", ""],
  ),
  mutant(
    "scopes-a-lost-key-is-not-noticed",
    "INV-16",
    [SCOPES],
    [lua("open"), "if there ~= tonumber(kept or 0) then return", "if false then return"],
  ),
  mutant(
    "scopes-slots-are-found-in-processes-only",
    "INV-1",
    [SCOPES],
    [lua("open"), "if slot then forget_slot(slot) end", ""],
  ),
  mutant(
    "scopes-types-are-not-looked-at",
    "INV-1",
    [SCOPES],
    [lua("scopes"), "    if #entry > 0 then ask('XLEN', tag .. 'moves') end\n", ""],
    [lua("scopes"), "      ask('ZCARD', LINGERING)\n      ask('ZCARD', LINGERERS)\n", ""],
  ),
  mutant(
    "scopes-who-goes-after-a-drop-lingers",
    "INV-12",
    [SCOPES],
    [
      lua("quick"),
      "gaps[#gaps + 1], gaps[#gaps + 2] = lists[l + 4],",
      "gaps[#gaps + 1], gaps[#gaps + 2] = 0,",
    ],
  ),
  mutant(
    "scopes-changes-are-kept-for-ever",
    "INV-11",
    [KEEP],
    [
      lua("forget"),
      "last, moved_blank, cut, rest = fade(moves, moved, moved_blank, read_moves, keep_changes)",
      "last = moved",
    ],
  ),
  mutant(
    "scopes-forget-removes-what-readers-stand-at",
    "INV-11",
    [FORGET],
    [
      "src/lua/forget.lua",
      "if last and last[1] == from then",
      "if last and last[1] == from and STREAM == CHANGES then",
    ],
  ),
  mutant(
    "verify-leaves-a-process-unaware-of-a-scope",
    "INV-16",
    [VERIFY],
    ["src/lua/verify/scopes.lua", "if repair and not call('HGET', its, text) then", "if false then"],
  ),
  mutant(
    "verify-believes-memberships",
    "INV-16",
    [VERIFY],
    [
      "src/projector/verify-scopes.ts",
      "return found === expected ? undefined",
      "return found >= 0 ? undefined",
    ],
  ),
];
