/**
 * Goal: `rollcall doctor` names what is wrong with a Redis, with what to do about it, and says nothing of a Redis in order.
 * Method: real servers, each broken in its own way, and the command as a user runs it. A prefix is broken on its own, so prefixes share
 * a server. A clock that is off cannot be had from a real Redis here: test/unit/doctor/verdicts.test.ts passes the times in.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBridge } from "../../packages/upstash-bridge/src/index.ts";
import { connect, startNode, type TestNode } from "../../rig/node.ts";
import { type RedisServer, startRedis } from "../../packages/local-redis/src/index.ts";
import { TestShard } from "../../rig/shard.ts";
import { until } from "../../rig/until.ts";
import { aclRules, type Role } from "../../src/core/access.ts";
import { main as cli } from "../../src/cli/main.ts";
import type { Verdict } from "../../src/doctor/verdict.ts";
import { createSubscriber } from "../../src/subscriber/create.ts";

const CLI = join(import.meta.dirname, "../../src/cli.ts");
const SECRET = "a-secret-of-this-test";
/** Everything here was so for a minute. */
const AGO_MS = 60_000;
/** A user whose id must not be in any output. */
const ALICE = "alice-whose-id-is-personal";

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

/** In this process: a Node of its own for each takes seconds on a busy machine. */
async function rollcall(args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  let [out, err] = ["", ""];
  const exit = await cli(args, {
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    stdin: process.stdin,
    env,
    signal: new AbortController().signal,
  });
  return { exit, out, err };
}

/** As `npx rollcall` does. */
function command(args: readonly string[]): Promise<Ran> {
  const { REDIS_URL: _, FORCE_COLOR: __, ...env } = process.env;
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CLI, ...args], { env, timeout: 30_000 }, (error, out, err) => {
      const exit = error === null ? 0 : Number(error.code);
      if (Number.isNaN(exit)) reject(error!);
      else resolve({ exit, out, err });
    });
  });
}

interface Told {
  readonly exit: number;
  readonly verdicts: readonly Verdict[];
}

async function told(...args: readonly string[]): Promise<Told> {
  const { exit, out, err } = await rollcall(["doctor", "--json", ...args]);
  expect(err).toBe("");
  for (const secret of [SECRET, ALICE]) expect(out).not.toContain(secret);
  return { exit, verdicts: (JSON.parse(out) as { verdicts: Verdict[] }).verdicts };
}

const bad = ({ verdicts }: Told) =>
  verdicts.filter(({ level }) => level === "critical" || level === "warning");

const servers: RedisServer[] = [];
const opened: Redis[] = [];
let main: RedisServer;
let admin: Redis;
let configured: RedisServer;
let renamed: RedisServer;
let replica: RedisServer;
let full: RedisServer;
let node: RedisServer;
let live: TestNode;
const tabs: { disconnect(): unknown }[] = [];

async function start(...args: string[]): Promise<RedisServer> {
  const server = await startRedis({ args });
  servers.push(server);
  return server;
}

function client(server: RedisServer): Redis {
  const made = new Redis(server.url, { retryStrategy: () => null });
  made.on("error", () => {});
  opened.push(made);
  return made;
}

/** A prefix in which all happened a minute ago; what is left undone has been due since. */
async function aged(prefix: string, work: (shard: TestShard) => Promise<unknown>): Promise<void> {
  const shard = new TestShard(main.url, { prefix });
  shard.now = Date.now() - AGO_MS;
  await work(shard);
  await shard.close();
}

const registered = (shard: TestShard, ttl = 3_600_000) =>
  shard.record({
    process: "web-1",
    seq: 1,
    ttl,
    sockets: 1,
    operations: [{ op: "connect", user: ALICE }],
    about: { host: "a", pid: 1, version: "0.2.0", grace: 0 },
  });

const BROKEN: Readonly<Record<string, (shard: TestShard) => Promise<unknown>>> = {
  unfolded: (shard) => registered(shard),
  lapsed: async (shard) => {
    await registered(shard, 10_000);
    await shard.step();
  },
  rejected: async (shard) => {
    await registered(shard);
    await shard.append("process", "web-9", "seq", "x", "ttl", "1", "connect", ALICE);
    await shard.append("user", ALICE);
    await shard.drain();
  },
  newer: async (shard) => {
    await registered(shard);
    await shard.drain();
    await shard.redis.hset(shard.keys.totals, "protocol", "3");
  },
  older: async (shard) => {
    await registered(shard);
    await shard.drain();
    const about = JSON.parse((await shard.redis.hget(shard.keys.about, "web-1"))!) as object;
    const first = { ...about, protocol: "1", version: "0.1.0" };
    await shard.redis.hset(shard.keys.about, "web-1", JSON.stringify(first));
  },
  fenced: async (shard) => {
    await registered(shard);
    await shard.record({ process: "web-1", seq: 5, ttl: 3_600_000, sockets: 1 });
    await shard.drain();
  },
  typed: (shard) => shard.redis.set(shard.keys.users, "not a hash"),
  taken: async (shard) => {
    await registered(shard);
    await shard.drain();
    await shard.record({ process: "web-1", seq: 2, ttl: 3_600_000, sockets: 1 });
    await shard.redis.call("XREADGROUP", "GROUP", "projector", "a-thief", "STREAMS", shard.keys.records, ">");
  },
  unserved: async (shard) => {
    await registered(shard);
    await shard.drain();
    const { prefix } = shard;
    const failing = createSubscriber({
      redis: main.url, prefix, name: "billing", from: "start", retries: [], logger: false, handle: () => { throw new Error(ALICE); },
    });
    await until("the delivery is given up", async () => {
      await failing.deliver();
      return (await failing.deadLetters.count()) > 0;
    });
    await failing.close();
    await shard.redis.zadd(shard.keys.subscribers, Date.now() - 600_000, "billing");
  },
}; // prettier-ignore

async function user(name: string, rules: readonly string[]): Promise<string> {
  await admin.call("ACL", "SETUSER", name, ...rules, `>${SECRET}`);
  return main.url.replace("redis://", `redis://${name}:${SECRET}@`);
}
const ofRole = (role: Role) => aclRules({ role, prefix: "presence", redis: "7.0" });

/** As many clients as the server takes. */
async function exhaust(server: RedisServer, most: number): Promise<void> {
  for (let i = 0; i < most; i++) await client(server).ping();
}

beforeAll(async () => {
  [main, configured, renamed, full, node] = await Promise.all([
    start(),
    start("--maxmemory-policy", "allkeys-lru", "--timeout", "5", "--busy-reply-threshold", "20"),
    start("--rename-command", "EVALSHA", ""),
    start("--maxclients", "3"),
    start("--cluster-enabled", "yes"),
  ]);
  admin = client(main);
  replica = await start("--replicaof", "127.0.0.1", String(main.port));
  live = await startNode({ redis: main.url, heartbeat: 300 });
  await Promise.all([
    connect(live.url, ALICE).then((tab) => tabs.push(tab)),
    ...Object.entries(BROKEN).map(([prefix, work]) => aged(prefix, work)),
  ]);
  const squeezed = client(configured);
  await squeezed.config("SET", "requirepass", SECRET);
  const used = Number(/used_memory:(\d+)/.exec(await squeezed.info("memory"))![1]);
  await squeezed.config("SET", "maxmemory", String(Math.round(used * 1.05)));
  await until("alice is counted", async () => (await live.presence.counts()).users === 1);
});
afterAll(async () => {
  for (const tab of tabs) tab.disconnect();
  await live.close();
  for (const one of opened) one.disconnect();
  await Promise.all(servers.map((server) => server.stop()));
});

it("of a Redis in order with a live server it says that all is well", async () => {
  const { exit, out, err } = await command(["doctor", "--redis", main.url]);
  expect(out).toMatch(/^all well: /m);
  expect(out).toMatch(/^ok +processes +1 live, 1 socket$/m);
  expect(out).not.toMatch(/^(critical|warning|unknown)/m);
  expect(out).not.toContain(ALICE);
  // Plain text where no terminal is.
  expect(out).not.toContain("\u001b");
  expect({ exit, err }).toEqual({ exit: 0, err: "" });
});

it("nothing is changed", async () => {
  const prefix = "rejected";
  const seen = async () => {
    const names = (await admin.keys(`{${prefix}}*`)).sort();
    return Promise.all(
      names.map(async (name) => `${name} ${(await admin.dumpBuffer(name)).toString("hex")}`),
    );
  };
  const before = await seen();
  expect(before.length).toBeGreaterThan(5);
  await told("--redis", main.url, "--prefix", prefix);
  expect(await seen()).toEqual(before);
});

/** Way of breaking it, arguments, and what must be told. */
interface Way {
  readonly args: () => readonly string[] | Promise<readonly string[]>;
  readonly exit?: number;
  readonly check: string;
  readonly found: RegExp;
  readonly remedy: RegExp;
}

const onPrefix = (prefix: string) => () => ["--redis", main.url, "--prefix", prefix];
const locked = () => configured.url.replace("redis://", `redis://:${SECRET}@`);

const WAYS: Readonly<Record<string, Way>> = {
  "nothing listens": {
    args: () => ["--redis", `redis://u:${SECRET}@127.0.0.1:1`],
    exit: 3,
    check: "reachable",
    found: /127\.0\.0\.1:1: ECONNREFUSED/,
    remedy: /redis-server/,
  },
  "a wrong password": {
    args: () => ["--redis", main.url.replace("redis://", `redis://nobody:${SECRET}@`)],
    exit: 3,
    check: "reachable",
    found: /: WRONGPASS/,
    remedy: /redis:\/\/user:password@/,
  },
  "no password": {
    args: () => ["--redis", configured.url],
    exit: 3,
    check: "reachable",
    found: /: NOAUTH/,
    remedy: /redis:\/\/user:password@/,
  },
  "TLS to a port without": {
    args: () => ["--redis", main.url.replace("redis:", "rediss:"), "--timeout", "500"],
    exit: 3,
    check: "reachable",
    found: /use redis:\/\//,
    remedy: /redis/,
  },
  "no more clients": {
    args: async () => {
      await exhaust(full, 3);
      return ["--redis", full.url];
    },
    exit: 3,
    check: "reachable",
    found: /: MAXCLIENTS/,
    remedy: /CONFIG SET maxclients/,
  },
  "a user without scripts": {
    args: async () => ["--redis", await user("no-scripts", [...ofRole("projecting-server"), "-@scripting"])],
    check: "rights",
    found: /"no-scripts" may not run EVAL/,
    remedy: /ACL SETUSER no-scripts \+eval.*npx rollcall acl --role projecting-server/,
  },
  "a user without the keys": {
    args: async () => [
      "--redis",
      await user("elsewhere", [...ofRole("projecting-server"), "resetkeys", "~other:*"]),
    ],
    check: "rights",
    found: /"elsewhere" may not use the keys of the prefix "presence"/,
    remedy: /ACL SETUSER elsewhere '~\{presence\}:\*'/,
  },
  "a user without one command": {
    args: async () => ["--redis", await user("no-xtrim", [...ofRole("projecting-server"), "-xtrim"])],
    check: "rights",
    found: /"no-xtrim" may not run XTRIM, which the role projecting-server needs/,
    remedy: /ACL SETUSER no-xtrim \+xtrim/,
  },
  "a reader that may do everything": {
    args: () => ["--redis", main.url, "--role", "reader"],
    check: "rights",
    found: /"default" may also change the projection/,
    remedy: /npx rollcall acl --role reader/,
  },
  "a policy that evicts": {
    args: () => ["--redis", locked()],
    check: "eviction",
    found: /allkeys-lru: when its memory is full Redis deletes keys/,
    remedy: /CONFIG SET maxmemory-policy noeviction/,
  },
  "memory that is nearly full": {
    args: () => ["--redis", locked()],
    check: "memory",
    found: /are used \(\d+ %\)/,
    remedy: /CONFIG SET maxmemory \d+mb/,
  },
  "a timeout that cuts off": {
    args: () => ["--redis", locked()],
    check: "settings",
    found: /^timeout 5:/,
    remedy: /CONFIG SET timeout 0/,
  },
  "scripts that are soon BUSY": {
    args: () => ["--redis", locked()],
    check: "settings",
    found: /^busy-reply-threshold 20:/,
    remedy: /CONFIG SET busy-reply-threshold 5000/,
  },
  "EVALSHA renamed": {
    args: () => ["--redis", renamed.url],
    check: "scripts",
    found: /this Redis has no EVALSHA/,
    remedy: /take rename-command EVALSHA out/,
  },
  "a replica": {
    args: () => ["--redis", replica.url],
    check: "replication",
    found: /a replica of 127\.0\.0\.1:\d+.*READONLY/,
    remedy: /use 127\.0\.0\.1:\d+/,
  },
  "a node of a Cluster": {
    args: () => ["--redis", node.url],
    check: "mode",
    found: /a node of a Redis Cluster/,
    remedy: /new Cluster\(\[…\]\).*--cluster/,
  },
  "another number of shards": {
    args: () => ["--redis", main.url, "--shards", "4"],
    check: "shards",
    found: /opened with 1 shards, not 4/,
    remedy: /use shards: 1/,
  },
  "a key of another type": {
    args: onPrefix("typed"),
    check: "keys",
    found: /^\{typed\}:users is a string, not the hash/,
    remedy: /RENAME '\{typed\}:users'/,
  },
  "a log that nobody folds": {
    args: onPrefix("unfolded"),
    check: "lag",
    found: /1 record waits.*due for \d+ (?:s|min).*no projector has ever folded/,
    remedy: /project: true/,
  },
  "a crashed process that nobody reaps": {
    args: onPrefix("lapsed"),
    check: "processes",
    found: /1 process crashed, the lease ran out \d+ (?:s|min) ago.*1 socket of it \(web-1\)/,
    remedy: /project: true/,
  },
  "records that are rejected": {
    args: onPrefix("rejected"),
    check: "rejected",
    found: /2 entries of the log were rejected.*1 × seq is not a whole number from 1/,
    remedy: /XREVRANGE '\{rejected\}:rejected'/,
  },
  "a fenced process": {
    args: onPrefix("fenced"),
    check: "processes",
    found: /records of 1 process do not add up.*web-1.*seq 5 after 1/,
    remedy: /forked/,
  },
  "a newer protocol": {
    args: onPrefix("newer"),
    check: "protocol",
    found: /at protocol 3, and this version speaks 2/,
    remedy: /npm i rollcall@latest/,
  },
  "a process of an older protocol": {
    args: onPrefix("older"),
    check: "processes",
    found: /1 process speaks another protocol than 2: protocol 1 \(rollcall 0\.1\.0\) \(web-1\)/,
    remedy: /npm i rollcall@latest/,
  },
  "somebody else in the group": {
    args: onPrefix("taken"),
    check: "group",
    found: /1 entry of \{taken\}:records is pending/,
    remedy: /XINFO CONSUMERS/,
  },
  "a subscriber that nobody serves": {
    args: onPrefix("unserved"),
    check: "subscribers",
    found: /nobody serves "billing"/,
    remedy: /start a process with this subscriber/,
  },
  "dead letters": {
    args: onPrefix("unserved"),
    check: "subscribers",
    found: /"billing" gave up 1 delivery/,
    remedy: /deadLetters\.list\(\)/,
  },
};

describe("it names", () => {
  it.each(Object.entries(WAYS))("%s", async (_, { args, exit = 1, check, found, remedy }) => {
    const seen = await told(...(await args()));
    const named = bad(seen).find((one) => one.check === check && found.test(one.found));
    expect(named, JSON.stringify(bad(seen), null, 2)).toBeDefined();
    expect(named!.remedy).toMatch(remedy);
    expect(seen.exit).toBe(exit);
  });
});

describe("it says nothing that is not so:", () => {
  // Prefixes with one fault have that one alone.
  const ALONE = ["unfolded", "lapsed", "rejected", "newer", "older", "taken"];
  it.each(ALONE)("%s", async (prefix) => {
    const seen = await told("--redis", main.url, "--prefix", prefix);
    const checks = new Set<string>(bad(seen).map(({ check }) => check));
    const follows: Readonly<Record<string, readonly string[]>> = { lapsed: ["lag"], taken: ["lag"] };
    for (const consequence of follows[prefix] ?? []) checks.delete(consequence);
    expect([...checks]).toHaveLength(1);
  });
});

describe("over a REST API", () => {
  const TOKEN = "a-token-of-this-test-which-may-write";

  it("what can be learnt is said, and a wrong token", async () => {
    await using bridge = await startBridge({
      redis: main.url,
      token: TOKEN,
      readOnlyToken: `${TOKEN}-reads`,
    });
    const env = (token: string) => ({ UPSTASH_REDIS_REST_URL: bridge.url, UPSTASH_REDIS_REST_TOKEN: token });
    const whole = await rollcall(["doctor"], env(TOKEN));
    expect(whole.out).toMatch(/^ok +processes +1 live, 1 socket$/m);
    expect(whole.exit).toBe(0);
    const wrong = await rollcall(["doctor"], env(`${TOKEN}-that-is-wrong`));
    expect(wrong.out).toMatch(/critical +reachable +.*WRONGPASS: the token is wrong/);
    expect(wrong.exit).toBe(3);
  });
});

it("a user with few rights gets the rest, and for what is not known what it takes", async () => {
  const url = await user("reads", ofRole("reader"));
  const { exit, verdicts } = await told("--redis", url, "--role", "reader");
  expect(exit).toBe(0);
  const unknown = verdicts.filter(({ level }) => level === "unknown").map(({ check, found }) => `${check}: ${found}`); // prettier-ignore
  expect(unknown).toEqual(
    expect.arrayContaining([
      "slowlog: not known: needs +slowlog|get",
      "settings: not known: needs +config|get",
      "group: not known: needs +xinfo|groups",
      expect.stringMatching(/^rights: not known: needs \+eval, or needs \+acl\|dryrun$/),
    ]),
  );
  const known = verdicts.filter(({ level }) => level === "ok").map(({ check }) => check);
  expect(known).toEqual(expect.arrayContaining(["version", "memory", "clock", "lag", "processes"]));
});

describe("check", () => {
  const line = async (...args: readonly string[]) => {
    const { exit, out, err } = await rollcall(["check", ...args]);
    expect(out.trim().split("\n")).toHaveLength(1);
    expect(out + err).not.toContain(SECRET);
    return { exit, out: out.trim() };
  };

  it("is OK of servers in order, also for a user that may only read", async () => {
    const { exit, out } = await line("--redis", await user("nagios", ofRole("reader")));
    expect(out).toMatch(
      /^ROLLCALL OK - 1 users, 1 processes, lag \d+ ms \| users=1;;;0 sockets=1;;;0 processes=1;;1:;0 lag_ms=\d+;5000;60000;0 records=\d+;;;0 rejected=0c;;;0$/,
    );
    expect(exit).toBe(0);
  });

  it.each([
    [["--prefix", "unfolded", "--min-processes", "0", "--critical-lag", "86400000"], 1, /^ROLLCALL WARNING - work has waited for a projector for \d+ /],
    [["--prefix", "unfolded", "--critical-lag", "6000"], 2, /^ROLLCALL CRITICAL - 0 of at least 1 processes, work has waited for a projector for \d+ /],
    [["--prefix", "rejected", "--max-rejected", "1"], 1, /^ROLLCALL WARNING - 2 rejected entries, .*rejected=2c;1;;0$/],
    [["--min-processes", "3"], 2, /^ROLLCALL CRITICAL - 1 of at least 3 processes/],
    [["--shards", "4"], 3, /^ROLLCALL UNKNOWN - this prefix was opened with 1 shard\(s\), not 4/],
    [["--max-rejectd", "1"], 3, /^ROLLCALL UNKNOWN - unknown option '--max-rejectd'; rollcall check --help$/],
    [["--warning-lag", "soon"], 3, /^ROLLCALL UNKNOWN - --warning-lag must be a whole number/],
  ] as const)("%j: %i", async (args, wanted, found) => {
    const { exit, out } = await line("--redis", main.url, ...args);
    expect(out).toMatch(found);
    expect(exit).toBe(wanted);
  }); // prettier-ignore

  it("is CRITICAL when Redis is away", async () => {
    const { exit, out } = await line("--redis", `redis://u:${SECRET}@127.0.0.1:1`);
    expect(out).toMatch(/^ROLLCALL CRITICAL - cannot connect to Redis at 127\.0\.0\.1:1: ECONNREFUSED/);
    expect(exit).toBe(2);
  });
});

it.each([
  [["--redsi", "x"], /unknown option '--redsi' \(did you mean --redis\?\)/],
  [["--redis", `${SECRET}@localhost`], /--redis must be a redis:\/\/ or rediss:\/\/ URL/],
  [["--role", "boss"], /--role must be one of recorder, /],
  [["--shards", "0"], /--shards must be a whole number from 1 to 1024/],
  [["--redis", "redis://127.0.0.1:1", "--prefix", "{a}"], /prefix must be 1 to 128 characters/],
  [[], /no Redis: pass --redis/],
])("%j is wrong use", async (args, found) => {
  const { exit, out, err } = await rollcall(["doctor", ...args]);
  expect(err).toMatch(found);
  expect(err).not.toContain(SECRET);
  expect({ exit, out }).toEqual({ exit: 2, out: "" });
});
