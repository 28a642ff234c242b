/** The projector's counters since the prefix was first used, and the leases. */
import { COUNTED_CAUSES } from "../core/change.ts";
import type { ShardKeys } from "../core/keys.ts";
import { fieldsOf, integer, scored } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import type { Lease, Totals } from "./answers/totals.ts";
import type { ReaderContext } from "./context.ts";
import { countsOf } from "./counts.ts";
import { processIn } from "./leases.ts";
import { readAbout } from "./states.ts";
import type { Reader } from "./types.ts";

interface ShardTotals {
  readonly records: number;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  /** In the order of COUNTED_CAUSES. */
  readonly counted: readonly number[] | null;
  readonly processes: number;
  /** The lease that expires first. */
  readonly first: { readonly process: string; readonly deadline: number } | undefined;
}

const TOTALS_ASKED = "HMGET of the totals";

/** Three commands per shard, and one for the lease that expires first. */
export function totalsOver(context: ReaderContext): Pick<Reader, "totals"> {
  const { keys, askAll, askPlain } = context;

  async function leaseOf(shard: number, process: string, left: number): Promise<Lease> {
    const [reply] = await askPlain([["HMGET", keys[shard]!.about, process]]);
    const { ttl } = readAbout(fieldsOf(reply, "HMGET of about", 1)[0] ?? null);
    return { left, age: ttl === null ? null : Math.max(0, ttl - left) };
  }

  return {
    async totals() {
      const answers = await askAll(totalsCommands);
      const all = answers.map(({ replies }) => readTotals(replies));
      const sum = (pick: (one: ShardTotals) => number) => all.reduce((n, one) => n + pick(one), 0);
      const leases = all.flatMap(({ first }, shard) =>
        first === undefined
          ? []
          : [{ process: first.process, left: first.deadline - answers[shard]!.asOf.now, shard }],
      );
      const oldest = leases.sort((a, b) => a.left - b.left)[0];
      return {
        ...countsOf(
          context,
          answers.map(({ asOf }) => asOf),
        ),
        records: sum((one) => one.records),
        rejected: sum((one) => one.rejected),
        fenced: sum((one) => one.fenced),
        reaped: sum((one) => one.reaped),
        changes: changesOf(all.map(({ counted }) => counted)),
        processes: Math.max(...all.map((one) => one.processes)),
        oldestLease: oldest === undefined ? null : await leaseOf(oldest.shard, oldest.process, oldest.left),
      };
    },
  };
}

function totalsCommands(keys: ShardKeys): ReadCommand[] {
  // 0: the process has ended and its users are being removed.
  return [
    ["HMGET", keys.totals, "records", "rejected", "fenced", "reaped", "counted"],
    ["ZCOUNT", keys.processes, "(0", "+inf"],
    ["ZRANGE", keys.processes, "(0", "+inf", "BYSCORE", "LIMIT", "0", "1", "WITHSCORES"],
  ];
}

function readTotals([totals, leases, first]: readonly Reply[]): ShardTotals {
  const fields = fieldsOf(totals, TOTALS_ASKED, 5);
  const [records = 0, rejected = 0, fenced = 0, reaped = 0] = fields
    .slice(0, 4)
    .map((value) => (value === null ? 0 : integer(value, TOTALS_ASKED)));
  const counted = fields[4] ?? null;
  const [lease] = scored(first, "ZRANGE of leases");
  return {
    records,
    rejected,
    fenced,
    reaped,
    counted: counted === null ? null : counted.split(" ").map((value) => integer(value, TOTALS_ASKED)),
    processes: integer(leases, "ZCOUNT of leases"),
    first: lease && { process: processIn(lease[0]), deadline: lease[1] },
  };
}

function changesOf(shards: readonly ShardTotals["counted"][]): Totals["changes"] {
  const known = shards.filter((one) => one !== null);
  if (known.length === 0) return null;
  const counts = COUNTED_CAUSES.map(
    (cause, i) => [cause, known.reduce((n, one) => n + (one[i] ?? 0), 0)] as const,
  );
  return Object.fromEntries(counts) as NonNullable<Totals["changes"]>;
}
