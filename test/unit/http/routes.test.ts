/**
 * Goal: every route answers what the projection holds, with the field names of the Reader, over one shard and over four.
 * Method: records of two processes in a real Redis, folded by the real script; the app is called without a server.
 */
import { beforeAll, describe, expect, it } from "vitest";
import type {
  Counts,
  ProcessesAnswer,
  UserAnswer,
  UsersAnswer,
  UsersPage,
} from "../../../src/reader/reader.ts";
import { absent, asOf, processOf, userOf } from "../../../rig/answers.ts";
import { appOver, HOSTILE_IDS, newPrefix, populate, useRedis, type TestApp } from "./support.ts";

const test = useRedis();

describe.each([1, 4])("over %i shard(s)", (shards) => {
  let api: TestApp;

  beforeAll(async () => {
    const prefix = newPrefix();
    await populate(test.redis, {
      prefix,
      shards,
      process: "web-1",
      users: ["alice", "alice", "bob", ...HOSTILE_IDS],
    });
    await populate(test.redis, { prefix, shards, process: "web-2", users: ["alice"] });
    api = appOver(test.redis, { prefix, shards });
  });

  it("GET /v1/counts returns users, sockets and connections, and how old they are", async () => {
    const n = HOSTILE_IDS.length;
    expect(await api.get<Counts>("/v1/counts")).toMatchObject({
      users: n + 2,
      sockets: n + 4,
      connections: n + 6,
      asOf: asOf(),
    });
  });

  it("GET /v1/users pages through all users", async () => {
    const found: string[] = [];
    let path = "/v1/users?limit=10";
    for (;;) {
      const page = await api.get<UsersPage>(path);
      expect(page.asOf).toEqual(asOf());
      found.push(...page.users.map(({ id }) => id));
      if (page.next === null) break;
      path = `/v1/users?limit=10&cursor=${page.next}`;
    }
    expect(found.sort()).toEqual(["alice", "bob", ...HOSTILE_IDS].sort());
  });

  it("GET /v1/users/:id sums the sockets of all processes", async () => {
    expect(await api.get<UserAnswer>("/v1/users/alice")).toEqual(userOf({ id: "alice", sockets: 3 }));
  });

  it("GET /v1/users/:id returns 200 for an absent user", async () => {
    expect(await api.get<UserAnswer>("/v1/users/nobody")).toEqual(absent("nobody"));
  });

  it.each(HOSTILE_IDS)("GET /v1/users/:id finds %j", async (id) => {
    const answer = await api.get<UserAnswer>(`/v1/users/${encodeURIComponent(id)}`);
    expect(answer).toEqual(userOf({ id }));
    expect(answer.asOf).toEqual(asOf());
  });

  it("POST /v1/users/lookup answers in the order asked, repeats included", async () => {
    const ids = ["nobody", ...HOSTILE_IDS, "alice", "bob", "alice", "absent/%2F"];
    const response = await api.lookup({ ids });
    expect(response.status).toBe(200);
    const { users, asOf: age } = (await response.json()) as UsersAnswer;
    expect(age).toEqual(asOf());
    expect(users.map(({ id }) => id)).toEqual(ids);
    const sockets = (id: string) => (id === "alice" ? 3 : ["nobody", "absent/%2F"].includes(id) ? 0 : 1);
    expect(users).toEqual(
      ids.map((id) => (sockets(id) > 0 ? userOf({ id, sockets: sockets(id) }) : absent(id))),
    );
  });

  it("POST /v1/users/lookup reaches the ids that no path can carry", async () => {
    const response = await api.lookup({ ids: [".", ".."] });
    expect(((await response.json()) as UsersAnswer).users).toEqual([absent("."), absent("..")]);
  });

  it("GET /v1/processes lists each process once, summed over its shards", async () => {
    const { processes, asOf: age } = await api.get<ProcessesAnswer>("/v1/processes");
    expect(age).toEqual(asOf());
    const n = HOSTILE_IDS.length;
    expect(processes).toEqual([
      processOf({ id: "web-1", sockets: n + 3, connections: n + 4 }),
      processOf({ id: "web-2", sockets: 1, connections: 2 }),
    ]);
  });

  it("GET /ready returns 200 once the projector has run", async () => {
    expect(await api.get("/ready")).toMatchObject({ status: "ready", asOf: asOf() });
  });

  it("POST /v1/users/lookup accepts an empty list", async () => {
    expect(await (await api.lookup({ ids: [] })).json()).toMatchObject({ users: [], asOf: asOf() });
  });
});

describe("an empty prefix", () => {
  it("has no users, reports that no projector has run, and is not ready", async () => {
    const api = appOver(test.redis, { prefix: newPrefix() });
    const counts = await api.get<Counts>("/v1/counts");
    expect(counts).toMatchObject({ users: 0, sockets: 0, connections: 0 });
    expect(counts.asOf).toMatchObject({ projectedAt: null, record: "0-0", stale: true });
    expect(await api.get("/v1/users")).toMatchObject({ users: [], next: null });
    expect(await api.get("/v1/processes")).toMatchObject({ processes: [] });
    expect((await api.request("/ready")).status).toBe(503);
  });
});
