/** Numbers over time: what is a value, what is a gap, what is counted. */
import { type Mutant, mutant } from "./mutant.ts";

const LUA = "test/unit/lua/history.test.ts";
const READER = "test/unit/reader/history.test.ts";
const SCOPES = "test/unit/lua/history-scopes.test.ts";
const SCOPES_READER = "test/unit/reader/history-scopes.test.ts";
const part = "src/lua/project/history.lua";
const reader = "src/reader/history.ts";

export const HISTORY_MUTANTS: readonly Mutant[] = [
  mutant("history-overdue-is-quiet", "INV-1", [LUA], [part, "if waits >= 0 then", "if false then"]),
  mutant("history-records-do-not-wait", "INV-1", [LUA], [part, "if head and (waits < 0 or head < waits) then waits = head end", ""]),
  mutant("history-strangers-are-quiet", "INV-1", [LUA], [part, "if tonumber(at) ~= ran then return m end", ""]),
  mutant("history-minute-begins-anew", "INV-1", [LUA], [part, "    if through < minute - MINUTE_MS then m = -1\n", "    if true then m = -1\n"]),
  mutant("history-clock-back-new-minute", "INV-1", [LUA], [part, "if m - minute <= HISTORY_BACK_MS then minute = m else m = -1 end", "m = -1"]),
  mutant("history-clock-ahead-stops", "INV-1", [LUA], [part, "if not ahead[1] then return end", "if true then return end"]),
  mutant("history-hour-forgets-least", "INV-1", [LUA], [part, "math.min(u_min, tonumber(u_low))", "u_min"]),
  mutant("history-midnight-only-who-comes", "INV-1", [LUA], [part, "      add(ids)\n", ""]),
  mutant("history-midnight-who-goes-missing", "INV-1", [LUA], [part, "if t.gone then add(t.gone) end", ""]),
  mutant("history-midnight-at-once", "INV-7", [LUA], [part, "math.min(SLICE_MAX, floor((budget - operations - records - given_back) / 2))", "1000000"]),
  mutant("history-days-stay", "INV-1", [LUA], [part, "      try('UNLINK', unpack(old))\n", ""]),
  mutant("history-key-of-another-type-fails", "INV-2", [LUA], [part, "try('PFADD', key,", "call('PFADD', key,"]),
  mutant("history-without-being-asked", "INV-8", [LUA], ["src/lua/project/head.lua", "if beyond then\n", "t.history = call('HMGET', TOTALS, 'minute', 'hour', 'day', 'counted', 'carried')\nif beyond then\n"]),
  mutant("history-repairs-uncounted", "INV-1", [LUA], ["src/lua/verify.lua", "if counted then call", "if false then call"]),
  mutant("history-reader-strangers-are-quiet", "INV-1", [READER], [reader, "integer(ran, TOTALS) === going.at", "true"]),
  mutant("history-reader-shard-missing", "INV-1", [READER], [reader, "all.length === shards.length", "all.length > 0"]),
  mutant("history-reader-entry-before", "INV-1", [READER], [reader, 'put(parts, id, fields, span);\n    for (let next', "void fields;\n    for (let next"]),
  mutant("history-counts-the-first-cause-only", "INV-1", [LUA], [part, "if goes > 0 or not connects then", "if not connects then"]),
  mutant("history-least-of-the-minute-lost", "INV-1", [LUA], [part, "if users < u_low then u_min = users_text end", ""]),
  mutant("history-strangers-within-a-minute-unseen", "INV-1", [LUA], [part, "if users_before > u_high then u_high, u_max = users_before, t[3] end", ""]),
  mutant("history-scopes-begin-anew", "INV-1", [SCOPES], [part, "if through < minute - MINUTE_MS then u_low = nil", "if true then u_low = nil"]),
  mutant("history-scopes-least-lost", "INV-1", [SCOPES], [part, "math.min(u_low, now_u)", "now_u"]),
  mutant("history-scopes-strangers-are-quiet", "INV-1", [SCOPES], [part, "through_of(w, w_at)", "through_of(w, ran)"]),
  mutant("history-scopes-others-go-on", "INV-1", [SCOPES], [part, "        try('UNLINK', key)\n", ""]),
  mutant("history-scopes-by-place", "INV-1", [SCOPES], [part, "if not same then could, before = pcall(decode, kept[2] or '[]') end", ""]),
  mutant("history-scopes-of-a-later-clock", "INV-1", [SCOPES], [part, "if w > minute then w = -1 end", ""]),
  mutant("history-scopes-stay", "INV-1", [SCOPES], [part, "if scope ~= '' then try('PEXPIRE', key, format('%.0f', keep)) end", ""]),
  mutant("history-scopes-always-compared", "INV-8", [SCOPES], [part, "if w ~= minute or not same or joined ~= w_scores then", "if true then"]),
  mutant("history-scopes-too-many", "INV-7", [SCOPES], [part, "#names <= HISTORY_SCOPES and", "true and"]),
  mutant("history-scopes-key-of-another-type-fails", "INV-2", [SCOPES], [part, "try('HMGET', key, unpack(ask))", "call('HMGET', key, unpack(ask))"]),
  mutant("history-reader-untracked-scope-is-empty", "INV-1", [SCOPES_READER], [reader, "if (scope !== undefined) combine(answers.map(({ asOf }) => asOf));", ""]),
  mutant("history-reader-scope-by-place", "INV-1", [SCOPES_READER], [reader, "scores[index]", "scores[0]"]),
  mutant("history-reader-scope-has-distinct", "INV-1", [SCOPES_READER], [reader, "    if (scope !== undefined) return null;\n", ""]),
]; // prettier-ignore
