/** The projector's counters since the prefix was first used, and the leases. */
import type { ShardKeys } from "../core/keys.ts";
import { fieldsOf, integer, integerOrNull, scored } from "../redis/decode.ts";
import type { ReadCommand, Reply } from "../redis/port.ts";
import type { Lease } from "./answers/totals.ts";
import type { ReaderContext } from "./context.ts";
import { countsOf } from "./counts.ts";
import { LEASES_ASKED, leasesCommand } from "./processes.ts";
import type { Reader } from "./types.ts";

interface ShardTotals {
  readonly records: number;
  readonly rejected: number;
  readonly fenced: number;
  readonly reaped: number;
  readonly processes: number;
  /** The lease that expires first. */
  readonly first: { readonly process: string; readonly deadline: number } | undefined;
}

const TOTALS_ASKED = "HMGET of the totals";

/** Two commands per shard, and one for the lease that expires first. */
export function totalsOver(context: ReaderContext): Pick<Reader, "totals"> {
  const { keys, now, askAll, askPlain } = context;

  async function leaseOf(shard: number, process: string, deadline: number): Promise<Lease> {
    const [reply] = await askPlain([["HMGET", keys[shard]!.process(process), "ttl"]]);
    const asked = "HMGET of a process";
    const ttl = integerOrNull(fieldsOf(reply, asked, 1)[0], asked);
    const left = deadline - now();
    return { left, age: ttl === null ? null : Math.max(0, ttl - left) };
  }

  return {
    async totals() {
      const answers = await askAll(totalsCommands);
      const all = answers.map(({ replies }) => readTotals(replies));
      const sum = (pick: (one: ShardTotals) => number) => all.reduce((n, one) => n + pick(one), 0);
      const leases = all.flatMap(({ first }, shard) => (first === undefined ? [] : [{ ...first, shard }]));
      const oldest = leases.sort((a, b) => a.deadline - b.deadline)[0];
      return {
        ...countsOf(
          context,
          answers.map(({ asOf }) => asOf),
        ),
        records: sum((one) => one.records),
        rejected: sum((one) => one.rejected),
        fenced: sum((one) => one.fenced),
        reaped: sum((one) => one.reaped),
        processes: Math.max(...all.map((one) => one.processes)),
        oldestLease:
          oldest === undefined ? null : await leaseOf(oldest.shard, oldest.process, oldest.deadline),
      };
    },
  };
}

function totalsCommands(keys: ShardKeys): ReadCommand[] {
  return [["HMGET", keys.totals, "records", "rejected", "fenced", "reaped"], leasesCommand(keys)];
}

function readTotals([totals, leases]: readonly Reply[]): ShardTotals {
  const [records = 0, rejected = 0, fenced = 0, reaped = 0] = fieldsOf(totals, TOTALS_ASKED, 4).map(
    (value) => (value === null ? 0 : integer(value, TOTALS_ASKED)),
  );
  // 0: the process has ended and its users are being removed.
  const live = scored(leases, LEASES_ASKED).filter(([, deadline]) => deadline > 0);
  const [first] = live;
  return {
    records,
    rejected,
    fenced,
    reaped,
    processes: live.length,
    first: first && { process: first[0], deadline: first[1] },
  };
}
