/**
 * What tests expect of answers in JSON. Each test names only the fields it is about, so a new field in an answer breaks none of
 * them. One test, test/unit/http/openapi.test.ts, checks that an answer has no fields besides those of its schema.
 */
import { expect } from "vitest";
import type { AsOf, Json, ProcessPresence, UserPresence } from "../src/reader/types.ts";

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string;
const CURSOR = expect.stringMatching(/^\d+-\d+(_\d+-\d+)*$/) as string;

/** Fields with these values, and any others. */
function having<T extends object>(fields: T): T {
  return expect.objectContaining<object>(fields) as T;
}

/** The `asOf` of an answer when the projection is up to date. */
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
