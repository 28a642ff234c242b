import { useCell } from "./cell.ts";
import { Id } from "./id.tsx";
import { Panel } from "./panel.tsx";
import type { State } from "./state.ts";
import { number, span } from "./words.ts";

const ROWS = 20;

/** The durable subscribers and webhooks; nothing where there is none. */
export function Subscribers({ state }: { readonly state: State }) {
  const subscribers = useCell(state.subscribers);
  const now = useCell(state.now);
  if (subscribers.length === 0) return null;
  return (
    <Panel id="subscribers" title="Subscribers" class="subscribers">
      <div class="table" tabIndex={0} role="group" aria-label="Table of subscribers">
        <table>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">State</th>
              <th scope="col" class="right">
                Behind
              </th>
              <th scope="col" class="right">
                Handled
              </th>
              <th scope="col" class="right">
                Failed
              </th>
              <th scope="col" class="right">
                Dead letters
              </th>
            </tr>
          </thead>
          <tbody>
            {subscribers.slice(0, ROWS).map((one) => {
              const [tone, word] = stateOf(one, now);
              return (
                <tr key={one.name}>
                  <th scope="row">
                    <Id id={one.name} />
                  </th>
                  <td>
                    <span class={`state ${tone}`}>{word}</span>
                  </td>
                  <td class="right">{one.behind === 0 ? "0" : span(one.behind)}</td>
                  <td class="right">{number(one.handled)}</td>
                  <td class="right">{number(one.failed)}</td>
                  <td class={one.deadLetters > 0 ? "right wrong" : "right"}>{number(one.deadLetters)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </Panel>
  );
}

function stateOf(
  { disabled, stale, attempt, retryAt, comparing, servedAt }: State["subscribers"]["value"][number],
  now: number,
): readonly [string, string] {
  if (disabled !== null) return ["late", `disabled: ${disabled}`];
  if (stale) return ["late", `nobody serves it, for ${span(now - Date.parse(servedAt))}`];
  if (attempt > 0)
    return [
      "fenced",
      `failed ${number(attempt)}×${retryAt === null ? "" : `, again in ${span(Date.parse(retryAt) - now)}`}`,
    ];
  return comparing ? ["fenced", "comparing"] : ["live", "served"];
}
