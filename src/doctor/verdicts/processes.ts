/** The Socket.IO processes. */
import { PROTOCOL } from "../../core/limits.ts";
import { type Facts, type ProcessFacts, valueOf } from "../facts.ts";
import { counted, critical, lasting, note, ok, some, unknown, type Verdict, warning } from "../verdict.ts";
import { PROJECT } from "./log.ts";

/** How long after a lease has run out a projector may take. */
const REAPED_WITHIN_MS = 2_000;
/** Ended processes that are remembered for an hour: more than a deploy has. */
const ENDED_MANY = 500;

export function processVerdicts(facts: Facts): Verdict[] {
  const { processes, parts } = facts;
  if (!("known" in processes)) return [unknown("processes", processes.unknown)];
  const all = processes.known;
  const verdicts = [
    ...lapsedVerdicts(facts, all),
    ...fencedVerdicts(all),
    ...protocolVerdicts(all),
    ...endedVerdicts(facts),
  ];
  const live = all.filter(({ state, left }) => state === "live" && left !== null && left > 0);
  const isUsed = parts.some(({ totals }) => valueOf(totals)?.protocol);
  if (live.length === 0 && isUsed)
    verdicts.push(warning("processes", "no server is registered, so nobody is counted", "start a server, or correct --prefix")); // prettier-ignore
  else if (live.length === 0) verdicts.push(note("processes", "none has registered"));
  else if (verdicts.every(({ level }) => level === "note")) {
    const sockets = live.reduce((sum, one) => sum + one.sockets, 0);
    verdicts.push(ok("processes", `${live.length} live, ${counted(sockets, "socket")}`));
  }
  return verdicts;
}

function lapsedVerdicts({ asked }: Facts, all: readonly ProcessFacts[]): Verdict[] {
  const patience = Math.max(REAPED_WITHIN_MS, asked.staleAfter);
  const lapsed = all.filter(({ left, state }) => state !== "ended" && left !== null && left < -patience);
  if (lapsed.length === 0) return [];
  const longest = Math.max(...lapsed.map(({ left }) => -left!));
  const sockets = lapsed.reduce((sum, one) => sum + one.sockets, 0);
  return [
    critical(
      "processes",
      `${counted(lapsed.length, "process", "processes")} crashed, the lease ran out ${lasting(longest)} ago, and no projector has reaped: counts() still includes ${counted(sockets, "socket")} of ${lapsed.length === 1 ? "it" : "them"} (${some(lapsed.map(({ id }) => id))})`,
      PROJECT,
    ),
  ];
}

function fencedVerdicts(all: readonly ProcessFacts[]): Verdict[] {
  const fenced = all.filter(({ state }) => state === "fenced");
  if (fenced.length === 0) return [];
  const why = [...new Set(fenced.map(({ reason }) => reason ?? "no reason given"))];
  return [
    warning(
      "processes",
      `records of ${counted(fenced.length, "process", "processes")} do not add up, so they are skipped until it registers again (${some(fenced.map(({ id }) => id))}): ${some(why, 3)}`,
      "nothing, if it ends within a heartbeat; otherwise records are lost: look for eviction, a full log and forked processes",
    ),
  ];
}

function protocolVerdicts(all: readonly ProcessFacts[]): Verdict[] {
  const others = all.filter(({ state, protocol }) => state !== "ended" && protocol !== null && protocol !== PROTOCOL); // prettier-ignore
  if (others.length > 0) {
    const versions = [...new Set(others.map(({ protocol, version }) => `protocol ${protocol!}${version === null ? "" : ` (rollcall ${version})`}`))]; // prettier-ignore
    return [
      warning(
        "processes",
        `${counted(others.length, "process speaks", "processes speak")} another protocol than ${PROTOCOL}: ${some(versions)} (${some(others.map(({ id }) => id))})`,
        "update all servers to one version: npm i rollcall@latest",
      ),
    ];
  }
  const versions = new Set(all.flatMap(({ version, state }) => (state === "live" ? (version ?? []) : [])));
  if (versions.size < 2) return [];
  return [note("processes", `${versions.size} versions run side by side: ${some([...versions].sort())}`)];
}

function endedVerdicts({ parts }: Facts): Verdict[] {
  const ended = Math.max(0, ...parts.map(({ tombstones }) => valueOf(tombstones) ?? 0));
  if (ended < ENDED_MANY) return [];
  return [
    warning(
      "processes",
      `${counted(ended, "process", "processes")} ended within the last hour: servers register again and again`,
      "look for restarts, and for event loops that stall longer than `ttl`: raise it",
    ),
  ];
}
