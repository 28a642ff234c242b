/** Memory, clients and the settings that cut connections. */
import { type ServerFacts, valueOf } from "../facts.ts";
import { counted, critical, lasting, note, ok, unknown, type Verdict, warning } from "../verdict.ts";

const NEARLY = 0.9;
const FULL = 0.99;
/** Below it, fragmentation is that of an empty server. */
const FRAGMENTED_BYTES = 100_000_000;
const FRAGMENTED = 1.5;
/** Heartbeats come every third of a lease, 3.3 s by default; below this some of them find a closed connection. */
const IDLE_S = 10;
/** Longer than any call of a script takes by an order of magnitude. */
const BUSY_MS = 100;
/** A page of users and a read of changes are below it. */
const BUFFER_BYTES = 4_000_000;

export function memoryVerdicts({ info }: ServerFacts): Verdict[] {
  if (!("known" in info)) return [unknown("eviction", info.unknown), unknown("memory", info.unknown)];
  return [...evictionVerdicts(info.known), ...fullVerdicts(info.known)];
}

const numberIn = (fields: ReadonlyMap<string, string>, name: string) => Number(fields.get(name) ?? NaN);

function evictionVerdicts(fields: ReadonlyMap<string, string>): Verdict[] {
  const policy = fields.get("maxmemory_policy");
  const evicted = numberIn(fields, "evicted_keys");
  const remedy = "redis-cli CONFIG SET maxmemory-policy noeviction, or give Rollcall a Redis of its own";
  if (policy === undefined) return [unknown("eviction", "INFO does not say maxmemory-policy")];
  if (policy !== "noeviction") {
    const found = `maxmemory-policy is ${policy}`;
    return numberIn(fields, "maxmemory") > 0
      ? [critical("eviction", `${found}: when its memory is full Redis deletes keys, and users are missing until all servers have registered again`, remedy)]
      : [warning("eviction", `${found}: harmless until somebody sets maxmemory; then Redis deletes keys`, remedy)];
  } // prettier-ignore
  if (evicted > 0)
    return [
      note("eviction", `noeviction; under another policy ${counted(evicted, "key")} were evicted since Redis started`),
    ]; // prettier-ignore
  return [ok("eviction", "noeviction")];
}

/** As in `CONFIG SET maxmemory 64mb`. */
const MB = 1_048_576;
const megabytes = (bytes: number) => `${(bytes / MB).toFixed(bytes < 10 * MB ? 1 : 0)} MB`;

function fullVerdicts(fields: ReadonlyMap<string, string>): Verdict[] {
  const used = numberIn(fields, "used_memory");
  const most = numberIn(fields, "maxmemory");
  if (!Number.isFinite(used)) return [unknown("memory", "INFO does not say used_memory")];
  if (most > 0 && used >= most * NEARLY) {
    const found = `${megabytes(used)} of ${megabytes(most)} are used (${Math.floor((used / most) * 100)} %)`;
    const remedy = `free some, or: redis-cli CONFIG SET maxmemory ${Math.ceil((used * 2) / MB)}mb`;
    return used >= most * FULL
      ? [critical("memory", `${found}: Redis accepts no more records (OOM)`, remedy)]
      : [warning("memory", `${found}: when it is full Redis accepts no more records (OOM)`, remedy)];
  }
  const ratio = numberIn(fields, "mem_fragmentation_ratio");
  const verdicts = [
    ok("memory", `${megabytes(used)} used${most > 0 ? ` of ${megabytes(most)}` : ", no maxmemory"}`),
  ];
  if (used > FRAGMENTED_BYTES && ratio > FRAGMENTED)
    verdicts.push(note("memory", `fragmentation: ${ratio} times as much as is used`, "redis-cli MEMORY PURGE"));
  return verdicts;
} // prettier-ignore

export function clientVerdicts(server: ServerFacts): Verdict[] {
  return [...maxClientsVerdicts(server), ...settingVerdicts(server)];
}

function maxClientsVerdicts({ info }: ServerFacts): Verdict[] {
  if (!("known" in info)) return [unknown("clients", info.unknown)];
  const connected = numberIn(info.known, "connected_clients");
  const most = numberIn(info.known, "maxclients");
  if (!Number.isFinite(connected) || !Number.isFinite(most))
    return [unknown("clients", "INFO does not say maxclients")];
  const found = `${connected} of ${counted(most, "client")} are connected`;
  if (connected < most * NEARLY) return [ok("clients", found)];
  return [
    warning("clients", `${found}: beyond that servers are refused`, `redis-cli CONFIG SET maxclients ${most * 2}`),
  ];
} // prettier-ignore

function settingVerdicts({ config }: ServerFacts): Verdict[] {
  const settings = valueOf(config);
  if (settings === undefined) return "unknown" in config ? [unknown("settings", config.unknown)] : [];
  const verdicts: Verdict[] = [];
  const idle = Number(settings.get("timeout") ?? 0);
  if (idle > 0 && idle < IDLE_S)
    verdicts.push(
      warning(
        "settings",
        `timeout ${idle}: Redis closes a connection after ${idle} s without a command, and heartbeats come every few seconds`,
        "redis-cli CONFIG SET timeout 0",
      ),
    );
  const busy = Number(settings.get("busy-reply-threshold") ?? settings.get("lua-time-limit") ?? 0);
  if (busy > 0 && busy < BUSY_MS)
    verdicts.push(
      warning(
        "settings",
        `busy-reply-threshold ${busy}: all clients are answered BUSY while a script runs for longer than ${lasting(busy)}`,
        `redis-cli CONFIG SET ${settings.has("busy-reply-threshold") ? "busy-reply-threshold" : "lua-time-limit"} 5000`,
      ),
    );
  const [, hard = "0"] = /\bnormal (\d+)/.exec(settings.get("client-output-buffer-limit") ?? "") ?? [];
  if (Number(hard) > 0 && Number(hard) < BUFFER_BYTES)
    verdicts.push(
      warning(
        "settings",
        `client-output-buffer-limit cuts normal clients off at ${megabytes(Number(hard))}, less than a large answer has`,
        "redis-cli CONFIG SET client-output-buffer-limit 'normal 0 0 0'",
      ),
    );
  return verdicts.length > 0 ? verdicts : [ok("settings", "none that cuts connections or scripts off")];
}
