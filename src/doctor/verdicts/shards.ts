/** The keys of the prefix: their types, the number of shards, the protocol. */
import { PROTOCOL } from "../../core/limits.ts";
import { type Facts, type TotalsFacts, valueOf } from "../facts.ts";
import { counted, critical, note, ok, some, unknown, type Verdict, warning } from "../verdict.ts";

export function typeVerdicts({ parts }: Facts): Verdict[] {
  const wrong = parts.flatMap(({ wrongTypes }) => wrongTypes);
  if (wrong.length === 0) return parts.length === 0 ? [] : [ok("keys", "all have the types they should")];
  return wrong.map(({ key, type, wanted }) =>
    critical(
      "keys",
      `${key} is a ${type ?? "value of another type"}, not the ${wanted} that Rollcall keeps there: something else wrote it`,
      `redis-cli RENAME '${key}' 'set-aside:${key.replaceAll(/[{}]/g, "")}'`,
    ),
  );
}

export function shardVerdicts(facts: Facts): Verdict[] {
  const { parts, asked, shards } = facts;
  const [first] = parts;
  if (first === undefined) return [];
  if (!("known" in first.totals)) return [unknown("shards", first.totals.unknown)];
  const { known: totals } = first.totals;
  const all = parts.map((part) => valueOf(part.totals));
  return [...numberVerdicts(totals, all, asked, shards), ...protocolVerdicts(all)];
}

function numberVerdicts(
  { shards: recorded, protocol }: TotalsFacts,
  all: readonly (TotalsFacts | undefined)[],
  { shards: wanted, prefix }: Facts["asked"],
  shards: number,
): Verdict[] {
  if (protocol === null)
    return [
      note(
        "shards",
        `nothing has been folded under the prefix ${JSON.stringify(prefix)} yet`,
        "if servers run, check that --prefix is theirs and that a projector runs",
      ),
    ];
  if (wanted !== undefined && recorded !== String(wanted))
    return [
      critical(
        "shards",
        `this prefix was opened with ${recorded ?? "?"} shards, not ${wanted}: servers with ${wanted} stop with SHARDS_MISMATCH`,
        `use shards: ${recorded ?? "?"} everywhere, or another prefix`,
      ),
    ];
  const empty = all.flatMap((one, shard) => (one?.protocol === null ? [String(shard)] : []));
  const mixed = all.flatMap((one, shard) => (one?.shards === recorded || one?.protocol === null ? [] : [String(shard)])); // prettier-ignore
  if (mixed.length > 0)
    return [
      critical(
        "shards",
        `shard ${some(mixed)} records another number of shards than shard 0`,
        "stop servers with another number, then delete the totals of that shard: it is rebuilt",
      ),
    ];
  if (empty.length > 0)
    return [
      warning(
        "shards",
        `nothing has been folded in shard ${some(empty)} of ${shards}: it was lost, or nobody projects it`,
        "check that each projector has the same number of shards; servers send their state again with a heartbeat",
      ),
    ];
  return [ok("shards", counted(shards, "shard"))];
}

function protocolVerdicts(all: readonly (TotalsFacts | undefined)[]): Verdict[] {
  const found = [...new Set(all.flatMap((one) => one?.protocol ?? []))];
  const newer = found.filter((one) => Number(one) > Number(PROTOCOL));
  const older = found.filter((one) => Number(one) < Number(PROTOCOL));
  if (newer.length > 0)
    return [
      critical(
        "protocol",
        `this prefix is at protocol ${some(newer)}, and this version speaks ${PROTOCOL}: its projectors refuse it (VERSION_MISMATCH)`,
        "npm i rollcall@latest, here and on every server",
      ),
    ];
  if (older.length > 0)
    return [
      warning(
        "protocol",
        `this prefix is still at protocol ${some(older)}, and this version speaks ${PROTOCOL}: only older versions project`,
        "update the servers that project: npm i rollcall@latest",
      ),
    ];
  return found.length === 0 ? [] : [ok("protocol", `version ${PROTOCOL}`)];
}
