/** What the server is, and whether it takes writes. */
import { type Facts, type ServerFacts, valueOf } from "../facts.ts";
import { modeOf } from "../mode.ts";
import { critical, lasting, note, ok, unknown, type Verdict, warning } from "../verdict.ts";

const FLOOR = [6, 2] as const;

/** The first of the fields that is there, which tells the engine. */
const ENGINES = [
  ["valkey_version", "Valkey"],
  ["dragonfly_version", "Dragonfly"],
  ["upstash_version", "Upstash"],
  ["redict_version", "Redict"],
  ["redis_version", "Redis"],
] as const;

const SLOW_MS = 100;

/** `address: ` in front, where there are several servers. */
export function placed({ servers }: Facts, { address }: ServerFacts, verdicts: readonly Verdict[]): Verdict[] {
  if (servers.length < 2) return [...verdicts];
  return verdicts.map((one) => ({ ...one, found: `${address}: ${one.found}` }));
} // prettier-ignore

export function serverVerdicts(facts: Facts, server: ServerFacts): Verdict[] {
  return [...versionVerdicts(server), ...modeVerdicts(facts, server), ...roleVerdicts(server), ...slowVerdicts(server)];
} // prettier-ignore

function versionVerdicts({ info, address }: ServerFacts): Verdict[] {
  if (!("known" in info)) return [unknown("version", info.unknown)];
  const [field, engine] = ENGINES.find(([name]) => info.known.has(name)) ?? [];
  if (field === undefined || engine === undefined)
    return [unknown("version", "INFO does not say which server this is")];
  const version = info.known.get(field)!;
  // Forks keep the version whose commands they have under the old name.
  const [major = 0, minor = 0] = (info.known.get("redis_version") ?? "").split(".").map(Number);
  const isOld = major < FLOOR[0] || (major === FLOOR[0] && minor < FLOOR[1]);
  if (info.known.has("redis_version") && isOld)
    return [critical("version", `${engine} ${version} lacks commands that Rollcall needs`, "update it to Redis 6.2 or later")]; // prettier-ignore
  return [ok("version", `${engine} ${version} at ${address}`)];
}

function modeVerdicts({ asked }: Facts, server: ServerFacts): Verdict[] {
  const mode = modeOf(server);
  if (mode === "sentinel")
    return [
      critical(
        "mode",
        "this is a Sentinel, which keeps no data",
        "pass `new Redis({ sentinels: [{ host, port }], name })` to createPresence, and run doctor on the primary: redis-cli SENTINEL GET-MASTER-ADDR-BY-NAME <name>",
      ),
    ];
  if (mode === "cluster" && !asked.cluster)
    return [
      critical(
        "mode",
        "this is a node of a Redis Cluster, which answers for its own slots only, so a URL is not enough",
        "pass `new Cluster([…])` to createPresence, and --cluster to doctor",
      ),
    ];
  if (mode === undefined) return [];
  return [ok("mode", mode === "cluster" ? "Redis Cluster" : "one server")];
}

function roleVerdicts({ info, config }: ServerFacts): Verdict[] {
  if (!("known" in info)) return [unknown("replication", info.unknown)];
  const fields = info.known;
  const settings = valueOf(config);
  if (fields.get("role") === "slave") {
    const primary = `${fields.get("master_host") ?? "?"}:${fields.get("master_port") ?? "?"}`;
    const isDown = fields.get("master_link_status") === "down";
    const found = `this is a replica of ${primary}${isDown ? ", which it has lost" : ""}: it refuses all records (READONLY)`;
    return [
      critical("replication", found, `use ${primary}, or if it should be the primary: redis-cli REPLICAOF NO ONE`),
    ]; // prettier-ignore
  }
  const replicas = Number(fields.get("connected_slaves") ?? 0);
  const wanted = Number(settings?.get("min-replicas-to-write") ?? 0);
  const good = Number(fields.get("min_slaves_good_slaves") ?? replicas);
  if (wanted > good)
    return [
      critical(
        "replication",
        `it accepts records only with ${wanted} replicas, and has ${good} (min-replicas-to-write, NOREPLICAS)`,
        `connect the replicas, or: redis-cli CONFIG SET min-replicas-to-write ${good}`,
      ),
    ];
  const stops = settings?.get("stop-writes-on-bgsave-error") !== "no";
  if (fields.get("rdb_last_bgsave_status") === "err" && stops)
    return [
      critical(
        "persistence",
        "it cannot save to its disk, so it accepts no records (MISCONF)",
        "check its log and its disk, then: redis-cli BGSAVE",
      ),
    ];
  if (fields.get("aof_enabled") === "0" && replicas === 0)
    return [
      note(
        "persistence",
        "no append-only file and no replica: after a restart all users are missing until the servers have registered again, within a heartbeat",
      ),
    ];
  return [ok("persistence", fields.get("aof_enabled") === "1" ? "append-only file" : `replicas: ${replicas}`)];
} // prettier-ignore

function slowVerdicts({ slow }: ServerFacts): Verdict[] {
  if (!("known" in slow)) return [unknown("slowlog", slow.unknown)];
  const longest = Math.max(0, ...slow.known.map(({ ms }) => ms));
  if (longest < SLOW_MS) return [ok("slowlog", "no call of the scripts blocked Redis for 100 ms")];
  const many = slow.known.filter(({ ms }) => ms >= SLOW_MS).length;
  return [
    warning(
      "slowlog",
      `calls of Rollcall's scripts that blocked Redis for ${SLOW_MS} ms or more: ${many}, the longest ${lasting(longest)}`,
      "look for a busy or swapping machine: redis-cli --intrinsic-latency 10; a call takes about 5 ms at most",
    ),
  ];
}
