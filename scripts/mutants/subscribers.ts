/** Breaks of durable subscribers: INV-14. */
import { type Mutant, mutant } from "./mutant.ts";

const SUBSCRIBER = "test/unit/subscriber";
const FORGOTTEN = "test/unit/subscriber/forgotten.test.ts";
const FORGET = "src/lua/forget.lua";

export const SUBSCRIBER_MUTANTS: readonly Mutant[] = [
  mutant(
    "subscriber-takes-old-tokens",
    "INV-14",
    [SUBSCRIBER],
    ["src/lua/subscriber.lua", "if not token or token ~= tonumber(ARGV[4]) then", "if not token then"],
  ),
  mutant(
    "subscriber-under-way-noted",
    "INV-14",
    [FORGOTTEN],
    [FORGET, "if entry == '0-0' or entry and", "if false and"],
  ),
  mutant(
    "subscriber-page-lost",
    "INV-14",
    [FORGOTTEN],
    [FORGET, "if starts_over and phase ~= 'settle' then", "if false then"],
  ),
  mutant(
    "subscriber-letters-of-others-go",
    "INV-14",
    [FORGOTTEN],
    [FORGET, "return not delivery or delivery.user == user", "return true"],
  ),
  mutant(
    "subscriber-served-goes",
    "INV-14",
    [FORGOTTEN],
    ["src/lua/subscriber.lua", "    if s.disabled ~= '' then call('ZADD', SUBSCRIBERS, now, name) end\n", ""],
  ),
  mutant(
    "subscriber-letters-go-early",
    "INV-14",
    [FORGOTTEN],
    ["src/lua/project/forget.lua", "format('%.0f', now - one.keep)", "format('%.0f', now)"],
  ),
];
