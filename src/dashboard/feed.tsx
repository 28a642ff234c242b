import { useCell } from "./cell.ts";
import { Id } from "./id.tsx";
import { Empty, Panel } from "./panel.tsx";
import type { Session } from "./session.ts";
import { CAUSES, clock, number } from "./words.ts";

/** Who came and went, newest first. */
export function Feed({ session }: { readonly session: Session }) {
  const { rows, held, gap } = useCell(session.state.feed);
  const granted = useCell(session.state.granted);
  const isOfAll = granted === null || granted.users === "*";
  return (
    <Panel
      id="feed"
      title="Changes"
      class="feed"
      aside={
        <button
          type="button"
          class="quiet"
          aria-pressed={held !== null}
          onClick={() => session.pause(held === null)}
        >
          {held === null ? "Pause" : held === 0 ? "Resume" : `Resume, ${number(held)} new`}
        </button>
      }
    >
      {gap ? <p class="note">Some changes were lost on the way: the list is not complete.</p> : null}
      {rows.length === 0 ? (
        <Empty>
          {isOfAll ? "Nobody has come or gone in the last minutes." : "No change since this page was opened."}
        </Empty>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Changes, newest first">
          <ol class="rows">
            {rows.map(({ key, user, type, cause, at }) => (
              <li key={key} class={cause === "reap" ? "crash" : type}>
                <span class="sign" aria-hidden="true" />
                <span class="who">
                  <Id id={user} />
                </span>
                <span class="why">
                  <span class="unseen">{type}, </span>
                  {CAUSES[cause] ?? cause}
                </span>
                <time dateTime={at}>{clock(Date.parse(at))}</time>
              </li>
            ))}
          </ol>
        </div>
      )}
    </Panel>
  );
}
