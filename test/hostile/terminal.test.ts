/**
 * Goal: nothing that a stranger has written, to Redis or as the answer of an API, reaches the terminal of somebody who looks, as anything but
 * text: no control character, no text turned around, no line that looks like one of ours.
 * Method: ids, versions, hosts and rooms with control characters in a real Redis, and an API that answers with them; every command that
 * shows them, on a terminal, in a pipe and as JSON.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stripVTControlCharacters } from "node:util";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { keysOf } from "../../src/core/keys.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { rollcall } from "../unit/cli/support.ts";
import { newPrefix, project, useRedis } from "../unit/http/support.ts";

/** Clears the screen, in two ways; renames the window; rings; turns text around; ends the line. */
const EVIL = "a\u001B[2J\u009B2J\u001B]0;owned\u0007\u202Eb\u061Cc\u2028d\r";
const HARMFUL = /(?![\t\n])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const STYLE = /^\[(?:\d+m|H|J|K)/;

const test = useRedis();
const prefix = newPrefix();
beforeAll(async () => {
  const { records } = keysOf(prefix, 0, 1);
  for (const process of ["web-1", "web-2"])
    await test.redis.call("XADD", records, "*", ...encodeRecord({
      process, seq: 1, ttl: 600_000, connect: [EVIL], sockets: 1, connections: 1,
      about: { host: EVIL.slice(0, 20), pid: 1, version: `${process}${EVIL}`.slice(0, 30), grace: 0 },
    })); // prettier-ignore
  await project(test.redis, { prefix });
});

function sound(text: string): void {
  // Of ours are styles, and the end of a line.
  expect(stripVTControlCharacters(text.replaceAll("\u001B[H\u001B[J", "").replaceAll("\r\u001B[K", ""))).not.toMatch(HARMFUL); // prettier-ignore
  for (const part of text.split("\u001B").slice(1)) expect(part).toMatch(STYLE);
}

it.each([
  ["status"],
  ["users"],
  ["user", EVIL],
  ["changes"],
  ["doctor"],
  ["check"],
  ["verify"],
  ["forget", EVIL, "--yes"],
])("rollcall %s", async (...args) => {
  const env = { REDIS_URL: test.server.url, ROLLCALL_PREFIX: prefix };
  for (const isTTY of [true, false])
    for (const json of [[], ["--json"]]) {
      if (args[0] === "check" && json.length > 0) continue;
      const { stdout, stderr, code } = await rollcall([...args, ...json], { env, isTTY });
      sound(stdout);
      sound(stderr);
      expect(code, stderr).toBeLessThan(2);
      if (json.length > 0) for (const line of stdout.split("\n").slice(0, -1)) JSON.parse(line);
    }
});

it("JSON is still the same text", async () => {
  const env = { REDIS_URL: test.server.url, ROLLCALL_PREFIX: prefix };
  const { stdout } = await rollcall(["changes", "--json"], { env });
  for (const line of stdout.trimEnd().split("\n")) expect(JSON.parse(line)).toMatchObject({ user: EVIL });
});

it("whatever an API answers", async () => {
  const asOf = { now: EVIL, projectedAt: EVIL, record: EVIL, lag: { records: EVIL, ms: EVIL }, stale: EVIL, cursor: EVIL };
  const everything = {
    users: EVIL, sockets: EVIL, connections: EVIL, asOf, processes: [{ id: EVIL, state: EVIL, sockets: EVIL, host: EVIL }],
    subscribers: [{ name: EVIL, behind: EVIL }], changes: [{ at: EVIL, user: EVIL, type: EVIL, cause: EVIL, id: EVIL }], gap: true,
    more: false, exact: false, since: EVIL, online: true, points: [], sessions: [{ start: EVIL, end: EVIL, cause: EVIL }], from: EVIL, to: EVIL,
  }; // prettier-ignore
  let status = 200;
  const server = createServer(({ url = "" }, response) => {
    const next = url.includes("/sessions") ? null : EVIL;
    const body = status === 200 ? { ...everything, next } : { type: "about:blank", title: EVIL, status, detail: `${EVIL}\nrollcall: all is well\u001B[2J`, code: "INTERNAL" }; // prettier-ignore
    response.writeHead(status, { "content-type": status === 200 ? "application/json" : "application/problem+json" }).end(JSON.stringify(body)); // prettier-ignore
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => void server.close());
  const env = { ROLLCALL_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  for (status of [200, 400, 403, 500, 503])
    for (const args of [["status"], ["users", "--at", "1h"], ["user", "x", "--from", "1h"], ["changes"], ["history"], ["webhooks"]])
      for (const isTTY of [true, false]) {
        const { stdout, stderr } = await rollcall(args, { env, isTTY });
        sound(stdout);
        sound(stderr);
        expect(stderr).not.toMatch(/^rollcall: all is well/m);
      }
}); // prettier-ignore
