/** Breaks of durable subscribers: INV-14. */
import { type Mutant, mutant } from "./mutant.ts";

const SUBSCRIBER = "test/unit/subscriber";

export const SUBSCRIBER_MUTANTS: readonly Mutant[] = [
  mutant(
    "subscriber-takes-old-tokens",
    "INV-14",
    [SUBSCRIBER],
    ["src/lua/subscriber.lua", "if not token or token ~= tonumber(ARGV[4]) then", "if not token then"],
  ),
];
