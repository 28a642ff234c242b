/**
 * What Redis holds under one prefix: calls the projector as other processes of a cluster would, and reads the whole
 * projection.
 */
import { createHmac } from "node:crypto";
import { keysOf, scopeKey, type ShardKeys } from "../../core/keys.ts";
import { textToSign } from "../../core/mac.ts";
import { shardOf } from "../../core/shard.ts";
import { project } from "../../lua/generated.ts";
import { parseReply } from "../../projector/call.ts";
import { deriveRecordKeys, type RecordKeys } from "../../projector/record-keys.ts";
import { type Reply, RespClient } from "./resp.ts";
import { type Members, type Numbers, numbersOf, type ScopesSeen } from "./scopes.ts";

export interface Seen {
  /** User → sockets, of all shards; 0: in grace. A user in the wrong shard has the key `<id> (in shard n)`. */
  readonly users: Record<string, number>;
  readonly sockets: number;
  /** Processes by state, in all shards. */
  readonly live: number;
  readonly fenced: number;
  readonly ended: number;
  /** Entries set aside, and processes ever fenced and ever reaped. */
  readonly rejected: number;
  readonly everFenced: number;
  readonly reaped: number;
}

export class Cluster {
  readonly shards: readonly ShardKeys[];
  readonly #redis: RespClient;
  #calling: Promise<void> | undefined;
  #stopped = false;
  /** Users removed from ended processes so far: a recorder that closes properly leaves none. */
  givenBack = 0;

  readonly #keys: RecordKeys;

  private constructor(redis: RespClient, prefix: string, shards: number, keys: RecordKeys) {
    this.#keys = keys;
    this.#redis = redis;
    this.shards = Array.from({ length: shards }, (_, shard) => keysOf(prefix, shard, shards));
  }

  static async open(
    url: string,
    prefix: string,
    shards: number,
    recordKeys?: readonly string[],
  ): Promise<Cluster> {
    const keys = await deriveRecordKeys(recordKeys, prefix);
    return new Cluster(await RespClient.open(url), prefix, shards, keys);
  }

  /** Calls the projector again and again, until close(). */
  project(everyMs: number): void {
    this.#calling ??= (async () => {
      while (!this.#stopped) {
        await this.step();
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    })();
    this.#calling.catch(() => {});
  }

  /** One call in each shard. Throws what the script throws. */
  async step(): Promise<void> {
    for (const keys of this.shards) await this.#step(keys, this.shards.length);
  }

  /** Has the prefix opened with this number of shards. Shard 0 has the same keys whatever the number. */
  async openWith(shards: number): Promise<void> {
    await this.#step(this.shards[0]!, shards);
  }

  async #step({ list }: ShardKeys, shards: number): Promise<void> {
    const args = [String(shards), "1000", "1", "", "", "group", "", "", "", ...this.#keys.argument];
    const reply = await this.#redis.call("EVAL", project.text, String(list.length), ...list, ...args);
    this.givenBack += parseReply(reply as never).givenBack;
  }

  /** Records in the log of all shards. */
  async appended(): Promise<number> {
    const lengths = this.shards.map(({ records }) => this.#redis.call("XLEN", records));
    return (await Promise.all(lengths)).reduce<number>((sum, length) => sum + Number(length), 0);
  }

  async see(): Promise<Seen> {
    const users: Record<string, number> = Object.create(null) as Record<string, number>;
    const all = { sockets: 0, live: 0, fenced: 0, ended: 0, rejected: 0, everFenced: 0, reaped: 0 };
    for (const [shard, keys] of this.shards.entries()) {
      const [found, totals, states] = (await this.#redis.transaction([
        ["HGETALL", keys.users],
        ["HGETALL", keys.totals],
        ["HVALS", keys.states],
      ])) as string[][];
      for (const [user, slots] of pairs(found!)) {
        const right = shardOf(user, this.shards.length) === shard;
        users[right ? user : `${user} (in shard ${shard})`] = socketsIn(slots);
      }
      const numbers = new Map(pairs(totals!));
      const number = (name: string) => Number(numbers.get(name) ?? 0);
      all.sockets += number("sockets");
      all.rejected += number("rejected");
      all.everFenced += number("fenced");
      all.reaped += number("reaped");
      for (const state of states!) all[state.split(" ", 1)[0] as "live" | "fenced" | "ended"]++;
    }
    return { users, ...all };
  }

  /** Who is in which scope. A user in the wrong shard has the key `<id> (in shard n)`. */
  async scopes(): Promise<ScopesSeen> {
    const members: Members = new Map();
    const numbers = new Map<string, Numbers>();
    for (const [shard, keys] of this.shards.entries()) {
      const scores = pairs(
        (await this.#redis.call("ZRANGE", keys.scopes, "0", "-1", "WITHSCORES")) as string[],
      );
      const hashes = await this.#redis.transaction(
        scores.map(([scope]) => ["HGETALL", scopeKey(keys, scope)]),
      );
      for (const [i, [scope, score]] of scores.entries()) {
        const more = numbersOf(Number(score));
        const { users, sockets } = numbers.get(scope) ?? { users: 0, sockets: 0 };
        numbers.set(scope, { users: users + more.users, sockets: sockets + more.sockets });
        const own = members.get(scope) ?? new Map<string, number>();
        members.set(scope, own);
        for (const [user, slots] of pairs(hashes[i] as string[])) {
          const right = (user === "" ? 0 : shardOf(user, this.shards.length)) === shard;
          own.set(right ? user : `${user} (in shard ${shard})`, socketsIn(slots));
        }
      }
    }
    return { members, numbers };
  }

  /** Why entries were set aside. */
  async reasons(): Promise<string[]> {
    const entries = await Promise.all(
      this.shards.map(({ rejected }) => this.#redis.call("XRANGE", rejected, "-", "+")),
    );
    return (entries.flat() as [string, string[]][]).map(([, fields]) => fields[1]!);
  }

  /** Every user reported offline so far, in order, with the cause: `ben leave`. */
  async offline(): Promise<string[]> {
    const entries = await Promise.all(
      this.shards.map(({ changes }) => this.#redis.call("XRANGE", changes, "-", "+")),
    );
    return (entries.flat() as [string, string[]][]).flatMap(([, fields]) =>
      pairs(fields).flatMap(([cause, list]) =>
        cause === "connect" || cause === "rebuilt"
          ? []
          : (JSON.parse(list) as string[]).map((user) => `${user} ${cause}`),
      ),
    );
  }

  /** `protocol`, `ttl` and `grace` of a process's first record. */
  async about(process: string): Promise<Readonly<Record<string, string | undefined>>> {
    const [about, state] = await this.#redis.transaction([
      ["HGET", this.shards[0]!.about, process],
      ["HGET", this.shards[0]!.states, process],
    ]);
    return { ...(JSON.parse(String(about)) as object), grace: String(state).split(" ")[6] };
  }

  /** The ids of the processes in a shard that are in this state. */
  async processes(state: string, shard = 0): Promise<string[]> {
    const states = (await this.#redis.call("HGETALL", this.shards[shard]!.states)) as string[];
    return pairs(states).flatMap(([id, text]) => (text.startsWith(`${state} `) ? [id] : []));
  }

  /** The text in `:states`; empty: unknown. */
  async stateOf(process: string): Promise<string> {
    return String((await this.#redis.call("HGET", this.shards[0]!.states, process)) ?? "");
  }

  /** Signed, if the recorder signs. */
  async append(shard: number, ...fields: string[]): Promise<void> {
    const { records } = this.shards[shard]!;
    const { signing } = this.#keys;
    if (signing !== undefined) {
      const mac = createHmac("sha1", signing).update(textToSign(records, fields)).digest("hex");
      fields.push("mac", mac);
    }
    await this.#redis.call("XADD", records, "*", ...fields);
  }

  /** Deletes everything under the prefix, as FLUSHALL would; other prefixes stay. */
  async empty(): Promise<void> {
    const keys = await Promise.all(this.shards.map((shard) => this.#keysOf(shard)));
    await this.#redis.transaction(keys.map((names) => ["DEL", ...names]));
  }

  /** All keys of a shard, those of scopes too: no hash of them is without its scope or process. */
  async #keysOf(keys: ShardKeys): Promise<string[]> {
    const [scopes, processes] = (await this.#redis.transaction([
      ["ZRANGE", keys.scopes, "0", "-1"],
      ["ZRANGE", keys.processes, "0", "-1"],
    ])) as string[][];
    return [
      ...keys.list,
      keys.scopes,
      keys.lingering,
      keys.lingerers,
      keys.told,
      keys.moves,
      ...scopes!.map((scope) => scopeKey(keys, scope)),
      ...processes!.map((member) => `${keys.tag}:scopes:${member.split(":", 1)[0]!}`),
    ];
  }

  /** CLIENT KILL of these connections. Returns how many there were. */
  async kill(addresses: readonly string[]): Promise<number> {
    let killed = 0;
    for (const address of addresses) {
      const reply: Reply = await this.#redis.call("CLIENT", "KILL", "ADDR", address).catch(() => 0);
      if (reply === "OK" || Number(reply) > 0) killed++;
    }
    return killed;
  }

  /** Removes everything it created. */
  async close(): Promise<void> {
    this.#stopped = true;
    await this.#calling?.catch(() => {});
    await this.empty().catch(() => {});
    this.#redis.close();
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  const found: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i]!, flat[i + 1]!]);
  return found;
}

/** `3*2,7` is three. */
function socketsIn(slots: string): number {
  if (slots === "0") return 0;
  return slots.split(",").reduce((sum, one) => sum + Number(one.split("*")[1] ?? 1), 0);
}
