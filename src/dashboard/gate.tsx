import { useEffect, useRef } from "preact/hooks";
import { useCell } from "./cell.ts";
import { type Granted, partsOf } from "./grant.ts";
import { Id } from "./id.tsx";
import type { Session } from "./session.ts";
import { clock, listed, number, plural, span } from "./words.ts";

/** Asks for the token. It is kept in memory: a reload asks again. */
export function Gate({ session }: { readonly session: Session }) {
  const { state } = session;
  const access = useCell(state.access);
  const link = useCell(state.link);
  const refusal = useCell(state.refusal);
  const isChecking = useCell(state.isChecking);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (access !== "nothing" && input.current !== null) input.current.value = "";
  }, [access]);
  useEffect(() => {
    if (refusal !== null) input.current?.select();
  }, [refusal]);
  const granted = useCell(state.granted);
  const now = useCell(state.now);
  const title =
    granted !== null
      ? "A browser token, for a part of this page"
      : access === "counts"
        ? "This token opens the numbers only"
        : link.state === "closed"
          ? "A token is needed"
          : "Enter a token to see everything";
  const text =
    granted !== null ? (
      <Grant granted={granted} now={now} />
    ) : access === "counts" ? (
      "It is one of ROLLCALL_COUNTS_TOKENS. Servers, rooms, users and their changes need one of ROLLCALL_TOKENS."
    ) : link.state === "closed" ? (
      "This API answers nothing without one, not even the counts. Enter one of ROLLCALL_TOKENS, or a browser token."
    ) : (
      "The counts are open to everyone. Servers, rooms, users and their changes need one of ROLLCALL_TOKENS, or a browser token."
    );
  return (
    <section class="gate" aria-labelledby="gate">
      <div>
        <h2 id="gate">{title}</h2>
        <p>{text}</p>
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const token = input.current!.value.trim();
          if (token !== "") void session.begin(token);
        }}
      >
        <label class="unseen" for="token">
          Token
        </label>
        <input
          id="token"
          ref={input}
          type="password"
          autocomplete="off"
          spellcheck={false}
          placeholder={access === "nothing" ? "Token" : "Another token"}
          aria-invalid={refusal !== null}
          aria-describedby="token-note"
        />
        <button type="submit" class="main" disabled={isChecking}>
          {isChecking ? "Checking" : "Open"}
        </button>
        <p
          id="token-note"
          class={refusal === null ? "note" : "note wrong"}
          role={refusal === null ? undefined : "alert"}
        >
          {refusal ?? "Kept in this page's memory only, and gone when you close or reload it."}
        </p>
      </form>
    </section>
  );
}

/** What the token may see, of whom, and until when. */
function Grant({ granted, now }: { readonly granted: Granted; readonly now: number }) {
  const { subject, users, names, until } = granted;
  const { opens, closed } = partsOf(granted);
  return (
    <>
      Signed for <Id id={subject} />. It opens {opens.length === 0 ? "the numbers only" : listed(opens)}
      {opens.length === 0 || users === "*" ? null : users === 0 ? (
        ", of nobody: it names no user"
      ) : (
        <>
          , of {plural(users, "user")} (
          {names.map((name, i) => (
            <span key={name}>
              {i > 0 ? ", " : ""}
              <Id id={name} />
            </span>
          ))}
          {users > names.length ? ` and ${number(users - names.length)} more` : ""})
        </>
      )}
      {closed.length === 0 ? "" : `; not ${listed(closed, "or")}`}. It ends at {clock(until)}, in{" "}
      {span(until - now)}.
    </>
  );
}
