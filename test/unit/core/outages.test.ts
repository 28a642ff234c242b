/**
 * Goal: one outage is one state, whoever sees it, with the first reason that says why; two causes are two.
 * Method: the pure states, with times and failures as arguments.
 */
import { describe, expect, it } from "vitest";
import { type ErrorDetails, PresenceError, type PresenceErrorCode } from "../../../src/core/errors.ts";
import {
  Outages,
  OUTAGES_MAX,
  PATIENCE_MS,
  QUIET_MS,
  type Reporter,
  type Told,
} from "../../../src/core/outages.ts";

const reporter = (name: string): Reporter => ({ name, cannot: `cannot ${name}`, again: `${name} again` });
const [append, project, read] = [reporter("append"), reporter("project"), reporter("read")] as const;

function error(code: PresenceErrorCode, message: string, details?: ErrorDetails): PresenceError {
  return new PresenceError(code, message, { details });
}
const away = (reason: string) => error("REDIS_UNAVAILABLE", reason, { reason });
const forbidden = (command: string) => error("PERMISSION", command);

/** `+ECONNREFUSED append`, `-ECONNREFUSED 200 ms, 3`. */
function said(told: readonly Told[]): string[] {
  return told.map((one) => {
    const { failure, reporter: by, attempts } = one.outage;
    return one.is === "begun"
      ? `+${failure.message} ${by.name}`
      : `-${failure.message} ${one.ms} ms, ${attempts}`;
  });
}

describe("one outage", () => {
  it("seen by three is told once, and is over when all three work and none has failed for a while", () => {
    const outages = new Outages();
    expect(said(outages.failed(append, away("ECONNREFUSED"), 0))).toEqual(["+ECONNREFUSED append"]);
    expect(outages.failed(project, away("LOST"), 1)).toEqual([]);
    expect(outages.failed(read, away("READONLY"), 2)).toEqual([]);
    expect(outages.failed(read, away("ETIMEDOUT"), 3)).toEqual([]);
    outages.worked(append, 100);
    outages.worked(project, 100);
    expect(outages.next).toBe(undefined);
    outages.worked(read, 200);
    expect(outages.next).toBe(200 + QUIET_MS);
    expect(outages.tick(199 + QUIET_MS)).toEqual([]);
    expect(said(outages.tick(200 + QUIET_MS))).toEqual(["-ECONNREFUSED 200 ms, 4"]);
    expect(outages.isEmpty).toBe(true);
  });

  it("that comes and goes is one", () => {
    const outages = new Outages();
    outages.failed(append, away("ECONNREFUSED"), 0);
    outages.worked(append, 500);
    expect(outages.failed(append, away("ECONNREFUSED"), 500 + QUIET_MS)).toEqual([]);
    expect(outages.tick(600 + QUIET_MS)).toEqual([]);
    outages.worked(append, 3_000);
    expect(said(outages.tick(9_000))).toEqual(["-ECONNREFUSED 3000 ms, 2"]);
  });

  it("begins with a lost connection, and is told with the reason that follows, and with who saw it", () => {
    const outages = new Outages();
    expect(outages.failed(read, away("LOST"), 0)).toEqual([]);
    expect(outages.next).toBe(PATIENCE_MS);
    expect(said(outages.failed(append, away("ECONNREFUSED"), 20))).toEqual(["+ECONNREFUSED append"]);
    expect(outages.next).toBe(undefined);
  });

  it("of which no more is known than that the connection was lost is told after a while", () => {
    const outages = new Outages();
    outages.failed(read, away("LOST"), 0);
    expect(outages.tick(PATIENCE_MS - 1)).toEqual([]);
    expect(said(outages.tick(PATIENCE_MS))).toEqual(["+LOST read"]);
    expect(outages.tick(2 * PATIENCE_MS)).toEqual([]);
  });

  it("that is over before it is told is told all the same, first that it began", () => {
    const outages = new Outages();
    outages.failed(read, away("LOST"), 0);
    outages.worked(read, 10);
    expect(said(outages.tick(10 + QUIET_MS))).toEqual(["+LOST read", "-LOST 10 ms, 1"]);
  });
});

describe("two failures at once", () => {
  it("are two states: two commands that are forbidden", () => {
    const outages = new Outages();
    expect(said(outages.failed(append, forbidden("XADD"), 0))).toEqual(["+XADD append"]);
    expect(said(outages.failed(read, forbidden("XREAD"), 0))).toEqual(["+XREAD read"]);
    expect(outages.failures.map(({ message }) => message)).toEqual(["XADD", "XREAD"]);
    outages.worked(append, 10);
    expect(outages.failures.map(({ message }) => message)).toEqual(["XREAD"]);
    outages.worked(read, 20);
    expect(said(outages.tick(9_000))).toEqual(["-XADD 10 ms, 1", "-XREAD 20 ms, 1"]);
  });

  it("a full memory and an outage are two, and the outage ends what it hides nothing of", () => {
    const outages = new Outages();
    expect(said(outages.failed(append, away("OOM"), 0))).toEqual(["+OOM append"]);
    expect(said(outages.failed(append, away("ECONNREFUSED"), 10))).toEqual(["+ECONNREFUSED append"]);
    // Redis is back and still full.
    expect(outages.failed(append, away("OOM"), 3_000)).toEqual([]);
    expect(said(outages.tick(3_000 + QUIET_MS))).toEqual(["-ECONNREFUSED 2990 ms, 1"]);
    outages.worked(append, 5_000);
    expect(said(outages.tick(9_000))).toEqual(["-OOM 5000 ms, 2"]);
  });

  it("one that takes the place of another ends it without a word", () => {
    const outages = new Outages();
    outages.failed(append, forbidden("XADD"), 0);
    expect(said(outages.failed(append, forbidden("XTRIM"), 10))).toEqual(["+XTRIM append"]);
    outages.worked(append, 20);
    expect(said(outages.tick(9_000))).toEqual(["-XTRIM 10 ms, 1"]);
  });

  it("a bug says nothing about Redis", () => {
    const outages = new Outages();
    outages.failed(append, away("ECONNREFUSED"), 0);
    outages.failed(append, error("INTERNAL", "bug"), 1);
    expect(outages.failures.map(({ code }) => code)).toEqual(["REDIS_UNAVAILABLE", "INTERNAL"]);
  });

  it("more than are kept are one a code", () => {
    const outages = new Outages();
    const told = Array.from({ length: 1_000 }, (_, i) =>
      outages.failed(reporter(`r${i}`), forbidden(`C${i}`), 0),
    );
    expect(told.flat().length).toBe(OUTAGES_MAX + 1);
  });
});

it("one who reports no more ends a state without a word", () => {
  const outages = new Outages();
  outages.failed(read, forbidden("XREAD"), 0);
  outages.gone(read, 10);
  expect(outages.tick(10 + QUIET_MS)).toEqual([]);
  expect(outages.isEmpty).toBe(true);
});

it("what only occurs is over when it has not occurred again for as long as was said", () => {
  const outages = new Outages();
  const failure = error("LISTENER_FAILED", "bad");
  expect(said(outages.occurred("k", read, failure, 0, 100))).toEqual(["+bad read"]);
  for (let at = 1; at <= 90; at++) expect(outages.occurred("k", read, failure, at, 100)).toEqual([]);
  expect(outages.tick(189)).toEqual([]);
  expect(said(outages.tick(190))).toEqual(["-bad 90 ms, 91"]);
  expect(said(outages.occurred("k", read, failure, 200, 100))).toEqual(["+bad read"]);
});
