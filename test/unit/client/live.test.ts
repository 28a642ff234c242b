/**
 * Goal: live() and liveCounts() show what is true within moments, through gaps and restarts; a state is the same object until it changes;
 * what is wrong for good ends them, and after close() nothing is left.
 * Method: the app behind a real HTTP server over a real Redis; users come and go as records of processes.
 */
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { createClient, live, liveCounts, type LiveState, type Live } from "../../../src/client.ts";
import { requestOf } from "../../../src/client/ask.ts";
import { followUsers } from "../../../src/client/live-users.ts";
import { keysOf } from "../../../src/core/keys.ts";
import type { AppOptions } from "../../../src/http/app.ts";
import { startNode, connect } from "../../../rig/node.ts";
import { until, untilEqual } from "../../../rig/until.ts";
import { readEvents, serve } from "../http/serve.ts";
import { appOver, newPrefix, populate, TOKEN, useRedis } from "../http/support.ts";

afterEach(() => {
  vi.useRealTimers();
});

const test = useRedis();
let processes = 0;
const come = (prefix: string, users: readonly string[]) =>
  populate(test.redis, { prefix, users, process: `p${++processes}` });

async function start(options: Partial<AppOptions> = {}, prefix = newPrefix()) {
  const served = await serve(appOver(test.redis, { prefix }, { reuse: 100, ...options }).app);
  return { ...served, prefix, client: createClient(served.url, { token: TOKEN }) };
}

/** Closed with the test. */
function closing<State>(one: Live<State>): Live<State> {
  onTestFinished(() => one.close());
  return one;
}

const names = ({ users }: LiveState) => [...users].sort();
const shows = (one: Live<LiveState>, users: readonly string[]) =>
  untilEqual(() => [one.getState().status, ...names(one.getState())], ["live", ...users]);

describe("live()", () => {
  it("lists who is online, and follows who comes and goes", async () => {
    await using api = await start();
    await using node = await startNode({ redis: test.server.url, prefix: api.prefix });
    const alice = await connect(node.url, "alice");
    await until("alice is there", () => node.heard.length === 1);
    const all = closing(live(api.client));
    const some = closing(live(api.client, { users: ["bob", "carol"] }));
    expect(all.getState()).toMatchObject({ status: "connecting", count: 0, asOf: null });
    await shows(all, ["alice"]);
    await shows(some, []);
    await connect(node.url, "bob");
    await connect(node.url, "dave");
    await shows(all, ["alice", "bob", "dave"]);
    await shows(some, ["bob"]);
    expect(some.getState().asked).toEqual(new Set(["bob", "carol"]));
    alice.disconnect();
    await shows(all, ["bob", "dave"]);
    expect(all.getState()).toMatchObject({ count: 2, truncated: false, stale: null, error: undefined });
    expect(all.getState().asOf).toEqual(expect.any(String));
  });

  it("of more users than a URL has room for it shows these and no others", async () => {
    await using api = await start();
    const asked = Array.from({ length: 150 }, (_, i) => `u${i}`);
    const some = closing(live(api.client, { users: asked }));
    await shows(some, []);
    await come(api.prefix, ["stranger"]);
    await come(api.prefix, ["u149"]);
    await shows(some, ["u149"]);
  });

  it("follows from the oldest of several lookups: one that the API shares may be older than the first", async () => {
    const followed: string[] = [];
    let lookups = 0;
    const answering: typeof fetch = (input, init) => {
      const { pathname, searchParams } = new URL(input as string);
      if (pathname === "/v1/changes") followed.push(searchParams.get("after")!);
      if (pathname !== "/v1/users/lookup")
        return new Promise((_, reject) => init!.signal!.addEventListener("abort", () => reject(new Error())));
      const second = ["07", "05", "06"][lookups++];
      const asOf = { now: `2026-11-27T00:00:${second}.000Z`, cursor: `of-${second}` };
      return Promise.resolve(Response.json({ users: [], asOf }));
    };
    const client = createClient("http://api.example", { fetch: answering });
    const ids = Array.from({ length: 2_500 }, (_, i) => `u${i}`);
    const question = { where: [], max: 10_000, relist: 0, silence: 45_000 };
    closing(followUsers({ ...question, request: requestOf(client, "this test"), ids: () => ids }));
    await untilEqual(() => [lookups, ...followed], [3, "of-05"]);
  });

  it("follows a room", async () => {
    await using api = await start();
    const options = {
      redis: test.server.url,
      prefix: api.prefix,
      rooms: ["news", "quiet"],
      changes: ["news"],
    };
    await using node = await startNode(options);
    await connect(node.url, "alice");
    const room = closing(live(api.client, { room: "news" }));
    const counts = closing(liveCounts(api.client, { namespace: "/", room: "news" }));
    await shows(room, []);
    node.io.socketsJoin("news");
    await shows(room, ["alice"]);
    await untilEqual(() => counts.getState().counts?.users, 1);
    node.io.socketsLeave("news");
    await shows(room, []);
    const untold = closing(live(api.client, { room: "quiet" }));
    await until("it is closed", () => untold.getState().status === "closed");
    expect(untold.getState().error).toMatchObject({ status: 404, code: "SCOPE_UNTRACKED" });
  });

  it("keeps its state until something changes, and tells of many changes at once", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    const all = closing(live(api.client));
    const told: number[] = [];
    all.subscribe(() => told.push(performance.now()));
    await shows(all, ["alice"]);
    const { users } = all.getState();
    expect(all.getState()).toBe(all.getState());
    // Another socket of the same user: no change.
    await come(api.prefix, ["alice"]);
    const before = told.length;
    const many = Array.from({ length: 3_000 }, (_, i) => `u${i}`);
    await come(api.prefix, many);
    await untilEqual(() => all.getState().count, 3_001);
    expect(users).toEqual(new Set(["alice"]));
    // As many as records would be 30.
    expect(told.length - before).toBeLessThan(10);
    for (let i = 1; i < told.length; i++)
      // A timer may be early by less than a millisecond.
      expect(told[i]! - told[i - 1]!).toBeGreaterThan(48);
  });

  it("a listener that throws does not keep others from being told, and one that has left is not told", async () => {
    await using api = await start();
    const all = closing(live(api.client));
    const thrown: unknown[] = [];
    const catcher = (error: unknown) => void thrown.push(error);
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", catcher);
    onTestFinished(() => {
      process.off("uncaughtException", catcher);
      for (const other of others) process.on("uncaughtException", other);
    });
    let told = 0;
    let left = 0;
    const leave = all.subscribe(() => {
      throw new Error("of a listener");
    });
    all.subscribe(() => void left++)();
    all.subscribe(() => void told++);
    await until("it is told", () => told > 0);
    await until("the error is thrown where it belongs", () => thrown.length > 0);
    leave();
    expect(left).toBe(0);
  });

  it("lists again after a gap, and changes only what differs", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    const all = closing(live(api.client));
    const some = closing(live(api.client, { users: ["alice", "carol"] }));
    await shows(all, ["alice"]);
    await shows(some, ["alice"]);
    const statuses = new Set<string>();
    const lost: string[] = [];
    all.subscribe(() => {
      statuses.add(`${all.getState().status} ${all.getState().stale?.cause}`);
      if (!all.getState().users.has("alice")) lost.push("alice");
    });
    const { changes } = keysOf(api.prefix, 0, 1);
    // Nobody is told of bob: his change is gone when it is looked for.
    await come(api.prefix, ["bob"]);
    await test.redis.del(changes);
    await come(api.prefix, ["carol"]);
    await shows(all, ["alice", "bob", "carol"]);
    await shows(some, ["alice", "carol"]);
    expect(statuses).toContain("stale gap");
    expect(lost).toEqual([]);
  });

  it("compares with the list now and then, in case a change is missed", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    // An API that says nothing of changes, and a list that is right.
    const silent: typeof fetch = (input, init) =>
      (input as string).includes("/v1/changes")
        ? fetch(`${api.url}/v1/changes?user=nobody`, init)
        : fetch(input, init);
    const client = createClient(api.url, { token: TOKEN, fetch: silent });
    const all = closing(live(client, { relist: 1_000 }));
    const never = closing(live(client, { relist: 0 }));
    await shows(all, ["alice"]);
    await shows(never, ["alice"]);
    await come(api.prefix, ["bob"]);
    await shows(all, ["alice", "bob"]);
    await come(api.prefix, ["carol"]);
    await shows(all, ["alice", "bob", "carol"]);
    expect(names(never.getState())).toEqual(["alice"]);
  });

  it("beyond `max` keeps no list but the count, and lists again when they are few enough", async () => {
    await using api = await start();
    await using node = await startNode({ redis: test.server.url, prefix: api.prefix });
    const [a, b, c] = await Promise.all(["a", "b", "c", "d"].map((user) => connect(node.url, user)));
    await until("they are there", () => node.heard.length === 4);
    const all = closing(live(api.client, { max: 4 }));
    await shows(all, ["a", "b", "c", "d"]);
    const short = () => {
      const { status, truncated, users, count } = all.getState();
      return [status, truncated, users.size, count];
    };
    await connect(node.url, "e");
    await untilEqual(short, ["live", true, 0, 5]);
    await connect(node.url, "f");
    await untilEqual(short, ["live", true, 0, 6]);
    for (const one of [a, b]) one!.disconnect();
    // Not yet: it would be beyond it again with the next one.
    await untilEqual(short, ["live", true, 0, 4]);
    c!.disconnect();
    await untilEqual(short, ["live", false, 3, 3]);
    expect(names(all.getState())).toEqual(["d", "e", "f"]);
  });

  it("10,001 users are more than it keeps by default", async () => {
    await using api = await start();
    await come(
      api.prefix,
      Array.from({ length: 10_001 }, (_, i) => `user-${i}`),
    );
    const all = closing(live(api.client));
    const more = closing(live(api.client, { max: 11_000 }));
    await untilEqual(() => {
      const { truncated, users, count } = all.getState();
      return [truncated, users.size, count];
    }, [true, 0, 10_001]);
    await untilEqual(() => more.getState().users.size, 10_001);
  });

  it("heals after the API was away, and says meanwhile that it may be out of date", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    let isUp = true;
    const flaky: typeof fetch = (...args) =>
      isUp ? fetch(...args) : Promise.reject(new TypeError("refused"));
    const client = createClient(api.url, { token: TOKEN, fetch: flaky });
    const all = closing(live(client));
    const counts = closing(liveCounts(client));
    await shows(all, ["alice"]);
    await untilEqual(() => counts.getState().counts?.users, 1);
    isUp = false;
    await untilEqual(() => {
      // Each time: a stream that was asked for before may only now arrive.
      api.server.closeAllConnections();
      return [all.getState().status, counts.getState().status];
    }, ["stale", "stale"]);
    expect(all.getState()).toMatchObject({
      stale: { cause: "connection" },
      error: expect.any(Error) as Error,
    });
    expect(names(all.getState())).toEqual(["alice"]);
    expect(counts.getState()).toMatchObject({ counts: { users: 1 }, stale: { cause: "connection" } });
    await come(api.prefix, ["bob"]);
    isUp = true;
    await shows(all, ["alice", "bob"]);
    expect(all.getState().error).toBeUndefined();
    await untilEqual(() => [counts.getState().status, counts.getState().counts?.users], ["live", 2]);
  });

  it("a list that fails at first is tried again", async () => {
    await using api = await start();
    await come(api.prefix, ["alice"]);
    let failures = 1;
    const flaky: typeof fetch = (...args) =>
      failures-- > 0 ? Promise.resolve(new Response(null, { status: 502 })) : fetch(...args);
    const all = closing(live(createClient(api.url, { token: TOKEN, fetch: flaky })));
    await until("it says why", () => all.getState().error);
    expect(all.getState()).toMatchObject({ status: "connecting", stale: null, error: { status: 502 } });
    await shows(all, ["alice"]);
    expect(all.getState().error).toBeUndefined();
  });
});

describe("what ends it", () => {
  it.each([
    ["live()", live],
    ["liveCounts()", liveCounts],
  ] as const)("a wrong token closes %s after one request", async (_, make) => {
    await using api = await start({ counts: "closed" });
    let requests = 0;
    const counting: typeof fetch = (...args) => (requests++, fetch(...args));
    const client = createClient(api.url, { token: "a-token-of-somebody-else", fetch: counting });
    const one = closing<{ readonly status: string; readonly error: Error | undefined }>(make(client));
    let told = 0;
    one.subscribe(() => told++);
    await until("it is closed", () => one.getState().status === "closed");
    expect(one.getState().error).toMatchObject({ status: 401, code: "TOKEN_INVALID" });
    expect([requests, told]).toEqual([1, 1]);
  });

  it("close() and the signal give the streams back", async () => {
    await using api = await start({ streams: { most: 2 } });
    let streams = 0;
    const counting: typeof fetch = async (...args) => {
      const response = await fetch(...args);
      if (response.headers.get("content-type")?.startsWith("text/event-stream") === true) streams++;
      return response;
    };
    const client = createClient(api.url, { token: TOKEN, fetch: counting });
    await come(api.prefix, ["alice"]);
    const leaving = new AbortController();
    const all = closing(live(client));
    const counts = closing(liveCounts(client, { signal: leaving.signal }));
    await shows(all, ["alice"]);
    await untilEqual(() => [streams, counts.getState().counts?.users], [2, 1]);
    await expect(readEvents(`${api.url}/v1/changes`)).rejects.toThrow("503");
    all.close();
    leaving.abort();
    expect([all.getState().status, counts.getState().status]).toEqual(["closed", "closed"]);
    expect(names(all.getState())).toEqual(["alice"]);
    const open = () => readEvents(`${api.url}/v1/changes`).catch(() => undefined);
    await using first = await until("a place is free", open);
    await using second = await until("the other one too", open);
    expect([first.response.status, second.response.status]).toEqual([200, 200]);
  });

  it("close() leaves no timer, wherever it was", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    const asOf = { now: "2026-11-27T00:00:00.000Z", cursor: "0-0", stale: false };
    const answers: readonly (() => Promise<Response>)[] = [
      () => new Promise(() => {}),
      () => Promise.reject(new TypeError("refused")),
      async () => Response.json({ users: [], next: null, asOf }),
    ];
    for (const answer of answers) {
      const fetching: typeof fetch = (input, init) => {
        const { signal } = init!;
        const aborted = new Promise<never>((_, reject) =>
          signal!.addEventListener("abort", () => reject(signal!.reason as Error)),
        );
        if (!(input as string).includes("/v1/users")) return aborted;
        return Promise.race([answer(), aborted]);
      };
      const client = createClient("http://api.example", { fetch: fetching });
      for (const make of [live, liveCounts]) {
        const one = make(client);
        await vi.advanceTimersByTimeAsync(300);
        expect(vi.getTimerCount()).toBeGreaterThan(0);
        one.close();
        await vi.advanceTimersByTimeAsync(0);
        expect(vi.getTimerCount()).toBe(0);
      }
    }
  });

  it("a signal that has fired opens nothing, and one that outlives it has no listener left", async () => {
    let requests = 0;
    const client = createClient("http://api.example", { fetch: () => (requests++, new Promise(() => {})) });
    expect(live(client, { signal: AbortSignal.abort() }).getState().status).toBe("closed");
    expect(liveCounts(client, { signal: AbortSignal.abort() }).getState().status).toBe("closed");
    expect(requests).toBe(0);
    const { signal } = new AbortController();
    const removed = vi.spyOn(signal, "removeEventListener");
    live(client, { signal }).close();
    liveCounts(client, { signal }).close();
    expect(removed).toHaveBeenCalledTimes(2);
  });

  it("options are checked by name", () => {
    const client = createClient("http://api.example");
    const slip = { user: ["alice"] };
    expect(() => live(client, slip as object)).toThrow("unknown option user of live(): did you mean users?");
    expect(() => live(client, { users: [] })).toThrow("users must have 1 to 1000 ids, got 0");
    expect(() => live(client, { users: [""] })).toThrow("a user id must not be empty");
    expect(() => live(client, { relist: 5 })).toThrow("relist must be a whole number from 1000");
    expect(() => live(client, { namespace: "chat" })).toThrow("a namespace must start with /");
    expect(() => liveCounts({} as typeof client)).toThrow(
      "the client of liveCounts() must be what createClient()",
    );
  });
});
