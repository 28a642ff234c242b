/**
 * Goal: each fact that is out of order has one verdict with a remedy, and nothing else has.
 * Method: the facts of a Redis in order, and one of them changed. What real servers say is in test/scenario/doctor.test.ts.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { PresenceError } from "../../../src/core/errors.ts";
import { diagnose } from "../../../src/doctor/diagnose.ts";
import type { AccessFacts, Facts, ProcessFacts, ServerFacts, ShardFacts } from "../../../src/doctor/facts.ts";
import { BEYOND, nameOf, NEEDED, sampleOf } from "../../../src/doctor/gather/access.ts";
import { clockFacts } from "../../../src/doctor/gather/clock.ts";
import { CHECKS, isWell, lasting, some, type Verdict } from "../../../src/doctor/verdict.ts";
import { commandsOf, ROLES } from "../../../src/core/access.ts";
import { keysOf } from "../../../src/core/keys.ts";
import type { SubscriberStatus } from "../../../src/reader/answers/subscribers.ts";

const INFO = {
  redis_version: "7.2.4",
  redis_mode: "standalone",
  role: "master",
  connected_slaves: "1",
  aof_enabled: "1",
  rdb_last_bgsave_status: "ok",
  maxmemory: "0",
  maxmemory_policy: "noeviction",
  used_memory: "1000000",
  evicted_keys: "0",
  mem_fragmentation_ratio: "1.1",
  connected_clients: "10",
  maxclients: "10000",
};
const CONFIG = { timeout: "0", "busy-reply-threshold": "5000", "min-replicas-to-write": "0" };

const server = (info: object = {}, config: object = {}, more: Partial<ServerFacts> = {}): ServerFacts => ({
  address: "localhost:6379",
  info: { known: new Map(Object.entries({ ...INFO, ...info })) },
  config: { known: new Map(Object.entries({ ...CONFIG, ...config })) },
  slow: { known: [] },
  ...more,
});

const TOTALS = { protocol: "2", shards: "1", rejected: 0, fenced: 0, reaped: 0, rebuilt: 0 };
const LOG = { now: 0, records: 2, oldestMs: 900, overdueMs: 0, ranAgo: 300, users: 3, sockets: 4 };

const part = (more: Partial<ShardFacts> = {}): ShardFacts => ({
  shard: 0,
  wrongTypes: [],
  totals: { known: TOTALS },
  log: { known: LOG },
  group: { known: { consumers: 1, pending: 0 } },
  rejected: { known: { reasons: new Map(), latestAgo: null } },
  tombstones: { known: 2 },
  ...more,
});

const process = (more: Partial<ProcessFacts> = {}): ProcessFacts => ({
  id: "web-1",
  state: "live",
  sockets: 4,
  left: 8_000,
  version: "0.2.0",
  protocol: "2",
  reason: undefined,
  ...more,
});

const subscriber = (more: Partial<SubscriberStatus> = {}): SubscriberStatus => ({
  name: "billing",
  stale: false,
  servedAt: new Date(),
  behind: 0,
  attempt: 0,
  retryAt: null,
  disabled: null,
  comparing: false,
  deadLetters: 0,
  handled: 9,
  failed: 0,
  gaps: 0,
  ...more,
});

const all = new Map(NEEDED.map((name) => [name, "yes" as const]));
const access = (more: Partial<AccessFacts> = {}): AccessFacts => ({
  user: "app",
  commands: { known: all },
  scripts: "yes",
  keys: true,
  ...more,
});

const CLOCK = { ahead: 2, uncertainty: 1, moved: 0, movedUncertainty: 2 };

const facts = (more: Partial<Facts> = {}): Facts => ({
  asked: {
    prefix: "presence",
    shards: undefined,
    role: "projecting-server",
    isRoleNamed: false,
    cluster: false,
    staleAfter: 5_000,
  },
  shards: 1,
  over: "redis",
  servers: [server()],
  access: access(),
  clock: { known: CLOCK },
  latency: { median: 0.4, p95: 2, count: 20 },
  parts: [part()],
  processes: { known: [process()] },
  subscribers: { known: [subscriber()] },
  ...more,
});

const notable = (verdicts: readonly Verdict[]) => verdicts.filter(({ level }) => level !== "ok");
const on = (info: object = {}, config: object = {}, more: Partial<ServerFacts> = {}) => ({
  servers: [server(info, config, more)],
});
const asked = (more: Partial<Facts["asked"]>) => ({ asked: { ...facts().asked, ...more } });
const may = (changes: Readonly<Record<string, "no" | "absent" | "yes">>, more: Partial<AccessFacts> = {}) => ({
  access: access({ commands: { known: new Map([...all, ...Object.entries(changes)]) }, ...more }),
}); // prettier-ignore
const totals = (more: object) => part({ totals: { known: { ...TOTALS, ...more } } });
const log = (more: object) => ({ parts: [part({ log: { known: { ...LOG, ...more } } })] });
const rejected = (latestAgo: number) => ({
  parts: [part({ rejected: { known: { reasons: new Map([["mac", 3], ["too many fields", 1]]), latestAgo } } })],
}); // prettier-ignore

it("nothing is said against a Redis in order", () => {
  const verdicts = diagnose(facts());
  expect(notable(verdicts)).toEqual([]);
  expect(isWell(verdicts)).toBe(true);
});

const CASES: readonly (readonly [name: string, change: Partial<Facts>, level: string, check: string, found: RegExp, remedy?: RegExp])[] = [
  ["a clock a minute and a half ahead", { clock: { known: { ...CLOCK, ahead: 90_000 } } }, "warning", "clock", /90 s ahead of/, /set-ntp/],
  ["one as far behind", { clock: { known: { ...CLOCK, ahead: -90_000 } } }, "warning", "clock", /90 s behind/, /set-ntp/],
  ["two seconds", { clock: { known: { ...CLOCK, ahead: 2_500 } } }, "note", "clock", /3 s ahead.*Redis's clock/],
  ["a clock that jumps", { clock: { known: { ...CLOCK, moved: -4_000 } } }, "warning", "clock", /jumped by 4 s/, /NTP/],
  ["slow round trips", { latency: { median: 80, p95: 400, count: 20 } }, "warning", "latency", /takes 80 ms, 95 % of 20 at most 400 ms/, /--latency/],
  ["an old Redis", on({ redis_version: "6.0.16" }), "critical", "version", /Redis 6\.0\.16 lacks/, /6\.2/],
  ["a disk that is full", on({ rdb_last_bgsave_status: "err" }), "critical", "persistence", /MISCONF/, /BGSAVE/],
  ["too few replicas", on({ min_slaves_good_slaves: "1" }, { "min-replicas-to-write": "2" }), "critical", "replication", /with 2 replicas, and has 1/, /min-replicas-to-write 1/],
  ["no persistence", on({ aof_enabled: "0", connected_slaves: "0" }), "note", "persistence", /within a heartbeat/],
  ["a policy without maxmemory", on({ maxmemory_policy: "volatile-lru" }), "warning", "eviction", /harmless until/, /noeviction/],
  ["keys that were evicted once", on({ evicted_keys: "12" }), "note", "eviction", /12 keys were evicted/],
  ["memory that is full", on({ maxmemory: "1000000" }), "critical", "memory", /100 %.*OOM/, /maxmemory 2mb/],
  ["memory that is nearly full", on({ maxmemory: "1100000" }), "warning", "memory", /90 %/, /maxmemory 2mb/],
  ["fragmented memory", on({ used_memory: "200000000", mem_fragmentation_ratio: "1.8" }), "note", "memory", /1\.8 times/, /PURGE/],
  ["nearly all clients", on({ connected_clients: "9500" }), "warning", "clients", /9500 of 10,000 clients/, /maxclients 20000/],
  ["a small output buffer", on({}, { "client-output-buffer-limit": "normal 1000000 0 0 slave 1 1 1" }), "warning", "settings", /cuts normal clients off at 1\.0 MB/, /normal 0 0 0/],
  ["an old name of a setting", on({}, { "busy-reply-threshold": "50" }), "warning", "settings", /50/, /5000/],
  ["slow calls", on({}, {}, { slow: { known: [{ command: "EVALSHA", at: 1, ms: 340 }, { command: "EVALSHA", at: 2, ms: 12 }] } }), "warning", "slowlog", /more: 1, the longest 340 ms/, /intrinsic/],
  ["XADD renamed", may({ XADD: "absent" }), "critical", "commands", /no XADD/, /rename-command XADD/],
  ["a role named, and more rights", { ...asked({ isRoleNamed: true }), ...may({ FLUSHALL: "yes" }) }, "warning", "rights", /may also run FLUSHALL/, /rollcall acl/],
  ["a role not named, and more rights", may({ FLUSHALL: "yes", "CONFIG|SET": "yes" }), "note", "rights", /may also run FLUSHALL, CONFIG SET/, /rollcall acl/],
  ["no PFADD", may({ PFADD: "no" }), "note", "rights", /without PFADD the option `history` fails/, /\+pfadd/],
  ["no right to write", may(Object.fromEntries(NEEDED.filter((name) => !commandsOf("reader").includes(name)).map((name) => [name, "no"])), { scripts: "no" }), "critical", "rights", /it is a reader \(if so, say --role reader\)/, /--role projecting-server/],
  ["that cannot be asked", { access: access({ commands: { unknown: "needs +acl|dryrun" } }) }, "unknown", "rights", /needs \+acl/],
  ["no INFO for some", on({}, {}, { config: { unknown: "needs +config|get" } }), "unknown", "settings", /needs \+config\|get/],
  ["a shard that is empty", { shards: 2, parts: [totals({ shards: "2" }), { ...totals({ protocol: null, shards: null }), shard: 1 }] }, "warning", "shards", /in shard 1 of 2/, /same number/],
  ["a shard of another number", { shards: 2, parts: [totals({ shards: "2" }), { ...totals({ shards: "3" }), shard: 1 }] }, "critical", "shards", /shard 1 records another/, /totals/],
  ["an older protocol", { parts: [totals({ protocol: "1" })] }, "warning", "protocol", /still at protocol 1/, /update/],
  ["a log that is nearly full", log({ records: 160_000 }), "critical", "lag", /160,000 records wait.*dropped/, /project/],
  ["a backlog", log({ records: 30_000 }), "warning", "lag", /30,000 records wait/, /shards/],
  ["what was rejected lately", rejected(60_000), "warning", "rejected", /3 × mac, 1 × too many fields/, /XREVRANGE/],
  ["what was rejected two days ago", rejected(172_800_000), "note", "rejected", /2 days ago/],
  ["many ends", { parts: [part({ tombstones: { known: 900 } })] }, "warning", "processes", /900 processes ended/, /ttl/],
  ["two versions", { processes: { known: [process(), process({ id: "web-2", version: "0.1.0" })] } }, "note", "processes", /2 versions.*0\.1\.0, 0\.2\.0/],
  ["a lease that has just run out", { processes: { known: [process(), process({ id: "web-2", left: -1_000 })] } }, "ok", "processes", /^1 live/],
  ["no process", { processes: { known: [] } }, "warning", "processes", /nobody is counted/, /prefix/],
  ["a disabled subscriber", { subscribers: { known: [subscriber({ disabled: "410", behind: 5_000 })] } }, "critical", "subscribers", /"billing" is disabled/, /enable\(\)/],
  ["one that fails", { subscribers: { known: [subscriber({ attempt: 3, behind: 90_000 })] } }, "warning", "subscribers", /attempt 3; the oldest change has waited for 90 s/, /DELIVERY_FAILED/],
  ["one that is behind", { subscribers: { known: [subscriber({ behind: 240_000 })] } }, "warning", "subscribers", /is slow: .* 4 min/, /faster/],
]; // prettier-ignore

it.each(CASES.map((one) => [one[0], one] as const))("%s", (_, [, change, level, check, found, remedy]) => {
  const verdicts = diagnose(facts(change));
  const [first, ...others] = level === "ok" ? verdicts.filter((one) => one.check === check) : notable(verdicts); // prettier-ignore
  expect(others).toEqual([]);
  expect(first).toMatchObject({ level, check, found: expect.stringMatching(found) });
  if (remedy === undefined) expect(first!.remedy).toBeUndefined();
  else expect(first!.remedy).toMatch(remedy);
  expect(isWell(verdicts)).toBe(level !== "critical" && level !== "warning");
});

it("the worst comes first", () => {
  const bad = facts({
    ...on({ maxmemory_policy: "allkeys-lru", aof_enabled: "0", connected_slaves: "0" }),
    processes: { known: [] },
    parts: [
      part({ group: { unknown: "needs +xinfo|groups" }, log: { known: { ...LOG, overdueMs: 60_000 } } }),
    ],
  });
  const levels = diagnose(bad).map(({ level }) => level);
  expect([...new Set(levels)]).toEqual(["critical", "warning", "unknown", "note", "ok"]);
  expect(levels.toSorted((a, b) => levels.indexOf(a) - levels.indexOf(b))).toEqual(levels);
});

it("a Sentinel is named as one, and not as a Redis that is too old", () => {
  const refused = new PresenceError("REDIS_TOO_OLD", "this Redis is 7.0.15 and lacks ZMSCORE");
  const verdicts = diagnose(facts({ ...on({ redis_mode: "sentinel" }), parts: [] }), refused);
  expect(notable(verdicts)).toMatchObject([{ check: "mode", found: expect.stringMatching(/a Sentinel/) }]);
  const old = diagnose(facts({ ...on({ redis_version: "6.0.16" }), parts: [] }), refused);
  expect(old.filter(({ level }) => level === "critical").map(({ check }) => check)).toContain("version");
});

it("of several servers each verdict names its own", () => {
  const second = server({ maxmemory_policy: "allkeys-lru", maxmemory: "9000000" }, {}, { address: "other:6379" });
  const [first] = diagnose(facts({ servers: [server(), second] }));
  expect(first).toMatchObject({ check: "eviction", found: expect.stringMatching(/^other:6379: maxmemory-policy/) });
}); // prettier-ignore

it("two clocks are compared by the fastest round trip, which bounds the error", () => {
  const slow = { before: 1_000, after: 1_400, redis: 6_390 };
  const fast = { before: 2_000, after: 2_010, redis: 7_005 };
  expect(clockFacts([slow, fast], [fast])).toEqual({
    ahead: 5_000,
    uncertainty: 6,
    moved: 0,
    movedUncertainty: 12,
  });
  const later = { before: 3_000, after: 3_010, redis: 9_005 };
  expect(clockFacts([slow, fast], [later])).toMatchObject({ ahead: 6_000, moved: 1_000 });
});

it("every command of every role has arguments to ask with, and names no key of others", () => {
  const keys = keysOf("presence", 0, 1);
  const bare = ROLES.flatMap((role) => commandsOf(role)).filter((name) => sampleOf(name, keys).length === 1);
  expect([...new Set(bare)].sort()).toEqual(["EXEC", "MULTI", "TIME"]);
  expect(BEYOND.map(nameOf)).toEqual(["FLUSHALL", "KEYS", "CONFIG|SET", "ACL|SETUSER", "CLIENT|PAUSE"]);
});

it("durations and lists are short", () => {
  expect([0.4, 999, 1_000, 119_000, 120_000, 7_200_000, 172_800_000].map(lasting)).toEqual([
    "0 ms", "999 ms", "1 s", "119 s", "2 min", "2 h", "2 days",
  ]); // prettier-ignore
  expect(some(["a", "b", "c"], 2)).toBe("a, b and 1 more");
});

it("docs/operations.md has every check", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/operations.md"), "utf8");
  const [, section = ""] = page.split("\n## Doctor\n");
  const names = [...section.split("\n## ")[0]!.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  expect(names).toEqual([...CHECKS]);
});
