/** From facts to verdicts. Pure. */
import type { PresenceError } from "../core/errors.ts";
import type { Facts } from "./facts.ts";
import { accessVerdicts } from "./verdicts/access.ts";
import { clockVerdicts, latencyVerdicts } from "./verdicts/clock.ts";
import { logVerdicts } from "./verdicts/log.ts";
import { clientVerdicts, memoryVerdicts } from "./verdicts/memory.ts";
import { processVerdicts } from "./verdicts/processes.ts";
import { placed, serverVerdicts } from "./verdicts/server.ts";
import { shardVerdicts, typeVerdicts } from "./verdicts/shards.ts";
import { subscriberVerdicts } from "./verdicts/subscribers.ts";
import { critical, type Verdict, worstFirst } from "./verdict.ts";

/** All verdicts, the worst first. `refused`: why Rollcall would not use this server. */
export function diagnose(facts: Facts, refused?: PresenceError): Verdict[] {
  const servers = facts.servers.flatMap((server) =>
    placed(facts, server, [
      ...serverVerdicts(facts, server),
      ...memoryVerdicts(server),
      ...clientVerdicts(server),
    ]),
  );
  if (facts.parts.length === 0) {
    // What it is explains why it is refused.
    const why = servers.some(({ check, level }) => check === "mode" && level === "critical");
    const said = refused === undefined || why ? [] : [critical("version", refused.message, "update it to Redis 6.2 or later")]; // prettier-ignore
    return worstFirst([...said, ...servers.filter(({ level }) => level !== "unknown")]);
  }
  return worstFirst([
    ...servers,
    ...accessVerdicts(facts),
    ...clockVerdicts(facts),
    ...latencyVerdicts(facts),
    ...typeVerdicts(facts),
    ...shardVerdicts(facts),
    ...logVerdicts(facts),
    ...processVerdicts(facts),
    ...subscriberVerdicts(facts),
  ]);
}

const REACH_REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "redis-server, or correct the host and port",
  ENOTFOUND: "correct the host name",
  EAI_AGAIN: "getent hosts NAME, and look at /etc/resolv.conf",
  WRONGPASS: "correct the user name and password in the URL: redis://user:password@host:port",
  TOKEN: "correct UPSTASH_REDIS_REST_TOKEN",
  NOAUTH: "put the password into the URL: redis://user:password@host:port",
  MAXCLIENTS: "redis-cli CONFIG SET maxclients 20000 on its machine, or close clients: redis-cli CLIENT LIST",
  EPROTO: "change redis:// to rediss:// or back",
  LOADING: "wait until redis-cli INFO persistence says loading:0",
  MASTERDOWN: "redis-cli INFO replication names its primary: use that, or repair it",
  CLUSTERDOWN: "redis-cli CLUSTER INFO, redis-cli --cluster check HOST:PORT",
  ERR: "leave --cluster out",
  ECONNRESET: "if it requires TLS, use rediss://",
  ETIMEDOUT: "redis-cli -h HOST -p PORT PING from here: if it hangs too, it is the network or a stuck Redis",
};

/** The one verdict about a Redis that cannot be reached. */
export function unreachableVerdict({ message, details }: PresenceError): Verdict {
  const remedy = REACH_REMEDIES[details.reason ?? ""] ?? "redis-cli -u URL PING shows what it says";
  return critical("reachable", message, remedy);
}
