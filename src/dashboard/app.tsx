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
  const access = useCell(session.state.access);
  const wanted = useMemo(() => new Cell<Wanted>(null), []);
  return (
    <>
      <Header session={session} />
      <main id="main">
        <Notice state={session.state} />
        {access === "users" ? null : <Gate session={session} />}
        <Numbers state={session.state} />
        {access === "users" ? (
          <div class="columns">
            <div class="column">
              <Chart session={session} />
              <Processes state={session.state} />
              <Subscribers state={session.state} />
              <Find session={session} wanted={wanted} />
            </div>
            <div class="column">
              <Feed session={session} />
              <Rooms state={session.state} />
              <Users session={session} show={(id) => (wanted.value = { id })} />
            </div>
          </div>
        ) : (
          <Chart session={session} />
        )}
      </main>
      <Announcer state={session.state} />
    </>
  );
}
