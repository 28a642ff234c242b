/** The page's parts, in order. */
import { useMemo } from "preact/hooks";
import { Cell, useCell } from "./cell.ts";
import { Chart } from "./chart.tsx";
import { Announcer } from "./announcer.tsx";
import { Feed } from "./feed.tsx";
import { Find, type Wanted } from "./find.tsx";
import { Gate } from "./gate.tsx";
import { Header, Notice } from "./header.tsx";
import { Numbers } from "./numbers.tsx";
import { Processes } from "./processes.tsx";
import { Rooms } from "./rooms.tsx";
import { Subscribers } from "./subscribers.tsx";
import type { Session } from "./session.ts";
import { Users } from "./users.tsx";

export function App({ session }: { readonly session: Session }) {
  const { state } = session;
  const access = useCell(state.access);
  const granted = useCell(state.granted);
  const wanted = useMemo(() => new Cell<Wanted>(null), []);
  const show = state.can("user") ? (id: string) => (wanted.value = { id }) : undefined;
  return (
    <>
      <Header session={session} />
      <main id="main">
        <Notice state={state} />
        {access === "users" ? null : <Gate session={session} />}
        <Numbers state={state} />
        <div class="parts" key={`${access} ${granted?.subject} ${granted?.until}`}>
          <Chart session={session} />
          {state.can("changes") ? <Feed session={session} /> : null}
          {state.can("processes") || state.can("subscribers") ? (
            <div class="stack">
              {state.can("processes") ? <Processes state={state} /> : null}
              <Subscribers state={state} />
            </div>
          ) : null}
          {state.can("scopes") ? <Rooms state={state} /> : null}
          {show === undefined ? null : <Find session={session} wanted={wanted} />}
          {state.can("users") ? <Users session={session} show={show} /> : null}
        </div>
      </main>
      <Announcer state={state} />
    </>
  );
}
