import { useState } from "preact/hooks";
import { useCell } from "./cell.ts";
import type { Session } from "./session.ts";
import type { Link, State } from "./state.ts";
import { clock, number, span } from "./words.ts";

/** The state of the connection in a word or two. */
const STATES: Readonly<Record<Link["state"], string>> = {
  connecting: "Connecting",
  live: "Live",
  stale: "Stale",
  lost: "Unreachable",
  closed: "Locked",
};

export function Header({ session }: { readonly session: Session }) {
  const { state } = session;
  const access = useCell(state.access);
  const link = useCell(state.link);
  const asOf = useCell(state.asOf);
  const now = useCell(state.now);
  const at = asOf === null ? null : link.state === "live" ? now : Date.parse(asOf.now);
  // A browser token of some users is not told how much is behind.
  const lag = asOf?.lag;
  return (
    <header class="top">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <h1 class="brand">
        <svg aria-hidden="true" viewBox="0 0 16 16" width="20" height="20">
          <rect width="16" height="16" rx="4" class="mark" />
          <circle cx="8" cy="8" r="3" class="dot" />
        </svg>
        Rollcall
      </h1>
      <p class={`pill ${link.state}`}>
        <span class="light" aria-hidden="true" />
        {STATES[link.state]}
      </p>
      <p class="asof">
        {at === null ? null : (
          <>
            <span class="wide">as of </span>
            <time dateTime={new Date(at).toISOString()}>{clock(at)}</time>
          </>
        )}
        {lag !== undefined && link.state === "live" && lag.ms >= 1_000 ? (
          <span class="lag">
            {" "}
            · lag {number(lag.records)} records, {span(lag.ms)}
          </span>
        ) : null}
      </p>
      <div class="tools">
        <Theme />
        {access === "nothing" ? null : (
          <button type="button" class="quiet" onClick={() => session.forget()}>
            Forget token
          </button>
        )}
      </div>
    </header>
  );
}

const THEMES = ["auto", "light", "dark"] as const;

function Theme() {
  const [theme, setTheme] = useState<(typeof THEMES)[number]>("auto");
  return (
    <fieldset class="segments">
      <legend class="unseen">Theme</legend>
      {THEMES.map((one) => (
        <label key={one}>
          <input
            type="radio"
            name="theme"
            checked={theme === one}
            onChange={() => {
              setTheme(one);
              document.documentElement.dataset["theme"] = one;
              // The chart draws with the colours that the page has now.
              window.dispatchEvent(new Event("rollcall-theme"));
            }}
          />
          <span>{one[0]!.toUpperCase() + one.slice(1)}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** What is wrong, since when, and what happens next; nothing while all is well. */
export function Notice({ state }: { readonly state: State }) {
  const link = useCell(state.link);
  useCell(state.now);
  const problems = useCell(state.problems);
  const text = noticeOf(link, Date.now());
  const more =
    link.state === "live"
      ? [...new Set(Object.entries(problems).map(([name, { message }]) => `${name}: ${message}`))]
      : [];
  if (text === null && more.length === 0) return null;
  return (
    <section class={`notice ${link.state}`} aria-label="Trouble">
      {text === null ? null : (
        <p>
          <strong>{text[0]}</strong> {text[1]}
        </p>
      )}
      {more.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </section>
  );
}

function noticeOf({ state, cause, since, retryAt }: Link, now: number): readonly [string, string] | null {
  const ago = since === undefined ? "" : ` since ${clock(since)} (${span(now - since)})`;
  if (state === "lost") {
    const next =
      retryAt === undefined || retryAt <= now ? "Trying again." : `Trying again in ${span(retryAt - now)}.`;
    const why =
      cause === undefined || cause === "no connection" ? "" : `${cause[0]!.toUpperCase()}${cause.slice(1)}. `;
    return [`The API cannot be reached${ago}.`, `${why}What you see is from before. ${next}`];
  }
  if (state !== "stale") return null;
  if (cause === "redis")
    return [
      `Redis does not answer the API${ago}.`,
      "These are the last numbers it gave. They go on by themselves when it is back.",
    ];
  return [
    `No projector has run${ago === "" ? " lately" : ago}.`,
    "Nothing is folded meanwhile, so these numbers may be old. Check that a Socket.IO server or a scheduled function projects.",
  ];
}
