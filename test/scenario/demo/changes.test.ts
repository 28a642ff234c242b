/** Goal: the demo's own check of "exactly once per change" finds what it is there to find. */
import { expect, it } from "vitest";
import { difference, exactlyOnceProblem, Tally } from "../../../examples/demo/changes.ts";
import type { Incarnation } from "../../../examples/demo/cluster.ts";
import type { Told } from "../../../examples/demo/messages.ts";

/** `+alice` came, `-alice` went. */
function told(...short: string[]): Told[] {
  return short.map((text, i) => ({
    user: text.slice(1),
    type: text.startsWith("+") ? "online" : "offline",
    cause: text.startsWith("+") ? "connect" : "leave",
    at: i,
    id: `${i}-0`,
  }));
}

const changes = difference(new Set(["alice", "bob"]), new Set(["bob", "carol"]));

it.each([
  [["+carol", "-alice"], null],
  [["-alice", "+carol"], null],
  [["+carol"], '"offline" for alice did not arrive'],
  [["+carol", "-alice", "-alice"], '"offline" for alice arrived 2 times'],
  [["+carol", "-alice", "+bob"], '"online" for bob (connect) was not expected'],
  [[], '"online" for carol did not arrive'],
])("of %j the check says: %s", (heard, problem) => {
  expect(exactlyOnceProblem(told(...heard), changes)).toBe(problem);
});

it("changes of a user alternate on every node", () => {
  const node = { name: "node-a" } as Incarnation;
  const tally = new Tally();
  for (const change of told("+alice", "-alice", "+bob", "+alice")) tally.hear(node, change);
  expect(tally.alternationProblem()).toBeNull();
  for (const change of told("+bob")) tally.hear(node, change);
  expect(tally.alternationProblem()).toBe('node-a received "online" for bob twice in a row');
});
