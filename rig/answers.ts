/**
 * What tests expect of answers, as JSON has them: each names the fields that the test is about, and a field that is added
 * to an answer breaks none of them. That an answer has no field beside those of its schema is held in one place,
 * test/unit/http/openapi.test.ts.
 */
import { expect } from "vitest";
import type { AsOf, Json, ProcessPresence, UserPresence } from "../src/reader/types.ts";

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
const CURSOR = expect.stringMatching(/^\d+-\d+(_\d+-\d+)*$/) as string;

/** Fields with these values, and any others. */
function having<T extends object>(fields: T): T {
  return expect.objectContaining<object>(fields) as T;
}

/** The age of an answer of a projection that is up to date. */
export function asOf(fields: Partial<Json<AsOf>> = {}) {
  const lag = { records: 0, ms: 0 };
  return having({
    now: TIME,
    projectedAt: TIME,
    record: CURSOR,
    lag,
    stale: false,
    cursor: CURSOR,
    ...fields,
  });
}

/** A user with one socket. */
export function userOf(fields: Partial<UserPresence>) {
  return having({ online: true, sockets: 1, ...fields });
}

/** A user who is absent. */
export function absent(id: string) {
  return userOf({ id, online: false, sockets: 0 });
}

/** A process that test/unit/http/support.ts registered. */
export function processOf(fields: Partial<Json<ProcessPresence>>) {
  const about = { host: "host.example", pid: 42, version: "1.2.3" };
  return having({ state: "live", leaseUntil: TIME, startedAt: TIME, ...about, ...fields });
}
