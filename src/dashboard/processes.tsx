import { useCell } from "./cell.ts";
import { Id } from "./id.tsx";
import { crashOf, type Incident, type Lost, nameOf } from "./incidents.ts";
import { Empty, Panel } from "./panel.tsx";
import type { State } from "./state.ts";
import { clock, number, plural, span } from "./words.ts";

/** Rows shown; a table of thousands says nothing. */
const ROWS = 50;
/** An answer is asked for every second; older than this, ms, it is shown as it was. */
const OLD_MS = 5_000;
const WORDS = { live: "live", fenced: "fenced", ended: "ended" } as const;

export function Processes({ state }: { readonly state: State }) {
  const processes = useCell(state.processes);
  const crashed = useCell(state.crashed);
  const incidents = useCell(state.incidents);
  const clockNow = useCell(state.now);
  // A lease runs on only as far as this answer is current: an old one says nothing of leases that were renewed since.
  const isOld = clockNow - state.processesAt > OLD_MS;
  // The clock moves once a second, so the answer may be ahead of it: a lease would be longer than it ever is.
  const now = isOld ? state.processesAt : Math.max(clockNow, state.processesAt);
  if (processes === null)
    return (
      <Panel id="servers" title="Servers" class="servers">
        <Empty>Asking the API.</Empty>
      </Panel>
    );
  const gone = new Set(crashed.map(({ process }) => process.id));
  const sorted = processes
    .filter(({ id }) => !gone.has(id))
    .sort((a, b) => Number(a.state === "ended") - Number(b.state === "ended") || b.sockets - a.sockets);
  const hidden = sorted.length - ROWS;
  return (
    <Panel
      id="servers"
      title="Servers"
      class="servers"
      aside={isOld ? <p class="note">as of {clock(state.processesAt)}</p> : null}
    >
      {sorted.length + crashed.length === 0 ? (
        <Empty>No Socket.IO server has registered. One appears here as soon as createPresence runs.</Empty>
      ) : (
        <div class="table" tabIndex={0} role="group" aria-label="Table of servers">
          <table>
            <thead>
              <tr>
                <th scope="col">Server</th>
                <th scope="col">State</th>
                <th scope="col" class="right">
                  Sockets
                </th>
                <th scope="col">Lease</th>
                <th scope="col" class="right">
                  Age
                </th>
                <th scope="col">Version</th>
              </tr>
            </thead>
            <tbody>
              {crashed.toReversed().map((lost) => (
                <Crashed key={lost.process.id} lost={lost} incident={crashOf(incidents, lost)} />
              ))}
              {sorted.slice(0, ROWS).map((process) => {
                const { id, sockets, leaseUntil, startedAt, version, reason } = process;
                const left = leaseUntil === null ? null : Date.parse(leaseUntil) - now;
                const isLate = left !== null && left < 0;
                const word = isLate ? "lease over" : WORDS[process.state];
                return (
                  <tr key={id} class={isLate ? "late" : process.state}>
                    <th scope="row">
                      <Id id={nameOf(process)} />
                    </th>
                    <td>
                      <span class={`state ${isLate ? "late" : process.state}`} title={reason}>
                        {word}
                      </span>
                    </td>
                    <td class="right">{number(sockets)}</td>
                    <td>
                      {left === null ? (
                        <span class="none">none</span>
                      ) : (
                        <Lease left={left} of={state.lease} />
                      )}
                    </td>
                    <td class="right">{startedAt === null ? "\u2013" : span(now - Date.parse(startedAt))}</td>
                    <td class="version">{version ?? "\u2013"}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
          {hidden > 0 ? <p class="note">{number(hidden)} more with fewer sockets.</p> : null}
        </div>
      )}
    </Panel>
  );
}

/** One that is gone: for a minute it says how many users went with it. */
function Crashed({ lost, incident }: { readonly lost: Lost; readonly incident: Incident | undefined }) {
  const { process, at } = lost;
  const others = (incident?.processes.length ?? 1) - 1;
  const users = incident?.users ?? 0;
  return (
    <tr class="gone">
      <th scope="row">
        <Id id={nameOf(process)} />
      </th>
      <td>
        <span class="state late">gone (crashed)</span>
      </td>
      <td class="right none">{"\u2013"}</td>
      <td colSpan={2} class="went">
        {users === 0 ? "no user" : plural(users, "user")} went offline
        {others > 0 && users > 0 ? `, with ${plural(others, "other server")}` : ""} at {clock(at)}
      </td>
      <td class="version">{process.version ?? "\u2013"}</td>
    </tr>
  );
}

/** How much of the lease is left: it is renewed with each record, and when it is over the server's users go offline. */
function Lease({ left, of }: { readonly left: number; readonly of: number }) {
  const part = Math.max(0, Math.min(1, left / Math.max(of, 1)));
  return (
    <span class="lease">
      <span class="bar" aria-hidden="true">
        <span class={part < 0.15 ? "low" : ""} style={{ transform: `scaleX(${part.toFixed(3)})` }} />
      </span>
      <span class="left">{left <= 0 ? "over" : `${(left / 1000).toFixed(left < 10_000 ? 1 : 0)} s`}</span>
    </span>
  );
}
