/** What a server says about itself. Only reads. */
import { list, text } from "../../redis/decode.ts";
import { type Reply, ReplyError } from "../../redis/port.ts";
import { type Ask, factOf, infoOf, refusal } from "../ask.ts";
import type { Fact, ServerFacts, SlowCall } from "../facts.ts";

/** One by one: Redis 6.2 takes one name a call. */
const SETTINGS = [
  "timeout",
  "client-output-buffer-limit",
  "busy-reply-threshold",
  "lua-time-limit",
  "min-replicas-to-write",
  "stop-writes-on-bgsave-error",
] as const;

/** The latest slow calls looked at. */
const SLOW_CALLS = 64;

const SCRIPT_CALLS = /^(?:EVAL|EVALSHA|FCALL)$/i;

/** `tag`: the beginning of the keys of the prefix, so that slow calls of others are left out. */
export async function serverFacts(ask: Ask, address: string, tag: string): Promise<ServerFacts> {
  const replies = await ask([
    ["INFO"],
    ["SLOWLOG", "GET", String(SLOW_CALLS)],
    ...SETTINGS.map((name) => ["CONFIG", "GET", name] as const),
  ]);
  const [info, slow, ...settings] = replies;
  return {
    address,
    info: factOf("INFO", info, infoOf),
    slow: factOf("SLOWLOG|GET", slow, (reply) => slowCalls(reply, tag)),
    config: configOf(settings),
  };
}

function configOf(replies: readonly (Reply | ReplyError)[]): Fact<Map<string, string>> {
  const refused = replies.find((reply) => reply instanceof ReplyError);
  if (refused !== undefined) return { unknown: refusal("CONFIG|GET", refused) };
  return factOf("CONFIG|GET", replies as readonly Reply[], (all) => {
    const pairs = list(all, "CONFIG GET").map((one) => list(one, "CONFIG GET"));
    return new Map(
      pairs.flatMap(([name, value]) => (name === undefined ? [] : [[String(name), String(value)]])),
    );
  });
}

function slowCalls(reply: Reply, tag: string): SlowCall[] {
  return list(reply, "SLOWLOG GET").flatMap((item) => {
    const [, at, micros, args] = list(item, "SLOWLOG GET");
    const words = list(args, "SLOWLOG GET").map((word) => text(word, "SLOWLOG GET"));
    const command = (words[0] ?? "").toUpperCase();
    // The first key comes after the script and the number of keys.
    if (!SCRIPT_CALLS.test(command) || !(words[3] ?? "").startsWith(`${tag}:`)) return [];
    return [{ command, at: Number(at), ms: Number(micros) / 1_000 }];
  });
}
