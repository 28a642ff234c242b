/** The distance between two clocks, from round trips: what Redis said lies between when it was asked and when it answered. */
import { integer, list } from "../../redis/decode.ts";
import { type Reply, ReplyError } from "../../redis/port.ts";
import { type Ask, refusal } from "../ask.ts";
import type { ClockFacts, Fact, LatencyFacts } from "../facts.ts";

/** One sample: this machine's clock before and after, ms, and Redis's between. */
export interface Sample {
  readonly before: number;
  readonly after: number;
  readonly redis: number;
}

const SAMPLES = 5;
const PINGS = 20;

/** TIME; or, for a user who may not, the key `clock`, whose value is the time at which it expires. */
export async function sampleClock(ask: Ask, clockKey: string): Promise<Fact<readonly Sample[]>> {
  const samples: Sample[] = [];
  let why = "needs +time";
  for (let i = 0; i < SAMPLES; i++) {
    const before = Date.now();
    const replies = await ask([["TIME"], ["GET", clockKey], ["PTTL", clockKey]]);
    const after = Date.now();
    const redis = timeIn(replies);
    if (redis !== undefined) samples.push({ before, after, redis });
    else if (replies[0] instanceof ReplyError) why = refusal("TIME", replies[0]);
  }
  return samples.length === 0 ? { unknown: why } : { known: samples };
}

function timeIn([time, end, left]: readonly (Reply | ReplyError)[]): number | undefined {
  try {
    if (Array.isArray(time)) {
      const [seconds, micros] = list(time as Reply, "TIME", 2);
      return integer(seconds, "TIME") * 1_000 + integer(micros, "TIME") / 1_000;
    }
    if (end instanceof ReplyError || left instanceof ReplyError) return undefined;
    const ms = integer(left, "PTTL of the clock");
    return ms < 0 ? undefined : integer(end, "GET of the clock") - ms;
  } catch {
    return undefined;
  }
}

interface Distance {
  readonly ahead: number;
  readonly uncertainty: number;
}

/** By the fastest round trip. A clock that reads whole ms can be wrong by one. */
export function distanceOf(samples: readonly Sample[]): Distance {
  const [best] = samples.toSorted((a, b) => a.after - a.before - (b.after - b.before));
  const { before, after, redis } = best!;
  return { ahead: redis - (before + after) / 2, uncertainty: (after - before) / 2 + 1 };
}

/** Of two series of samples, at the beginning and at the end. */
export function clockFacts(first: readonly Sample[], last: readonly Sample[]): ClockFacts {
  const [one, other] = [distanceOf(first), distanceOf(last)];
  return {
    ahead: other.ahead,
    uncertainty: other.uncertainty,
    moved: other.ahead - one.ahead,
    movedUncertainty: one.uncertainty + other.uncertainty,
  };
}

/** PING, one after another. What a refused PING is answered with takes as long. */
export async function latencyFacts(ask: Ask): Promise<LatencyFacts> {
  const times: number[] = [];
  for (let i = 0; i < PINGS; i++) {
    const start = performance.now();
    await ask([["PING"]]);
    times.push(performance.now() - start);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(PINGS - 1, Math.ceil(PINGS * share) - 1)]!;
  return { median: at(0.5), p95: at(0.95), count: PINGS };
}
