import { useEffect, useRef } from "preact/hooks";
import { useCell } from "./cell.ts";
import type { Session } from "./session.ts";

/** Asks for the token. It is kept in memory: a reload asks again. */
export function Gate({ session }: { readonly session: Session }) {
  const { state } = session;
  const access = useCell(state.access);
  const link = useCell(state.link);
  const refusal = useCell(state.refusal);
  const isChecking = useCell(state.isChecking);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (refusal !== null) input.current?.select();
  }, [refusal]);
  const title =
    access === "counts"
      ? "This token opens the numbers only"
      : link.state === "closed"
        ? "A token is needed"
        : "Enter a token to see everything";
  const text =
    access === "counts"
      ? "Servers, rooms, users and their changes take a token with the scope users (ROLLCALL_TOKENS)."
      : link.state === "closed"
        ? "This API answers nothing without one, not even the counts (ROLLCALL_TOKENS)."
        : "The counts are open. Servers, rooms, users and their changes take a token of the API (ROLLCALL_TOKENS).";
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
          placeholder="Token"
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
