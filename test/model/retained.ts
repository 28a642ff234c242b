/**
 * The entries of `changes`, `moves` and `rejected` of a shard on a real Redis, compared with what the model allows after each call. Their
 * ids are to be on the test's clock, which is ahead of that of Redis: XSETID sees to it, since an id never goes back.
 */
import type { Redis } from "ioredis";
import {
  type KeptEntry,
  type Met,
  NOTED,
  type Noted,
  NOTHING_RETAINED,
  retain,
  type Retained,
  type RetainingCall,
  type StreamName,
} from "../../model/retention.ts";
import type { TestShard } from "../../rig/shard.ts";

/** Many entries at once, as earlier calls have told them: evenly over the last `span` ms, but after the last one there is. */
export interface Fill {
  readonly stream: StreamName;
  readonly count: number;
  readonly span: number;
  /** Bytes of a name in them. */
  readonly size: number;
}

const STREAMS = ["changes", "moves", "rejected"] as const;
const LAST = { changes: "change", moves: "moved", rejected: undefined } as const;
const FIELDS = {
  changes: ["connect", '["', '"]'],
  moves: ["/,r", '{"connect":["', '"]}'],
  rejected: ["reason", "", ""],
} as const;

const FILL = `
for i = 1, ARGV[3] do redis.call('XADD', KEYS[1], ARGV[1] + (i - 1) * ARGV[2] .. '-' .. i, ARGV[4], ARGV[5]) end`;

const msOf = (id: string) => Number(id.split("-", 1)[0]);

type Read = Pick<RetainingCall, "added" | "left" | "noted">;

export class RetainedStreams {
  readonly #shard: TestShard;
  readonly #met: Set<Met>;
  #state: Retained = NOTHING_RETAINED;
  /** Of the last entry that was ever in each. */
  readonly #last = { changes: "0-1", moves: "0-1", rejected: "0-1" };
  readonly #created = new Set<StreamName>();

  constructor(shard: TestShard, met: Set<Met> = new Set()) {
    this.#shard = shard;
    this.#met = met;
  }

  /** Sees to it that the next entries have the time of the test's clock. */
  async stamp(): Promise<void> {
    const { redis, now } = this.#shard;
    const pipeline = redis.pipeline();
    for (const stream of STREAMS) {
      if (now <= msOf(this.#last[stream])) continue;
      const [key, id] = [this.#keyOf(stream), `${now}-0`];
      if (this.#created.has(stream)) pipeline.xsetid(key, id);
      else {
        this.#created.add(stream);
        pipeline.xadd(key, "0-1", "a", "").xdel(key, "0-1").xsetid(key, id);
      }
    }
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error;
  }

  /** Returns the id of the last entry that was added, unless the stream is not used yet. */
  async fill({ stream, count, span, size }: Fill): Promise<string | undefined> {
    const { redis, now, keys } = this.#shard;
    if (stream === "moves" && this.#state.noted.moved === undefined) return undefined;
    const [name, before, after] = FIELDS[stream];
    const value = before + "u".repeat(size) + after;
    const start = Math.max(msOf(this.#last[stream]) + 1, now - span);
    const step = Math.floor(Math.max(0, now - start) / count);
    if (this.#created.has(stream)) await redis.xsetid(this.#keyOf(stream), this.#last[stream]);
    await redis.eval(FILL, 1, this.#keyOf(stream), start, step, count, name, value);
    this.#created.add(stream);
    const entries = Array.from({ length: count }, (_, i) => ({
      id: `${start + i * step}-${i + 1}`,
      bytes: name.length + value.length,
      isBlank: false,
    }));
    const last = entries.at(-1)!.id;
    const field = LAST[stream];
    if (field !== undefined) await redis.hset(keys.totals, field, last);
    this.#last[stream] = last;
    const { streams, noted } = this.#state;
    this.#state = {
      ...this.#state,
      streams: { ...streams, [stream]: [...streams[stream], ...entries] },
      noted: field === undefined ? noted : { ...noted, [field]: last },
    };
    return last;
  }

  /** Throws where the streams are not as the call may have left them. */
  async compare(call: Omit<RetainingCall, keyof Read>): Promise<void> {
    const read = await this.#read();
    this.#state = retain(this.#state, { ...call, ...read }, this.#met);
    for (const stream of STREAMS) this.#last[stream] = read.added[stream].at(-1)?.id ?? this.#last[stream];
  }

  #keyOf(stream: StreamName): string {
    const { keys } = this.#shard;
    return stream === "moves" ? `${keys.tag}:moves` : keys[stream];
  }

  /** The last so many entries are left if the first one and the number are those: no id is given twice. */
  async #read(): Promise<Read> {
    const { redis, keys } = this.#shard;
    const [values, ...found] = await Promise.all([
      redis.hmget(keys.totals, ...NOTED),
      ...STREAMS.map((stream) => this.#readStream(redis, stream)),
    ]);
    const noted: Noted = Object.fromEntries(
      NOTED.flatMap((name, i) => (values[i] === null ? [] : [[name, values[i]!]])),
    );
    const pick = <T>(of: (one: (typeof found)[number]) => T) =>
      Object.fromEntries(STREAMS.map((stream, i) => [stream, of(found[i]!)])) as Record<StreamName, T>;
    return { noted, added: pick(({ added }) => added), left: pick(({ left }) => left) };
  }

  async #readStream(redis: Redis, stream: StreamName): Promise<{ added: KeptEntry[]; left: number }> {
    const key = this.#keyOf(stream);
    const [left, [first], fresh] = await Promise.all([
      redis.xlen(key),
      redis.xrange(key, "-", "+", "COUNT", 1),
      redis.xrange(key, `(${this.#last[stream]}`, "+"),
    ]);
    const added = fresh.map(([id, fields]) => ({
      id,
      bytes: fields.reduce((sum, text) => sum + Buffer.byteLength(text), 0),
      isBlank: fields[0] === "trimmed" && fields[1] === "",
    }));
    const all = [...this.#state.streams[stream], ...added];
    const expected = all[all.length - left]?.id;
    if (first?.[0] !== expected)
      throw new Error(`the first of ${left} entries of ${stream} is ${first?.[0]}, not ${expected}`);
    return { added, left };
  }
}
