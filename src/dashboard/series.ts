/** The lines of the chart: kept numbers, and the seconds after them as the stream told them. */
import type { Sample } from "./ring.ts";
import { type Past, type Range, RANGES } from "./state.ts";

type Line = (number | null)[];
/** Times in s; users; sockets; the most and the least users in each stretch of time. */
export type Series = [at: number[], users: Line, sockets: Line, most: Line, least: Line];

/** Of a stretch the value at its end stands at its end; of the one that goes on, the seconds that were heard. */
export function seriesOf(range: Range, past: Past | null, samples: readonly Sample[], now: number): Series {
  const series: Series = [[], [], [], [], []];
  const add = (at: number, users: number | null, sockets: number | null, most = users, least = users) => {
    series[0].push(at);
    series[1].push(users);
    series[2].push(sockets);
    series[3].push(most);
    series[4].push(least);
  };
  const begin = (now - RANGES[range].ms) / 1000;
  let end = begin - 2;
  // Before the page was opened, the last five minutes are the kept minutes of the hour.
  const opened = samples[0]?.at ?? Infinity;
  if (past?.range === (range === "live" ? "hour" : range)) {
    for (const { at, users, sockets } of past.points) {
      const stop = (Date.parse(at) + past.step) / 1000;
      if (stop * 1000 > now || (range === "live" && stop >= opened)) break;
      if (stop < begin - past.step / 1000) continue;
      add(stop, users?.last ?? null, sockets?.last ?? null, users?.max ?? null, users?.min ?? null);
      end = stop;
    }
  }
  for (const { at, users, sockets } of samples) if (at > end) add(at, users, sockets);
  return series;
}
