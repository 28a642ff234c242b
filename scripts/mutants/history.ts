/** Numbers over time: what is a value, what is a gap, what is counted. */
import { type Mutant, mutant } from "./mutant.ts";

const LUA = "test/unit/lua/history.test.ts";
const READER = "test/unit/reader/history.test.ts";
const part = "src/lua/project/history.lua";
const reader = "src/reader/history.ts";

export const HISTORY_MUTANTS: readonly Mutant[] = [
  mutant("history-overdue-is-quiet", "INV-1", [LUA], [part, "if waits >= 0 then", "if false then"]),
  mutant("history-records-do-not-wait", "INV-1", [LUA], [part, "if head and (waits < 0 or head < waits) then waits = head end", ""]),
  mutant("history-strangers-are-quiet", "INV-1", [LUA], [part, "if tonumber(at) ~= ran then through = m", "if false then through = m"]),
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
  mutant("history-reader-strangers-are-quiet", "INV-1", [READER], [reader, "integer(ran, TOTALS) === at", "true"]),
  mutant("history-reader-shard-missing", "INV-1", [READER], [reader, "all.length === shards.length", "all.length > 0"]),
  mutant("history-reader-entry-before", "INV-1", [READER], [reader, 'put(parts, id, fields, span);\n    for (let next', "void fields;\n    for (let next"]),
]; // prettier-ignore
