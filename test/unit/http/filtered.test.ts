/**
 * Goal: callers who follow different users share the bytes of an answer whenever it says the same to them, whatever they send
 * leaves nothing behind, and what is kept is bounded.
 * Method: answers made of real changes; the class itself, then the route over a real Redis.
 */
import { expect, it } from "vitest";
import type { Change } from "../../../src/core/change.ts";
import { FilteredAnswers } from "../../../src/http/filtered.ts";
import { valueOf } from "../../../src/http/answer.ts";
import { appOver, newPrefix, populate, project, useRedis } from "./support.ts";

const test = useRedis();

function answerAbout(users: readonly string[], next = "9-0") {
  const changes = users.map((user, i): Change => ({ user, type: "online", cause: "connect", at: new Date(i), id: `${i + 1}-0` })); // prettier-ignore
  return { changes, next, gap: false, more: false };
}
const usersIn = (value: Readonly<Record<string, unknown>>) =>
  (value["changes"] as Change[]).map(({ user }) => user);

it("each caller gets the changes of its users, in their order", async () => {
  const filtered = new FilteredAnswers();
  const answer = answerAbout(["bob", "alice", "__proto__", "bob", "carol"]);
  for (const [users, expected] of [
    [
      ["alice", "bob"],
      ["bob", "alice", "bob"],
    ],
    [["carol", "carol"], ["carol"]],
    [["__proto__", "constructor"], ["__proto__"]],
    [["nobody"], []],
  ] as const) {
    const told = valueOf(await filtered.of(answer, users));
    expect([usersIn(told), told["next"], told["gap"]]).toEqual([expected, "9-0", false]);
  }
});

it("those with the same changes share one answer, and those of another answer do not", async () => {
  const filtered = new FilteredAnswers();
  const answer = answerAbout(["alice", "bob"]);
  const [one, two, other] = await Promise.all([
    filtered.of(answer, ["alice", "x"]),
    filtered.of(answer, ["y", "alice"]),
    filtered.of(answer, ["bob"]),
  ]);
  expect(two).toBe(one);
  expect(other).not.toBe(one);
  const none = await Promise.all(Array.from({ length: 1_000 }, (_, i) => filtered.of(answer, [`n${i}`])));
  expect(new Set(none).size).toBe(1);
  expect(filtered.kept.answers).toBe(3);
  const later = answerAbout(["alice", "bob"], "10-0");
  expect(valueOf(await filtered.of(later, ["alice"]))["next"]).toBe("10-0");
});

it("what is kept has a bound, in bytes", async () => {
  const most = 100_000;
  const filtered = new FilteredAnswers(most);
  const users = Array.from({ length: 1_000 }, (_, i) => `${i}`.padStart(200, "u"));
  const answer = answerAbout(users);
  for (const [i, user] of users.entries()) {
    const told = await filtered.of(answer, [user, users[(i + 1) % users.length]!]);
    expect(usersIn(valueOf(told))).toHaveLength(2);
    expect(filtered.kept.bytes).toBeLessThanOrEqual(most);
  }
  expect(filtered.kept.answers).toBeGreaterThan(50);
  // A caller with many users in it gets its answer, and nothing of it is kept.
  const before = filtered.kept;
  expect(usersIn(valueOf(await filtered.of(answer, users.slice(0, 101))))).toHaveLength(101);
  expect(filtered.kept).toEqual(before);
});

it("over HTTP, the tag is the same for all who have no news", async () => {
  const prefix = newPrefix();
  await project(test.redis, { prefix });
  const api = appOver(test.redis, { prefix }, { reuse: 60_000 });
  const { next } = await api.get<{ next: string }>("/v1/changes");
  await populate(test.redis, { prefix, users: ["alice"] });
  const tag = async (query: string) => (await api.request(`/v1/changes?after=${next}${query}`)).headers.get("etag"); // prettier-ignore
  const tags = await Promise.all(["&user=a", "&user=b&user=c", ""].map(tag));
  expect(new Set(tags).size).toBe(1);
  expect(tags[0]).toMatch(/^".+"$/);
});
