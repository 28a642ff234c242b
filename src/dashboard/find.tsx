import { useEffect, useRef, useState } from "preact/hooks";
import { ProblemError, type Sessions, type User } from "../client/client.ts";
import { type Cell, useCell } from "./cell.ts";
import { Id } from "./id.tsx";
import { Empty, Panel } from "./panel.tsx";
import type { Session } from "./session.ts";
import { CAUSES, clock, dayTime, number, plural, span } from "./words.ts";

/** Servers of a user shown. */
const ROWS = 20;
/** How far back sessions are shown, ms, how many are asked for, and how many are listed. */
const BACK_MS = 86_400_000;
const SESSIONS = 500;
const LISTED = 8;
/** Another look at the same user, ms. */
const AGAIN_MS = 1_000;

interface Found {
  readonly user: User;
  /** Null: there are none to be had. */
  readonly sessions: Sessions | null;
  readonly why: string | null;
}

/** A user that was chosen elsewhere; an object of its own each time. */
export type Wanted = { readonly id: string } | null;

/** One user by id. */
export function Find({ session, wanted }: { readonly session: Session; readonly wanted: Cell<Wanted> }) {
  const { state } = session;
  const input = useRef<HTMLInputElement>(null);
  const [id, setId] = useState<string | null>(null);
  const [found, setFound] = useState<Found | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const touched = useCell(state.touched);

  useEffect(() => {
    state.watched = id;
    if (id === null) return undefined;
    let isOver = false;
    const look = async () => {
      try {
        const answer = await lookAt(session, id);
        if (isOver) return;
        setFound(answer);
        setProblem(null);
      } catch (error) {
        if (!isOver) setProblem(error instanceof ProblemError ? error.message : "The API cannot be reached.");
      }
    };
    const timer = setTimeout(() => void look(), found?.user.id === id ? AGAIN_MS : 0);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [id, touched]);

  const chosen = useCell(wanted);
  useEffect(() => {
    if (chosen === null) return;
    show(chosen.id);
    input.current?.scrollIntoView({ block: "nearest" });
    input.current?.focus({ preventScroll: true });
  }, [chosen]);

  const show = (wanted: string) => {
    if (input.current !== null) input.current.value = wanted;
    if (wanted !== id) setFound(null);
    setProblem(null);
    setId(wanted);
  };
  return (
    <Panel id="find" title="Find a user" class="find">
      <form
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = input.current!.value;
          if (wanted !== "") show(wanted);
        }}
      >
        <label class="unseen" for="user">
          User id
        </label>
        <input
          id="user"
          ref={input}
          type="search"
          autocomplete="off"
          spellcheck={false}
          placeholder="Exact user id"
          maxLength={256}
        />
        <button type="submit" class="main">
          Find
        </button>
      </form>
      <div aria-live="polite">
        {problem !== null ? <p class="note wrong">{problem}</p> : null}
        {found !== null && found.user.id === id ? (
          <OneUser found={found} now={state.now.value} />
        ) : id === null ? (
          <Empty>
            Enter an id, or choose a user from the list: whether they are online, on which servers, and their
            sessions of the last day.
          </Empty>
        ) : null}
      </div>
    </Panel>
  );
}

async function lookAt({ client, state }: Session, id: string): Promise<Found> {
  const user = await client.user(id);
  try {
    const from = new Date(Date.now() + state.skew - BACK_MS);
    let sessions = await client.sessions(id, { from, limit: SESSIONS });
    // The oldest come first: the last page has the newest.
    for (let pages = 1; sessions.next !== null && pages < 4; pages++)
      sessions = await client.sessions(id, { from, limit: SESSIONS, cursor: sessions.next });
    return { user, sessions, why: null };
  } catch (error) {
    return { user, sessions: null, why: error instanceof Error ? error.message : String(error) };
  }
}

function OneUser({ found: { user, sessions, why }, now }: { readonly found: Found; readonly now: number }) {
  return (
    <div class="user">
      <p class="who">
        <span class={`state ${user.online ? "live" : "ended"}`}>{user.online ? "online" : "offline"}</span>
        <Id id={user.id} />
        <span class="note">
          {!user.online
            ? null
            : user.sockets === 0
              ? "no socket open, in grace"
              : `${plural(user.sockets, "socket")} on ${plural(user.processes.length, "server")}`}
        </span>
      </p>
      {user.processes.length === 0 ? null : (
        <ul class="on">
          {user.processes.slice(0, ROWS).map(({ id, sockets }) => (
            <li key={id}>
              <Id id={id} /> <span class="note">{plural(sockets, "socket")}</span>
            </li>
          ))}
        </ul>
      )}
      {sessions === null ? <p class="note">{why}</p> : <Timeline sessions={sessions} now={now} />}
    </div>
  );
}

/** The sessions as bars over the time they take up, at most a day, and the last of them in words. */
function Timeline({
  sessions: { sessions, exact, since },
  now,
}: {
  readonly sessions: Sessions;
  readonly now: number;
}) {
  if (sessions.length === 0) return <p class="note">No session in the last day.</p>;
  const spans = sessions.map(({ start, end, cause }) => ({
    from: start === null ? now - BACK_MS : Math.max(Date.parse(start), now - BACK_MS),
    start,
    to: end === null ? now : Date.parse(end),
    end,
    cause,
  }));
  const first = Math.min(...spans.map(({ from }) => from));
  const length = Math.max(60_000, now - first);
  const begin = now - length;
  return (
    <>
      <svg
        class="timeline"
        viewBox="0 0 1000 24"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${plural(sessions.length, "session")} since ${dayTime(first)}`}
      >
        <rect class="track" width="1000" height="24" rx="3" />
        {spans.slice(-200).map(({ from, to, cause, end }) => (
          <g key={`${from} ${to}`}>
            <rect
              class={end === null ? "open" : "done"}
              x={((from - begin) / length) * 1000}
              width={Math.max(2, ((to - from) / length) * 1000)}
              height="24"
            />
            {cause === "reap" ? (
              <rect class="crash" x={((to - begin) / length) * 1000 - 5} width="5" height="24" />
            ) : null}
          </g>
        ))}
      </svg>
      <p class="ends">
        <span>{dayTime(begin)}</span>
        <span>now</span>
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">To</th>
            <th scope="col" class="right">
              Length
            </th>
            <th scope="col">Ended by</th>
          </tr>
        </thead>
        <tbody>
          {spans
            .slice(-LISTED)
            .toReversed()
            .map(({ from, start, to, end, cause }) => (
              <tr key={`${from} ${to}`}>
                <td>{start === null ? "before that" : clock(from)}</td>
                <td>{end === null ? "now" : clock(to)}</td>
                <td class="right">{span(to - from)}</td>
                <td>{cause === null ? "\u2013" : (CAUSES[cause] ?? cause)}</td>
              </tr>
            ))}
        </tbody>
      </table>
      {sessions.length > LISTED ? (
        <p class="note">
          The last {LISTED} of {number(sessions.length)}.
        </p>
      ) : null}
      {exact ? null : (
        <p class="note">
          Changes are kept since {since === null ? "an unknown time" : dayTime(Date.parse(since))}, so what
          was before is not shown.
        </p>
      )}
    </>
  );
}
