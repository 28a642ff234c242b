import { useEffect, useRef } from "preact/hooks";
import { useCell } from "./cell.ts";
import type { Incident } from "./incidents.ts";
import { Panel } from "./panel.tsx";
import { Plot } from "./plot.ts";
import { seriesOf } from "./series.ts";
import type { Session } from "./session.ts";
import { type Range, RANGES } from "./state.ts";
import { clock, number, plural } from "./words.ts";

/** Incidents told in words below the chart. */
const TOLD = 3;

/** Users and sockets over time, and what went wrong. */
export function Chart({ session }: { readonly session: Session }) {
  const { state } = session;
  const range = useCell(state.range);
  const past = useCell(state.past);
  const problem = useCell(state.pastProblem);
  const incidents = useCell(state.incidents);
  const now = useCell(state.now);
  const counts = useCell(state.counts);
  const box = useRef<HTMLDivElement>(null);
  const legend = useRef<HTMLParagraphElement>(null);
  const plot = useRef<Plot | null>(null);

  useEffect(() => {
    plot.current = new Plot(box.current!, legend.current!);
    return () => plot.current?.close();
  }, []);
  const { ms, title } = RANGES[range];
  const series = seriesOf(range, past, state.ring.samples, now);
  useEffect(() => {
    plot.current?.show(series, incidents, { from: now - ms, to: now, range });
  }, [now, past, range, incidents, counts]);

  const known = series[1].filter((value) => value !== null);
  const summary =
    known.length === 0
      ? `Users and sockets over ${title}: nothing is known yet`
      : `Users and sockets over ${title}: now ${number(counts?.users ?? 0)} users and ${number(counts?.sockets ?? 0)} sockets; users between ${number(Math.min(...known))} and ${number(Math.max(...known))}`;
  const told = incidents
    .filter(({ at }) => at >= now - ms)
    .slice(-TOLD)
    .toReversed();
  return (
    <Panel
      id="chart"
      title="Users and sockets"
      class="chart"
      aside={
        <fieldset class="segments">
          <legend class="unseen">Range</legend>
          {(Object.keys(RANGES) as Range[]).map((one) => (
            <label key={one}>
              <input
                type="radio"
                name="range"
                checked={range === one}
                disabled={one !== "live" && problem !== null}
                onChange={() => session.choose(one)}
              />
              <span>{RANGES[one].label}</span>
            </label>
          ))}
        </fieldset>
      }
    >
      <p class="legend" ref={legend} aria-hidden="true" />
      <div class="plot" ref={box} role="img" aria-label={summary} />
      {problem === null ? null : <p class="note">{problem}</p>}
      {told.length === 0 ? (
        state.can("processes") ? (
          <p class="told">No server has crashed in {title}, as far as this page has seen.</p>
        ) : null
      ) : (
        <ul class="told">
          {told.map((incident) => (
            <li key={`${incident.at} ${incident.processes.join()}`} class={incident.kind}>
              <time dateTime={new Date(incident.at).toISOString()}>{clock(incident.at)}</time>{" "}
              {inWords(incident)}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function inWords({ kind, processes, users }: Incident): string {
  const names =
    processes.slice(0, 3).join(", ") + (processes.length > 3 ? ` and ${processes.length - 3} more` : "");
  if (kind === "closed") return `${names} shut down and said goodbye`;
  const went = users === 0 ? "no user went offline" : `${plural(users, "user")} went offline`;
  return names === ""
    ? `A server crashed: its lease ended, ${went}`
    : `${names} crashed: its lease ended, ${went}`;
}
