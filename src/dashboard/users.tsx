import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ProblemError, type UsersPage } from "../client/client.ts";
import { Id } from "./id.tsx";
import { Empty, Panel } from "./panel.tsx";
import type { Session } from "./session.ts";
import { plural } from "./words.ts";

/** Users shown at once. */
const ROWS = 8;
/** How often the first page is looked at again, ms. */
const AGAIN_MS = 5_000;

/** A place in the list: a page of the API, and how far in it. */
interface Place {
  readonly cursor: string | undefined;
  readonly skip: number;
}

const FIRST: Place = { cursor: undefined, skip: 0 };

/** Who is online, a page at a time. */
export function Users({
  session,
  show,
}: {
  readonly session: Session;
  /** Shows one of them; undefined: the token does not open it. */
  readonly show: ((id: string) => void) | undefined;
}) {
  const [places, setPlaces] = useState<readonly Place[]>([FIRST]);
  const [page, setPage] = useState<UsersPage | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [round, again] = useState(0);
  const place = places.at(-1)!;
  useEffect(() => {
    let isOver = false;
    session.client.page({ limit: ROWS, cursor: place.cursor }).then(
      (answer) => {
        if (isOver) return;
        setPage(answer);
        setProblem(null);
      },
      (error: unknown) => {
        if (!isOver) setProblem(error instanceof ProblemError ? error.message : "The API cannot be reached.");
      },
    );
    return () => {
      isOver = true;
    };
  }, [place.cursor, round]);
  // The first page is looked at again now and then: it is what somebody sees who does not page.
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && places.length === 1) again((n) => n + 1);
    }, AGAIN_MS);
    return () => clearInterval(timer);
  }, [places.length]);
  const rows = page?.users.slice(place.skip, place.skip + ROWS) ?? [];
  const next: Place | null =
    page === null
      ? null
      : place.skip + ROWS < page.users.length
        ? { cursor: place.cursor, skip: place.skip + ROWS }
        : page.next === null
          ? null
          : { cursor: page.next, skip: 0 };
  return (
    <Panel
      id="users"
      title="Users online"
      class="users"
      aside={
        places.length === 1 && next === null ? null : (
          <div class="pager">
            <button
              type="button"
              class="quiet"
              disabled={places.length === 1}
              onClick={() => setPlaces(places.slice(0, -1))}
            >
              Previous
            </button>
            <button
              type="button"
              class="quiet"
              disabled={next === null}
              onClick={() => next !== null && setPlaces([...places.slice(-999), next])}
            >
              Next
            </button>
          </div>
        )
      }
    >
      {problem !== null ? <p class="note wrong">{problem}</p> : null}
      {page !== null && problem === null && rows.length === 0 ? (
        <Empty>Nobody is online.</Empty>
      ) : (
        <ul class="list">
          {rows.map(({ id, sockets }) => (
            <li key={id}>
              <Row show={show === undefined ? undefined : () => show(id)}>
                <Id id={id} />
                <span class="note">{sockets === 0 ? "in grace" : plural(sockets, "socket")}</span>
              </Row>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Row(props: { readonly show: (() => void) | undefined; readonly children: ComponentChildren }) {
  if (props.show === undefined) return <p class="row">{props.children}</p>;
  return (
    <button type="button" class="row" onClick={props.show}>
      {props.children}
    </button>
  );
}
