/** Breaks of Rollcall's own connections: what is taken over, when one is given up, and what is said about it. */
import { type Mutant, mutantsOf } from "./mutant.ts";

const FAILOVER = "test/scenario/failover.test.ts";
const SETTINGS = "test/unit/redis/settings.test.ts";
const UPSTASH = "test/unit/redis/upstash-settings.test.ts";
const UNREACHABLE = "test/unit/redis/unreachable.test.ts";

const mutant = mutantsOf("redis");

export const REDIS_MUTANTS: readonly Mutant[] = [
  mutant(
    "redis-demoted-primary-is-kept",
    "INV-13",
    FAILOVER,
    "connection.ts",
    "if (on !== usable || closed || !isElsewhere(error)) return;",
    "if (on !== usable || closed || isElsewhere(error)) return;",
  ),
  mutant(
    "redis-full-is-read-in-multi",
    "INV-3",
    FAILOVER,
    "ioredis.ts",
    "if (!isDiscarded(error)) throw error;",
    "if (error) throw error;",
  ),
  mutant(
    "redis-key-prefix-is-taken",
    "INV-3",
    SETTINGS,
    "settings.ts",
    'keyPrefix: fixed("",',
    'keyPrefix: fixed("x:",',
  ),
  mutant(
    "redis-numbers-as-strings",
    "INV-3",
    SETTINGS,
    "settings.ts",
    "stringNumbers: fixed(false,",
    "stringNumbers: fixed(undefined,",
  ),
  mutant(
    "redis-node-connects-at-once",
    "INV-3",
    SETTINGS,
    "settings.ts",
    "...Object.fromEntries(nodes), lazyConnect: true",
    "...Object.fromEntries(nodes), lazyConnect: false",
  ),
  mutant(
    "redis-old-server-is-accepted",
    "INV-1",
    UNREACHABLE,
    "abilities.ts",
    "if (!/unknown command/i.test(said)) return;",
    "if (said !== undefined) return;",
  ),
  mutant(
    "redis-cause-is-lost",
    "INV-3",
    UNREACHABLE,
    "connection.ts",
    "    cause ??= error;\n    //",
    "    //",
  ),
  mutant(
    "redis-last-words-are-not-asked",
    "INV-3",
    UNREACHABLE,
    "connection.ts",
    "unreachable(target, said ?? reason)",
    "unreachable(target, reason ?? said)",
  ),
  mutant(
    "redis-upstash-decodes",
    "INV-1",
    UPSTASH,
    "upstash-settings.ts",
    "...cache, responseEncoding: false, signal",
    "...cache, signal",
  ),
  mutant(
    "redis-upstash-abort-is-an-answer",
    "INV-1",
    UPSTASH,
    "upstash-settings.ts",
    "signal.throwIfAborted();",
    "void signal;",
  ),
];
