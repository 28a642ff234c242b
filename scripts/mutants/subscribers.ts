/** Breaks of durable subscribers: INV-14. */
import { type Mutant, mutant } from "./mutant.ts";

const UNIT = "test/unit/subscriber/subscriber.test.ts";
const RANDOM = "test/unit/subscriber/random.test.ts";
const SIMULATION = "test/simulation/subscribers.test.ts";
const MODEL = "test/model/subscriber.test.ts";
const VECTORS = "test/unit/conformance/subscriber-vectors.test.ts";

const SCRIPT = "src/lua/subscriber.lua";
const SHARD = "src/subscriber/shard.ts";
const TURN = "src/subscriber/turn.ts";
const DELIVERY = "src/core/delivery.ts";

const ofScript = (name: string, tests: readonly string[], find: string, replace: string): Mutant =>
  mutant(`subscriber-${name}`, "INV-14", tests, [SCRIPT, find, replace]);
const FORGOTTEN = "test/unit/subscriber/forgotten.test.ts";
const FORGET = "src/lua/forget.lua";

export const SUBSCRIBER_MUTANTS: readonly Mutant[] = [
  ofScript("takes-old-tokens", [UNIT], "ARGV[4] ~= s.token .. ' ' .. s.holder then", "false then"),
  ofScript(
    "takes-tokens-of-others",
    [MODEL],
    "ARGV[4] ~= s.token .. ' ' .. s.holder then",
    "match(ARGV[4], '^%d+') ~= s.token then",
  ),
  ofScript(
    "keeps-the-token",
    [UNIT],
    "token = math.max(token + 1, now * 1000)",
    "token = math.max(token, 1)",
  ),
  ofScript("gives-a-token-again", [UNIT], "token = math.max(token + 1, now * 1000)", "token = token + 1"),
  ofScript(
    "keeps-the-token-of-the-one-before",
    [SIMULATION],
    "next_token()\n    put('holder', caller)",
    "put('holder', caller)",
  ),
  ofScript(
    "takes-a-turn-that-is-held",
    [UNIT, SIMULATION],
    "if left > 0 then return answer('held', left) end",
    "",
  ),
  ofScript(
    "moves-before-handling",
    [RANDOM],
    "return offer('changes', found)",
    "put('entry', found[#found][1]); return step('changes', found)",
  ),
  ofScript("overlooks-a-gap", [UNIT], "if not found[1] or found[1][1] ~= entry then", "if false then"),
  ofScript("overlooks-a-rebuild-amid-others", [MODEL], "for j = #found, i, -1 do found[j] = nil end", ""),
  ofScript("knows-nobody", [UNIT], "in_chunks('SADD', KNOWN, ARGV, 11, 10 + online)", ""),
  ofScript("forgets-nobody", [UNIT], "in_chunks('SREM', KNOWN, ARGV, 11 + online, #ARGV)", ""),
  ofScript(
    "compares-half",
    [UNIT],
    "      put('phase', 'known')\n      put('scan', '0')",
    "      put('phase', '')",
  ),
  ofScript(
    "keeps-attempts",
    [UNIT],
    "    put('attempt', 0)\n    put('after', 0)\n    put('error', '')",
    "    put('error', '')",
  ),
  ofScript("stays-at-what-it-buried", [UNIT], "ARGV[9] = 0\n  note()", ""),
  ofScript("buries-nothing", [UNIT], "for i = 1, #letters do", "for i = 1, 0 do"),
  ofScript(
    "does-not-wait-for-others",
    [UNIT],
    "settles = SETTLE_LEASES * math.max(longest(), tonumber(s.lease) or 0)",
    "settles = 0",
  ),
  ofScript("never-counts", [UNIT], "if there and call('SCARD', KNOWN)", "if false and call('SCARD', KNOWN)"),
  ofScript(
    "waits-for-the-clock",
    [UNIT],
    "if left <= most then return left end",
    "if true then return left end",
  ),
  ofScript("finds-the-same-gap-again", [UNIT], "put('begun', '')\n", ""),
  ofScript("has-no-window", [UNIT], "put('window', last_of(CHANGES))", "put('window', '')"),
  ofScript("skips-in-the-inbox", [UNIT, SIMULATION], "put('queued_place', place)", "put('queued_place', 0)"),
  ofScript(
    "does-not-see-that-it-is-behind",
    [UNIT],
    "if token and seen > token then return",
    "if false then return",
  ),
  ofScript("gives-a-lost-token-again", [UNIT], "  token = seen + LOST_STEPS_MAX\n", ""),
  ofScript("amends-twice", [UNIT], "if not token or seen <= token then return", "if not token then return"),
  ofScript("amends-nobody", [UNIT], "in_chunks('SADD', KNOWN, ARGV, 6, 5 + online)", ""),
  ofScript("amends-nobody-who-went", [MODEL], "in_chunks('SREM', KNOWN, ARGV, 6 + online, #ARGV)", ""),
  ofScript("is-sure-of-what-it-amended", [UNIT], "put('unsure', 1)", ""),
  ofScript(
    "skips-what-is-left-after-a-failover",
    [UNIT],
    "put('unsure', 1)\n  return step()",
    "gap('lost')\n  return step()",
  ),
  ofScript("is-unsure-for-ever", [UNIT], "if s.unsure == '1' then put('unsure', '') end", ""),
  ofScript("reads-sixteen-at-most", [VECTORS], "for i = 1, #more do found[#found + 1] = more[i] end", ""),
  ofScript("is-one-too-many", [VECTORS], "SUBSCRIBERS) >= SUBSCRIBERS_MAX", "SUBSCRIBERS) > SUBSCRIBERS_MAX"),
  ofScript("waits-for-the-clock-to-compare", [VECTORS], "if since < 0 or since >= SUB", "if since >= SUB"),
  ofScript(
    "forgets-the-lease-there-was",
    [VECTORS],
    "math.max(longest(), tonumber(s.lease) or 0) end",
    "longest() end",
  ),
  ofScript("waits-for-any-lease", [VECTORS], "return math.min(most, TTL_MS_MAX)", "return most"),
  mutant(
    "subscriber-remembers-nobody",
    "INV-14",
    [UNIT],
    [SHARD, "this.#recent.add(portion.passed, sent);", ""],
  ),
  mutant(
    "subscriber-takes-what-was-buried-for-told",
    "INV-14",
    [UNIT],
    [
      SHARD,
      "reports.buried(deliveries);",
      "reports.buried(deliveries); this.#recent.add(portion.passed, 0);",
    ],
  ),
  mutant(
    "subscriber-states-what-was-given-up",
    "INV-14",
    [UNIT],
    [SHARD, "      this.#recent.leave(portion.passed);\n", ""],
  ),
  ofScript("does-not-say-that-a-turn-is-new", [MODEL], "    fresh = 1\n", ""),
  ofScript(
    "has-no-place-for-who-was-known",
    [UNIT],
    "SUBSCRIBERS_MAX and not call('ZMSCORE', SUBSCRIBERS, name)[1] then",
    "SUBSCRIBERS_MAX then",
  ),
  ofScript(
    "gives-a-letter-the-attempts-of-a-change",
    [UNIT],
    "if (tonumber(s.attempt) or 0) > 0 and s.failing ~= spot",
    "if false and s.failing ~= spot",
  ),
  ofScript("leaves-what-waits", [MODEL], "call('XLEN', INBOX) > 0 and 1 or 0", "0"),
  ofScript(
    "skips-in-an-inbox-made-anew",
    [MODEL],
    "and call('XLEN', INBOX) == 0 then put('queued_place', 0) end",
    "and false then end",
  ),
  ofScript(
    "notes-after-it-left",
    [MODEL],
    "put('ends', 0)\n  return step()",
    "put('ends', 0)\n  return answer('done')",
  ),
  ofScript("gives-the-token-of-another-again", [UNIT], "seen + LOST_STEPS_MAX", "seen"),
  mutant(
    "subscriber-tells-twice-what-it-knows",
    "INV-14",
    [UNIT],
    [DELIVERY, "!item.isAgain && this.#reading.before.has(delivery.id)", "false"],
  ),
  mutant(
    "subscriber-takes-an-old-word-for-the-last",
    "INV-14",
    [UNIT],
    [DELIVERY, "isRepeat ? (last ?? says) : says", "says"],
  ),
  mutant(
    "subscriber-overlooks-what-it-tells-late",
    "INV-14",
    [UNIT],
    [DELIVERY, "const last = told.has(member) ? states.get(member) : this.", "const last = this."],
  ),
  mutant(
    "subscriber-tries-for-ever-after-a-repeat",
    "INV-14",
    [UNIT],
    [DELIVERY, "(deliveries.length === most || begunAgain)", "deliveries.length === most"],
  ),
  mutant(
    "subscriber-takes-the-first-of-two-repeats",
    "INV-14",
    ["test/unit/subscriber/portions.test.ts"],
    [DELIVERY, "told.has(member) ? states.get(member) : this.", "states.get(member) ?? this."],
  ),
  mutant(
    "subscriber-keeps-the-attempts-of-what-was-told",
    "INV-14",
    [UNIT],
    [SHARD, "if (portion.isRepeat) failedBefore = 0;", ""],
  ),
  mutant(
    "subscriber-says-what-others-know-better",
    "INV-14",
    [UNIT],
    [SHARD, "if (taken.isFresh) this.#recent.clear();", ""],
  ),
  mutant(
    "subscriber-delivers-what-was-said",
    "INV-14",
    [UNIT],
    [DELIVERY, 'if (isTold === (delivery.type === "online")) return false;', ""],
  ),
  mutant(
    "subscriber-id-of-an-attempt",
    "INV-14",
    [UNIT],
    [
      DELIVERY,
      "id: `${shard}.${id}.${changes.length}`,",
      "id: `${shard}.${id}.${changes.length}${Math.random()}`,",
    ],
  ),
  mutant(
    "subscriber-knows-what-it-wants",
    "INV-14",
    [UNIT],
    [
      DELIVERY,
      'if (delivery !== null && delivery.type !== "gap" && !item.isAgain) {',
      'if (delivery !== null && delivery.type !== "gap" && !item.isAgain && isNews) {',
    ],
  ),
  mutant(
    "subscriber-notes-before-handling",
    "INV-14",
    [RANDOM],
    [
      SHARD,
      "        const failure = await this.#attempt(",
      "        ({ token } = await script.note(token, options.turn, source, portion));\n        const failure = await this.#attempt(",
    ],
  ),
  mutant(
    "subscriber-holds-a-whole-turn",
    "INV-14",
    [UNIT],
    [TURN, "this.#ends = sent + this.#ms / 2;", "this.#ends = sent + this.#ms * 2;"],
  ),
  mutant(
    "subscriber-does-not-look",
    "INV-14",
    [UNIT],
    [TURN, "if (!this.isHeld) return lose();", ""],
    [TURN, 'if (word === "lost") lose();\n            else', ""],
  ),
  mutant(
    "subscriber-hands-over-without-a-turn",
    "INV-14",
    [UNIT],
    [SHARD, "if (!this.#turn.isHeld) return undefined;", ""],
  ),
  mutant(
    "subscriber-works-twice-at-once",
    "INV-14",
    [UNIT],
    [SHARD, "if (this.#isWorking) return {", "if (this.#turn.token < 0) return {"],
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
    [
      "src/lua/subscriber.lua",
      "    call('ZADD', SUBSCRIBERS, now, name)\n    return answer('disabled'",
      "    return answer('disabled'",
    ],
  ),
  mutant(
    "subscriber-letters-go-early",
    "INV-14",
    [FORGOTTEN],
    ["src/lua/project/forget.lua", "format('%.0f', now - one.keep)", "format('%.0f', now)"],
  ),
];
