/**
 * Goal: INV-8: who may see some users cannot tell a world in which only these are from one in which many others come and go.
 * Method: both worlds in a real Redis, with the same users present in the same order; every answer a holder can get in either, with times
 * replaced and sealed texts by their length, must be the same text, status and header fields.
 */
import { beforeAll, expect, it } from "vitest";
import { BROWSER, browserApp, bearer, tokenFor } from "../unit/http/browsers.ts";
import { append, newPrefix, populate, project, type TestApp, useRedis } from "../unit/http/support.ts";

const test = useRedis();
const SHARDS = 3;
const OTHERS = Array.from({ length: 400 }, (_, i) => `other-${i}`);
/** Not those whose answers are numbers about everybody, which a grant of theirs opens. */
const ACTIONS = ["users", "user", "sessions", "lookup", "changes"];
let alone: TestApp;
let crowded: TestApp;
const prefixes = [newPrefix(), newPrefix()] as const;

beforeAll(async () => {
  for (const [i, prefix] of prefixes.entries()) {
    // The same number of processes and records of the users seen; the others come before, between and after.
    const others = (process: string) =>
      i === 1 ? populate(test.redis, { prefix, shards: SHARDS, process, users: OTHERS }) : undefined;
    await others("o-1");
    await populate(test.redis, { prefix, shards: SHARDS, process: "web-1", users: ["alice", "bob", "bob"] });
    await others("o-2");
    await append(test.redis, { prefix, shards: SHARDS, process: "web-2", users: ["dora"], ttl: 1 });
    await project(test.redis, { prefix, shards: SHARDS });
  }
  const over = (prefix: string) => browserApp(test.redis, { prefix, shards: SHARDS }, { ...BROWSER }, { counts: "closed", reuse: 0 }); // prettier-ignore
  [alone, crowded] = [over(prefixes[0]), over(prefixes[1])];
});

const token = tokenFor({ actions: ACTIONS, users: ["alice", "bob", "zoe"] });

/** A text with what may differ by nature taken out: times, and sealed texts but for their length. */
function plain(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, "<time>")
    .replaceAll(/\be[\w-]{60,}/g, (sealed) => `<sealed ${sealed.length}>`)
    .replaceAll(/"id":"[\w-]{22}"/g, '"id":"<masked>"');
}

async function told(app: TestApp, path: string, init: RequestInit): Promise<unknown> {
  const response = await app.app.request(`http://api.example${path}`, {
    ...init,
    headers: { ...bearer(token), ...(init.headers as Record<string, string>) },
  });
  const fields = [...response.headers].map(([name, value]) => [name, plain(value)]);
  return { status: response.status, fields, body: plain(await response.text()) };
}

const lookup = (ids: readonly string[]): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify({ ids }),
});

it.each<[string, RequestInit?]>([
  ["/v1/users"],
  ["/v1/users?limit=1"],
  ["/v1/users?cursor=x"],
  ["/v1/users?at=1h"],
  ["/v1/users/alice"],
  ["/v1/users/zoe"],
  ["/v1/users/other-1"],
  ["/v1/users/nobody"],
  ["/v1/users/bob/sessions"],
  ["/v1/users/bob/sessions?limit=1"],
  ["/v1/users/bob/sessions?format=csv"],
  ["/v1/users/zoe/sessions"],
  ["/v1/users/other-1/sessions"],
  ["/v1/changes"],
  ["/v1/changes?user=bob"],
  ["/v1/changes?user=other-1"],
  ["/v1/changes?from=2026-01-01"],
  ["/v1/counts"],
  ["/v1/history"],
  ["/v1/processes"],
  ["/v1/subscribers"],
  ["/v1/scopes"],
  ["/metrics"],
  ["/ready"],
  ["/v1/users/lookup", lookup(["alice", "bob", "zoe"])],
  ["/v1/users/lookup", lookup(["alice", "other-1"])],
  ["/v1/users/lookup", lookup([])],
  ["/v1/users", { method: "HEAD" }],
  ["/v1/users/alice", { headers: { "if-none-match": "*" } }],
])("%s %j", async (path, init = {}) => {
  expect(await told(crowded, path, init)).toEqual(await told(alone, path, init));
});

it("the changes since a cursor", async () => {
  const told = async (app: TestApp, prefix: string, isCrowded: boolean) => {
    const ask = async (after: string) =>
      (await (await app.app.request(`http://api.example/v1/changes${after}`, { headers: bearer(token) })).text()); // prettier-ignore
    const { next } = JSON.parse(await ask("")) as { next: string };
    if (isCrowded) await populate(test.redis, { prefix, shards: SHARDS, process: "o-3", users: OTHERS.map((id) => `${id}x`) }); // prettier-ignore
    await populate(test.redis, { prefix, shards: SHARDS, process: "web-3", users: ["zoe"] });
    return plain(await ask(`?after=${next}`));
  };
  const quiet = await told(alone, prefixes[0], false);
  expect(quiet).toContain('"user":"zoe"');
  expect(await told(crowded, prefixes[1], true)).toBe(quiet);
});
