import { useCell } from "./cell.ts";
import { Id } from "./id.tsx";
import { Panel } from "./panel.tsx";
import type { State } from "./state.ts";
import { number } from "./words.ts";

/** The largest rooms and namespaces; nothing where none is tracked. */
export function Rooms({ state }: { readonly state: State }) {
  const page = useCell(state.scopes);
  if (page === null || page.scopes.length === 0) return null;
  const most = Math.max(1, ...page.scopes.map(({ users }) => users));
  return (
    <Panel id="rooms" title="Largest rooms" class="rooms">
      <table>
        <thead>
          <tr>
            <th scope="col">Room</th>
            <th scope="col" class="right">
              Users
            </th>
            <th scope="col" class="right">
              Sockets
            </th>
          </tr>
        </thead>
        <tbody>
          {page.scopes.map(({ namespace, room, users, sockets }) => (
            <tr key={JSON.stringify([namespace, room])}>
              <th scope="row">
                <span
                  class="share"
                  aria-hidden="true"
                  style={{ transform: `scaleX(${(users / most).toFixed(3)})` }}
                />
                <span class="room">
                  {namespace === "/" && room !== null ? null : (
                    <span class="namespace">
                      <Id id={namespace} />
                    </span>
                  )}
                  {room === null ? (
                    <span class="whole"> whole namespace</span>
                  ) : room === "" ? (
                    <span class="whole">(no name)</span>
                  ) : (
                    <Id id={room} />
                  )}
                </span>
              </th>
              <td class="right">{number(users)}</td>
              <td class="right">{number(sockets)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {page.next === null ? null : <p class="note">The largest only; GET /v1/scopes has all.</p>}
    </Panel>
  );
}
