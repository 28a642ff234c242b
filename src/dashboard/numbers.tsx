import { useCell } from "./cell.ts";
import type { State } from "./state.ts";
import { number, span } from "./words.ts";

/** Over this time a number is compared with itself, s. */
const BEFORE_S = 60;
const BEFORE_S_MIN = 5;
/** Characters from which on a number is set smaller where there is little room. */
const LONG = 6;

export function Numbers({ state }: { readonly state: State }) {
  const counts = useCell(state.counts);
  const link = useCell(state.link);
  const processes = useCell(state.processes);
  useCell(state.access);
  useCell(state.now);
  const { samples } = state.ring;
  const last = samples.at(-1)?.at ?? 0;
  const before = samples.findLast(({ at }) => at <= last - BEFORE_S) ?? samples[0];
  const earlier = before === undefined || last - before.at < BEFORE_S_MIN ? undefined : before;
  // A page that was opened just now compares with its beginning.
  const time = earlier === undefined || last - earlier.at >= BEFORE_S ? "minute" : `${last - earlier.at} s`;
  const live = processes?.filter(({ state: one }) => one === "live").length;
  const crashed = useCell(state.crashed);
  const gone = new Set(crashed.map(({ process }) => process.id));
  const other = processes?.filter(({ id, state: one }) => one !== "live" && !gone.has(id)).length ?? 0;
  const isOld = link.state === "stale" || link.state === "lost";
  const since = (then: number | null | undefined, now: number | undefined) => {
    if (isOld) return now === undefined ? null : "last known";
    if (then === null || then === undefined || now === undefined) return null;
    const change = now - then;
    return change === 0
      ? `the same as ${time === "minute" ? "a minute" : time} ago`
      : `${change > 0 ? "+" : "\u2212"}${number(Math.abs(change))} in the last ${time}`;
  };
  const servers = isOld
    ? "last known"
    : crashed.length > 0
      ? `${number(crashed.length)} crashed ${span(state.now.value - crashed.at(-1)!.at)} ago`
      : other > 0
        ? `${number(other)} fenced or ended`
        : live === 0
          ? "none has registered"
          : "all live";
  return (
    <section class={link.state === "live" ? "numbers" : "numbers old"} aria-label="Now">
      <dl>
        <One name="Users" value={counts?.users} note={since(earlier?.users, counts?.users)} tone="first" />
        <One
          name="Sockets"
          value={counts?.sockets}
          note={since(earlier?.sockets, counts?.sockets)}
          tone="second"
        />
        <One name="Connections" value={counts?.connections} note={shared(counts)} />
        {state.can("processes") ? (
          <One
            name="Servers"
            value={live}
            note={processes === null ? null : servers}
            isWrong={!isOld && crashed.length > 0}
          />
        ) : null}
      </dl>
    </section>
  );
}

/** Namespaces share a connection: then there are more sockets than connections. */
function shared(counts: State["counts"]["value"]): string | null {
  if (counts === null || counts.connections === 0) return null;
  const each = counts.sockets / counts.connections;
  return Math.abs(each - 1) < 0.05 ? "one per socket" : `${each.toFixed(1)} sockets each`;
}

function One(props: {
  readonly name: string;
  readonly value: number | undefined;
  readonly note: string | null;
  readonly tone?: string;
  readonly isWrong?: boolean;
}) {
  const text = props.value === undefined ? "\u2013" : number(props.value);
  return (
    <div class={`number ${props.tone ?? ""}`}>
      <dt>{props.name}</dt>
      <dd class={text.length > LONG ? "value long" : "value"}>{text}</dd>
      <dd class={props.isWrong === true ? "note wrong" : "note"}>{props.note ?? "\u00a0"}</dd>
    </div>
  );
}
