import { useCell } from "./cell.ts";
import type { State } from "./state.ts";
import { number } from "./words.ts";

/** Over this time a number is compared with itself, s. */
const BEFORE_S = 60;

export function Numbers({ state }: { readonly state: State }) {
  const counts = useCell(state.counts);
  const link = useCell(state.link);
  const processes = useCell(state.processes);
  const access = useCell(state.access);
  useCell(state.now);
  const { samples } = state.ring;
  const earlier = samples.findLast(({ at }) => at <= (samples.at(-1)?.at ?? 0) - BEFORE_S);
  const live = processes?.filter(({ state: one }) => one === "live").length;
  const other = (processes?.length ?? 0) - (live ?? 0);
  const since = (before: number | null | undefined, now: number | undefined) => {
    if (before === null || before === undefined || now === undefined) return null;
    const change = now - before;
    return change === 0
      ? "same as a minute ago"
      : `${change > 0 ? "+" : "\u2212"}${number(Math.abs(change))} in a minute`;
  };
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
        {access === "users" ? (
          <One
            name="Servers"
            value={live}
            note={processes === null ? null : other === 0 ? "all live" : `${number(other)} fenced or ended`}
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
  return Math.abs(each - 1) < 0.05 ? "one a socket" : `${each.toFixed(1)} sockets each`;
}

function One(props: {
  readonly name: string;
  readonly value: number | undefined;
  readonly note: string | null;
  readonly tone?: string;
}) {
  return (
    <div class={`number ${props.tone ?? ""}`}>
      <dt>{props.name}</dt>
      <dd class="value">{props.value === undefined ? "\u2013" : number(props.value)}</dd>
      <dd class="note">{props.note ?? "\u00a0"}</dd>
    </div>
  );
}
