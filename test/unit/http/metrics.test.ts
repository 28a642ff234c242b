/**
 * Goal: /metrics has the values an operator needs for alerts, in Prometheus's text format.
 * Method: a prefix after a fold, a fence, a reap and a malformed entry; the format is parsed strictly.
 */
import { expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { append, appOver, newPrefix, populate, project, useRedis } from "./support.ts";

const test = useRedis();

/** Values by name. Fails on an invalid line, or a metric without HELP and TYPE before it. */
function read(text: string): Map<string, number> {
  const values = new Map<string, number>();
  let announced = "";
  const lines = text.split("\n");
  expect(lines.pop()).toBe("");
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) (rollcall_[a-z_]+) (.+)$/.exec(line);
    const sample = /^(rollcall_[a-z_]+) (-?\d+(?:\.\d+)?(?:e[+-]\d+)?)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "TYPE") expect(["gauge", "counter"]).toContain(comment[3]);
      if (comment[1] === "TYPE" && comment[3] === "counter") expect(comment[2]).toMatch(/_total$/);
      announced = comment[2]!;
      continue;
    }
    expect([line, sample?.[1]]).toEqual([line, announced]);
    expect(values.has(announced)).toBe(false);
    values.set(announced, Number(sample![2]));
  }
  return values;
}

it("/metrics has counts, lag, staleness, totals and the oldest lease", async () => {
  const prefix = newPrefix();
  const began = Date.now() / 1000;
  await populate(test.redis, { prefix, users: ["alice", "alice", "bob"], process: "stays", ttl: 600_000 });
  const { records } = keysOf(prefix, 0, 1);
  await test.redis.xadd(records, "*", "nonsense", "1");
  for (const seq of [1, 7])
    await test.redis.call(
      "XADD",
      records,
      "*",
      ...encodeRecord({ process: "lost", seq, ttl: 20_000, sockets: 0 }),
    );
  await append(test.redis, { prefix, users: ["carol"], process: "dies", ttl: 1 });
  const alone = projectQuietly(prefix);
  await alone();
  // Its lease of 1 ms runs out; the call after that reaps it.
  await expect
    .poll(async () => (await alone(), (await metrics(prefix)).get("rollcall_reaped_processes_total")))
    .toBe(1);
  await append(test.redis, { prefix, users: ["dave"], process: "later", ttl: 600_000 });

  const values = await metrics(prefix);
  expect(Object.fromEntries(values)).toMatchObject({
    rollcall_users: 2,
    rollcall_sockets: 3,
    rollcall_connections: 4,
    rollcall_processes: 2,
    rollcall_lag_records: 1,
    rollcall_stale: 0,
    rollcall_folded_records_total: 4,
    rollcall_rejected_records_total: 1,
    rollcall_fenced_processes_total: 1,
    rollcall_reaped_processes_total: 1,
  });
  // The clock of Redis is this machine's.
  const projected = values.get("rollcall_projected_timestamp_seconds")!;
  expect(projected).toBeGreaterThanOrEqual(Math.floor(began));
  expect(projected).toBeLessThanOrEqual(Date.now() / 1000);
  expect(values.get("rollcall_lag_seconds")).toBeGreaterThanOrEqual(0);
  // "lost" was fenced, so its lease is three times its ttl and the first to run out.
  expect(values.get("rollcall_oldest_lease_left_seconds")).toBeLessThanOrEqual(60);
});

it("the age of a lease is the time since a record renewed it", async () => {
  const prefix = newPrefix();
  const began = Date.now();
  await populate(test.redis, { prefix, users: ["alice"], ttl: 600_000 });
  const values = await metrics(prefix);
  const passed = (Date.now() - began) / 1000;
  const [age, left] = ["age", "left"].map((name) => values.get(`rollcall_oldest_lease_${name}_seconds`)!);
  expect(age! + left!).toBeCloseTo(600, 3);
  expect(age).toBeGreaterThanOrEqual(0);
  // Redis's time is known to within half a round trip.
  expect(age).toBeLessThanOrEqual(2 * passed + 0.001);
});

it("metrics without a value are left out for an empty prefix", async () => {
  const values = await metrics(newPrefix());
  expect(values.get("rollcall_users")).toBe(0);
  expect(values.get("rollcall_stale")).toBe(1);
  expect(values.has("rollcall_projected_timestamp_seconds")).toBe(false);
  expect(values.has("rollcall_oldest_lease_age_seconds")).toBe(false);
});

async function metrics(prefix: string): Promise<Map<string, number>> {
  const response = await appOver(test.redis, { prefix }).request("/metrics");
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return read(await response.text());
}

/** Steps that may fence and reject, as here they are to. */
function projectQuietly(prefix: string): () => Promise<void> {
  return () => project(test.redis, { prefix }).catch(() => {});
}

it("a name that somebody wrote to Redis past createSubscriber() cannot make lines of its own", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  await test.redis.zadd(keysOf(prefix, 0, 1).subscribers, Date.now(), 'a"} 1\nrollcall_users 7\n# \\');
  const api = appOver(test.redis, { prefix });
  const text = await (await api.request("/metrics")).text();
  expect(text.match(/^rollcall_users .*$/gm)).toEqual(["rollcall_users 1"]);
  expect(text).toContain(String.raw`{name="a\"} 1\nrollcall_users 7\n# \\"}`);
});
