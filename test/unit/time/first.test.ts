/** Goal: several signals are one, also after a garbage collection, and leave nothing on those they came from. */
import { getEventListeners } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { firstOf } from "../../../src/time/first.ts";
import { until } from "../../../rig/until.ts";

it("fires with the reason of the first, and lets go of all of them", () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const { signal } = firstOf(a.signal, undefined, b.signal);
  expect(signal.aborted).toBe(false);
  b.abort("b");
  a.abort("a");
  expect(signal.reason).toBe("b");
  for (const { signal: source } of [a, b]) expect(getEventListeners(source, "abort")).toHaveLength(0);
});

it("has fired when one of them had; released, it does not fire and nothing is left on them", () => {
  expect(firstOf(new AbortController().signal, AbortSignal.abort("before")).signal.reason).toBe("before");
  const a = new AbortController();
  const first = firstOf(a.signal);
  first.release();
  a.abort();
  expect(first.signal.aborted).toBe(false);
  expect(getEventListeners(a.signal, "abort")).toHaveLength(0);
});

it("a time-out that nothing else holds fires after a garbage collection", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { signal } = firstOf(AbortSignal.timeout(50), new AbortController().signal);
  collect();
  await until("it fires", () => signal.aborted, { timeout: 10_000 });
});
