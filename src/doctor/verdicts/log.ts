/** The log: what waits in it, whether anybody folds it, and what was set aside. */
import { keysOf } from "../../core/keys.ts";
import { RECORDS_KEPT } from "../../core/limits.ts";
import { type Facts, valueOf } from "../facts.ts";
import { counted, critical, lasting, note, ok, some, unknown, type Verdict, warning } from "../verdict.ts";

/** Of what is kept, beyond which records are dropped. */
const NEARLY_FULL = 0.75;
const BACKLOG = 20_000;
/** What was set aside longer ago is history. */
const RECENT_MS = 86_400_000;

export const PROJECT =
  "start a server with project: true, createProjector().run() in a process, or a scheduled sweep (docs/operations.md, Who projects)";

export function logVerdicts(facts: Facts): Verdict[] {
  if (facts.parts.length === 0) return [];
  return [...lagVerdicts(facts), ...groupVerdicts(facts), ...rejectedVerdicts(facts)];
}

function lagVerdicts({ parts, asked }: Facts): Verdict[] {
  const unread = parts.find(({ log }) => !("known" in log));
  if (unread !== undefined) return "unknown" in unread.log ? [unknown("lag", unread.log.unknown)] : [];
  const logs = parts.map(({ log }) => valueOf(log)!);
  const records = logs.reduce((sum, log) => sum + log.records, 0);
  const overdue = Math.max(...logs.map((log) => log.overdueMs));
  const ran = logs.map((log) => log.ranAgo);
  const last = ran.includes(null) ? null : Math.max(...ran.filter((one) => one !== null));
  const waiting = `${counted(records, "record")} ${records === 1 ? "waits" : "wait"} in the log`;
  if (Math.max(...logs.map((log) => log.records)) > RECORDS_KEPT * NEARLY_FULL)
    return [
      critical("lag", `${waiting}: beyond ${RECORDS_KEPT.toLocaleString("en-US")} a shard the oldest are dropped`, PROJECT),
    ]; // prettier-ignore
  if (overdue > asked.staleAfter) {
    const since =
      last === null ? "no projector has ever folded the log" : `the last projector ran ${lasting(last)} ago`;
    return [
      critical("lag", `${waiting}, work has been due for ${lasting(overdue)}, and ${since}: no projector runs, or none is fast enough`, PROJECT),
    ]; // prettier-ignore
  }
  if (records > BACKLOG)
    return [warning("lag", `${waiting}: projectors keep up, but only just`, "add shards, or a faster Redis")];
  if (last === null) return [ok("lag", "nothing waits, and nothing has been folded yet")];
  return [ok("lag", `${waiting}, a projector ran ${lasting(last)} ago, nothing is overdue`)];
}

function groupVerdicts({ parts, asked, shards }: Facts): Verdict[] {
  const [first] = parts;
  if (first !== undefined && "unknown" in first.group) return [unknown("group", first.group.unknown)];
  for (const { shard, group } of parts) {
    const { records } = keysOf(asked.prefix, shard, shards);
    const found = valueOf(group);
    if (found === undefined || found === null || found.pending === 0) continue;
    return [
      warning(
        "group",
        `${counted(found.pending, "entry", "entries")} of ${records} ${found.pending === 1 ? "is" : "are"} pending in the group projector, which never leaves any: something else reads the log, and what it takes is not folded`,
        `find the consumer and stop it: redis-cli XINFO CONSUMERS '${records}' projector`,
      ),
    ];
  }
  const groups = parts.map(({ group }) => valueOf(group)).filter((group) => group !== null);
  if (groups.length < parts.length) return [ok("group", "made with the next record")];
  return [ok("group", "nothing pending")];
}

function rejectedVerdicts({ parts, asked, shards }: Facts): Verdict[] {
  const [first] = parts;
  if (first !== undefined && "unknown" in first.rejected) return [unknown("rejected", first.rejected.unknown)]; // prettier-ignore
  const total = parts.reduce((sum, { totals }) => sum + (valueOf(totals)?.rejected ?? 0), 0);
  const reasons = new Map<string, number>();
  let latest = Infinity;
  let where = 0;
  for (const { rejected, shard } of parts) {
    const found = valueOf(rejected);
    if (found === undefined) continue;
    for (const [reason, n] of found.reasons) reasons.set(reason, (reasons.get(reason) ?? 0) + n);
    if (found.latestAgo !== null && found.latestAgo < latest) [latest, where] = [found.latestAgo, shard];
  }
  if (reasons.size === 0) return [ok("rejected", total === 0 ? "no entry of the log was rejected" : `none lately; ${total} in all`)]; // prettier-ignore
  const ranked = [...reasons].sort((a, b) => b[1] - a[1]).map(([reason, n]) => `${n} × ${reason}`);
  const found = `${counted(Math.max(total, ...reasons.values()), "entry", "entries")} of the log ${total === 1 ? "was" : "were"} rejected, the last ${lasting(latest)} ago: ${some(ranked, 4)}`;
  if (latest > RECENT_MS) return [note("rejected", found)];
  const { rejected, records } = keysOf(asked.prefix, where, shards);
  return [
    warning(
      "rejected",
      `${found}; something else writes to the log, or a recorder in another language is wrong`,
      `redis-cli XREVRANGE '${rejected}' + - COUNT 10, and find who may XADD to '${records}'`,
    ),
  ];
}
