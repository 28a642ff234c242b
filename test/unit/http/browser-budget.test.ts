/**
 * Goal: INV-9: what one subject makes the API read is bounded by its requests a second, also when one request takes many reads.
 * Method: a real Redis with thousands of changes of others since the holder's cursor.
 */
import { beforeAll, expect, it } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { until } from "../../../rig/until.ts";
import { bearer, browserApp, tokenFor } from "./browsers.ts";
import { newPrefix, populate, type TestApp, useRedis } from "./support.ts";

const test = useRedis();
const READS = 6;
let api: TestApp;
let old: string;
const token = tokenFor({ actions: ["changes"], users: ["bob"] });
interface Told {
  readonly changes: readonly { user: string }[];
  readonly next: string;
  readonly more: boolean;
}
const ask = (after?: string) =>
  api.request(`/v1/changes${after === undefined ? "" : `?after=${after}`}`, { headers: bearer(token) });

beforeAll(async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["bob", "carol"] });
  api = browserApp(test.redis, { prefix }, { requests: 2 }, { reuse: 0 });
  old = ((await (await ask()).json()) as Told).next;
  const { changes } = keysOf(prefix, 0, 1);
  const pipeline = test.redis.pipeline();
  for (let i = 0; i < READS * 1_000; i++)
    pipeline.xadd(changes, "*", i % 2 === 0 ? "leave" : "connect", '["carol"]');
  pipeline.xadd(changes, "*", "leave", '["bob"]');
  await pipeline.exec();
});

it("a poll reads on only as long as the subject has requests left, and the next ones go on from there", async () => {
  const first = await until("an answer", async () => {
    const response = await ask(old);
    return response.status === 200 ? ((await response.json()) as Told) : undefined;
  });
  expect(first).toMatchObject({ changes: [], more: true });
  let told = first;
  await until("bob is told", async () => {
    const response = await ask(told.next);
    if (response.status === 200) told = (await response.json()) as Told;
    return !told.more || undefined;
  });
  expect(told.changes).toMatchObject([{ user: "bob" }]);
}, 20_000);
