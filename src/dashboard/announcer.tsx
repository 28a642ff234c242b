import { useEffect, useRef, useState } from "preact/hooks";
import { useCell } from "./cell.ts";
import type { State } from "./state.ts";
import { plural } from "./words.ts";

/** Counts are read out at most so often, ms, unless they change by a fifth. */
const EVERY_MS = 30_000;
const MUCH = 0.2;

const STATES = {
  connecting: "Connecting.",
  live: "Live.",
  stale: "The numbers are out of date.",
  lost: "The API cannot be reached.",
  closed: "A token is needed.",
} as const;

/** For screen readers: the state of the connection at once, the counts now and then. */
export function Announcer({ state }: { readonly state: State }) {
  const { state: link } = useCell(state.link);
  const counts = useCell(state.counts);
  const said = useRef({ at: -Infinity, users: 0 });
  const [text, setText] = useState("");
  useEffect(() => {
    if (counts === null) return;
    document.title = `${counts.users.toLocaleString("en-US")} online \u00b7 Rollcall`;
    const { at, users } = said.current;
    const isMuch = Math.abs(counts.users - users) > Math.max(2, users * MUCH);
    if (performance.now() - at < (isMuch ? 2_000 : EVERY_MS)) return;
    said.current = { at: performance.now(), users: counts.users };
    setText(`${plural(counts.users, "user")}, ${plural(counts.sockets, "socket")}.`);
  }, [counts]);
  return (
    <div class="unseen">
      <p role="status">{STATES[link]}</p>
      <p aria-live="polite">{text}</p>
    </div>
  );
}
