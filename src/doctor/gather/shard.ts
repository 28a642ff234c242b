/** What the keys of one shard say. Only what a `reader` may send, and XINFO and TYPE, which may be refused. */
import { keysOf, type ShardKeys } from "../../core/keys.ts";
import { msOf } from "../../core/stream-id.ts";
import { WHOLE } from "../../core/view.ts";
import { asOfCommands, readAsOf } from "../../reader/as-of.ts";
import { entriesOf, fieldsOf, integer, list, text } from "../../redis/decode.ts";
import { type Command, type Reply, ReplyError } from "../../redis/port.ts";
import { type Ask, factOf, refusal } from "../ask.ts";
import type { Fact, GroupFacts, LogFacts, RejectedFacts, ShardFacts, TotalsFacts } from "../facts.ts";

/** The rejected entries looked at. */
const REJECTED_READ = 100;

const TOTALS = ["protocol", "shards", "rejected", "fenced", "reaped", "rebuilt"] as const;

/** A read that only the right type answers. */
function typeProbes(keys: ShardKeys): readonly (readonly [key: string, wanted: string, probe: Command])[] {
  const stream = (key: string) => [key, "stream", ["XLEN", key]] as const;
  const hash = (key: string) => [key, "hash", ["HMGET", key, "-"]] as const;
  const zset = (key: string) => [key, "zset", ["ZCOUNT", key, "-inf", "+inf"]] as const;
  return [
    stream(keys.records),
    hash(keys.users),
    hash(keys.totals),
    zset(keys.processes),
    hash(keys.states),
    hash(keys.about),
    zset(keys.leaving),
    stream(keys.changes),
    stream(keys.rejected),
    zset(keys.ended),
    [keys.clock, "string", ["GET", keys.clock]],
    zset(keys.scopes),
    stream(keys.moves),
    zset(keys.subscribers),
  ];
}

/** `now`: this machine's idea of Redis's clock, ms, where the key `clock` is not there. */
export async function shardFacts(ask: Ask, prefix: string, shard: number, shards: number, now: () => number): Promise<ShardFacts> {
  const keys = keysOf(prefix, shard, shards);
  const probes = typeProbes(keys);
  const asOf = asOfCommands(keys, WHOLE);
  const replies = await ask([
    ["HMGET", keys.totals, ...TOTALS],
    ["XREVRANGE", keys.rejected, "+", "-", "COUNT", String(REJECTED_READ)],
    ["ZCOUNT", keys.ended, "-inf", "+inf"],
    ["XINFO", "GROUPS", keys.records],
    ["PTTL", keys.clock],
    ...asOf,
    ...probes.map(([, , probe]) => probe),
  ]);
  const [totals, rejected, ended, groups, left] = replies;
  const ages = replies.slice(5, 5 + asOf.length);
  const typed = replies.slice(5 + asOf.length);
  const end = typed[probes.findIndex(([key]) => key === keys.clock)];
  const clock = clockIn(end, left) ?? now();
  return {
    shard,
    wrongTypes: await wrongTypes(ask, probes, typed),
    totals: factOf("HMGET", totals, totalsIn),
    log: logIn(ages, shards, clock),
    group: groupIn(groups),
    rejected: factOf("XREVRANGE", rejected, (reply) => rejectedIn(reply, clock)),
    tombstones: factOf("ZCOUNT", ended, (reply) => integer(reply, "ZCOUNT of ended")),
  };
} // prettier-ignore

function clockIn(end: Reply | ReplyError | undefined, left: Reply | ReplyError | undefined): number | undefined {
  if (typeof end !== "string" || typeof left !== "number" || left < 0) return undefined;
  const expires = Number(end);
  return Number.isFinite(expires) ? expires - left : undefined;
} // prettier-ignore

async function wrongTypes(
  ask: Ask,
  probes: ReturnType<typeof typeProbes>,
  replies: readonly (Reply | ReplyError)[],
): Promise<ShardFacts["wrongTypes"]> {
  const wrong = probes.filter((_, i) => {
    const reply = replies[i];
    return reply instanceof ReplyError && /WRONGTYPE/.test(reply.message);
  });
  if (wrong.length === 0) return [];
  const types = await ask(wrong.map(([key]) => ["TYPE", key] as const));
  return wrong.map(([key, wanted], i) => {
    const type = types[i];
    return { key, wanted, type: typeof type === "string" ? type : undefined };
  });
}

function totalsIn(reply: Reply): TotalsFacts {
  const [protocol = null, shards = null, ...counts] = fieldsOf(reply, "HMGET of the totals", TOTALS.length);
  const [rejected = 0, fenced = 0, reaped = 0, rebuilt = 0] = counts.map((value) => Number(value ?? 0));
  return { protocol, shards, rejected, fenced, reaped, rebuilt };
}

function logIn(replies: readonly (Reply | ReplyError)[], shards: number, now: number): Fact<LogFacts> {
  const names = ["HMGET", "XLEN", "XRANGE"];
  const refused = replies.findIndex((reply) => reply instanceof ReplyError);
  if (refused !== -1) return { unknown: refusal(names[refused]!, replies[refused] as ReplyError) };
  // The number of shards has a verdict of its own; here it must not be in the way.
  const [totals, ...others] = replies as readonly Reply[];
  const fields = Array.isArray(totals) ? [null, ...(totals as readonly Reply[]).slice(1)] : totals!;
  return factOf("HMGET", [fields, ...others], (all) => {
    const part = readAsOf(list(all, "HMGET of the totals"), { shards, view: WHOLE, now });
    return {
      now,
      records: part.records,
      oldestMs: part.lagMs,
      overdueMs: part.overdueMs,
      ranAgo: part.ran === null ? null : Math.max(0, now - part.ran),
      users: part.users,
      sockets: part.sockets,
    };
  });
}

function groupIn(reply: Reply | ReplyError | undefined): Fact<GroupFacts | null> {
  // No log yet, so no group either.
  if (reply instanceof ReplyError && /no such key/i.test(reply.message)) return { known: null };
  return factOf("XINFO|GROUPS", reply, (all) => {
    for (const item of list(all, "XINFO GROUPS")) {
      const flat = list(item, "XINFO GROUPS");
      const field = (name: string) => flat[flat.indexOf(name) + 1];
      if (text(field("name"), "XINFO GROUPS") !== "projector") continue;
      return {
        consumers: integer(field("consumers"), "XINFO GROUPS"),
        pending: integer(field("pending"), "XINFO GROUPS"),
      };
    }
    return null;
  });
}

/** The projector writes the reasons, and none has a user in it. What it did not write is not printed. */
const REASON = /^[\w .,:()-]{1,80}$/;

function rejectedIn(reply: Reply, now: number): RejectedFacts {
  const entries = entriesOf(reply, "XREVRANGE of rejected").filter(({ fields }) => fields[0] === "reason");
  const reasons = new Map<string, number>();
  for (const { fields } of entries) {
    const reason = fields[1] ?? "";
    const shown = REASON.test(reason) ? reason : "another reason";
    reasons.set(shown, (reasons.get(shown) ?? 0) + 1);
  }
  const latest = entries[0];
  return { reasons, latestAgo: latest === undefined ? null : Math.max(0, now - msOf(latest.id)) };
}
