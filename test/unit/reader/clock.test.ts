/**
 * Goal: a machine with a wrong clock gives the same answers as any other: a reader uses Redis's clock.
 * Method: real projections; readers whose clocks are half a minute fast or slow, and one whose clock is right, on every client.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Client, clients } from "../../../rig/clients.ts";
import { keysOf } from "../../../src/core/keys.ts";
import { type Reader, readerOver } from "../../../src/reader/reader.ts";
import { newPrefix, populate } from "../http/support.ts";

const SKEW_MS = 30_000;

describe.each(Object.keys(clients))("%s", (name) => {
  let client: Client;
  let prefix: string;
  beforeAll(async () => {
    client = await clients[name]!();
  });
  afterAll(() => client.close());
  beforeEach(() => {
    prefix = newPrefix();
  });
  const readerOff = (ms: number): Reader =>
    readerOver(client.read, { prefix, staleAfter: 1_000 }, { now: () => Date.now() + ms });

  it.each([-SKEW_MS, SKEW_MS])("a clock that is %i ms off changes no answer", async (skew) => {
    await populate(client.redis, { prefix, users: ["alice"], ttl: 20_000 });
    const [off, right] = [readerOff(skew), readerOff(0)];
    const began = Date.now();
    const answers = await Promise.all([off.user("alice"), right.user("alice")]);
    const ended = Date.now();
    for (const { online, asOf } of answers) {
      expect(online).toBe(true);
      expect(asOf).toMatchObject({ stale: false, lag: { ms: 0 } });
      // Half a round trip is what the clock may be wrong by.
      expect(asOf.now.getTime()).toBeGreaterThanOrEqual(began - 1_000);
      expect(asOf.now.getTime()).toBeLessThanOrEqual(ended + 1_000);
    }
    const { oldestLease } = await off.totals();
    expect(oldestLease!.left).toBeGreaterThan(0);
    expect(oldestLease!.left).toBeLessThanOrEqual(20_000 + 1_000);
  });

  it("until a projector has run, a reader uses its own clock, and reads Redis's again", async () => {
    const off = readerOff(SKEW_MS);
    expect((await off.counts()).asOf.now.getTime()).toBeGreaterThan(Date.now() + SKEW_MS / 2);
    await populate(client.redis, { prefix, users: ["alice"] });
    await expect
      .poll(async () => (await off.counts()).asOf.now.getTime() - Date.now(), { timeout: 10_000 })
      .toBeLessThan(SKEW_MS / 2);
  });

  it("an invalid clock is an error that says so", async () => {
    await populate(client.redis, { prefix, users: ["alice"] });
    await client.redis.set(keysOf(prefix, 0, 1).clock, "noon", "EX", 60);
    await expect(readerOff(0).counts()).rejects.toMatchObject({ code: "REPLY_INVALID" });
  });
});
