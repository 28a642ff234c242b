/** Goal: bodies, ids, secrets and what an answer means are as docs/webhooks.md and Standard Webhooks 1.0 say. */
import { describe, expect, it } from "vitest";
import type { Delivery } from "../../../src/core/delivery.ts";
import { WEBHOOK_BODY_BYTES, WEBHOOK_RETRIES_MS } from "../../../src/core/limits.ts";
import { retryAfter } from "../../../src/core/retries.ts";
import { utf8Length } from "../../../src/core/utf8.ts";
import {
  batchesOf,
  checkSecrets,
  messageOf,
  verdictOf,
  type WebhookBatch,
  type WebhookEvent,
} from "../../../src/core/webhook.ts";

const at = new Date("2026-11-27T12:00:00.123Z");
const online = (user: string, i = 0): Delivery => ({
  id: `0.1764-0.${i}`,
  type: "online",
  user,
  cause: "connect",
  at,
});

describe("a body", () => {
  it("of one event has type, time and data, and an id without dots", () => {
    const { id, body } = messageOf({ id: "3.1764-2.0", type: "offline", user: "a.b", cause: "reap", at });
    expect(id).toBe("3_1764-2_0");
    expect(JSON.parse(body)).toEqual({
      id,
      type: "user.offline",
      timestamp: "2026-11-27T12:00:00.123Z",
      data: { user: "a.b", cause: "reap" },
    });
  });

  it("of a gap has its reason", () => {
    const { id, body } = messageOf({ id: "0.r9-0.0", type: "gap", reason: "trimmed", at });
    expect(JSON.parse(body)).toMatchObject({
      id: "0_r9-0_0",
      type: "presence.gap",
      data: { reason: "trimmed" },
    });
    expect(id).not.toContain(".");
  });

  it("of a batch has the events in order", () => {
    const [message, ...more] = batchesOf([online("a"), online("b", 1)]);
    expect(more).toEqual([]);
    const batch = JSON.parse(message!.body) as WebhookBatch;
    expect(batch).toMatchObject({ id: "0_1764-0_0_2", type: "presence.batch", timestamp: at.toISOString() });
    expect(batch.data.events.map((event) => event.id)).toEqual(["0_1764-0_0", "0_1764-0_1"]);
    expect(message!.id).toBe(batch.id);
  });
});

describe("a batch", () => {
  it("that has grown since the last attempt has another id, and one that has not has the same", () => {
    const two = batchesOf([online("a"), online("b", 1)])[0]!;
    const three = batchesOf([online("a"), online("b", 1), online("c", 2)])[0]!;
    expect(three.id).not.toBe(two.id);
    expect(batchesOf([online("a"), online("b", 1)])[0]).toEqual(two);
  });

  it.each([
    ["short ids", (i: number) => `user-${i}`],
    ["the longest ids, whose JSON is six times as long", (i: number) => `\u0001`.repeat(250) + String(i)],
    ["the longest ids of three bytes a character", (i: number) => "\u4e16".repeat(84) + String(i)],
  ])("is split where its body would have too many bytes: %s", (_, user) => {
    const all = Array.from({ length: 100 }, (__, i) => online(user(i), i));
    const messages = batchesOf(all);
    expect(messages.length).toBeGreaterThan(user(0).length > 50 ? 1 : 0);
    for (const { body } of messages) expect(utf8Length(body)).toBeLessThanOrEqual(WEBHOOK_BODY_BYTES);
    const events = messages.flatMap(({ body }) => (JSON.parse(body) as WebhookBatch).data.events);
    expect(events).toEqual(all.map((one) => JSON.parse(messageOf(one).body) as WebhookEvent));
    // None could have held one more.
    for (const { body } of messages.slice(0, -1))
      expect(utf8Length(body) + 1_800).toBeGreaterThan(WEBHOOK_BODY_BYTES);
  });
});

describe("secrets", () => {
  const of = (bytes: number, fill = 7) => `whsec_${Buffer.alloc(bytes, fill).toString("base64")}`;

  it.each([24, 25, 26, 32, 64])("may have %i bytes", (bytes) => {
    expect(checkSecrets([of(bytes)])).toEqual([of(bytes).slice(6)]);
  });

  it.each([
    ["too short", of(23)],
    ["too long", of(65)],
    ["without whsec_", of(32).slice(6)],
    ["in base64url", `whsec_${Buffer.alloc(32, 0xfb).toString("base64url")}`],
    ["without the padding", of(32).replace("=", "")],
    ["of another kind", of(32).replace("whsec_", "whsk_")],
    ["with white space", `${of(32)} `],
    ["empty", ""],
    ["no text", 7],
  ])("cannot be %s, and are not shown", (_, secret) => {
    const failure = (() => {
      try {
        checkSecrets([of(32), secret]);
      } catch (error) {
        return String(error);
      }
      return "";
    })();
    expect(failure).toContain("secrets[1] must be");
    if (typeof secret === "string" && secret !== "") expect(failure).not.toContain(secret.slice(6, 20));
  });

  it("are one to three, each another", () => {
    expect(checkSecrets([of(32, 1), of(32, 2), of(32, 3)])).toHaveLength(3);
    for (const list of [[], [1, 2, 3, 4].map((fill) => of(32, fill)), "whsec_", undefined])
      expect(() => checkSecrets(list)).toThrow(/secrets must be a list of 1 to 3/);
    expect(() => checkSecrets([of(32), of(32)])).toThrow(/twice/);
  });
});

describe("an answer with status", () => {
  const now = Date.parse("2026-11-27T12:00:00Z");

  it.each([200, 201, 202, 204, 299])("%i is success", (status) => {
    expect(verdictOf(status, "60", now)).toEqual({ outcome: "done", retryAfter: 0 });
  });

  it.each([0, 101, 199, 300, 301, 302, 304, 307, 308, 400, 401, 404, 408, 413, 500, 501, 599])(
    "%i is a failure, and is repeated when it is due",
    (status) => {
      expect(verdictOf(status, "60", now)).toEqual({ outcome: "failed", retryAfter: 0 });
    },
  );

  it("410 is the end", () => {
    expect(verdictOf(410, null, now).outcome).toBe("gone");
  });

  it.each([429, 502, 503, 504])("%i says when to come again", (status) => {
    for (const [header, ms] of [
      ["60", 60_000],
      [" 0 ", 0],
      ["86400", 86_400_000],
      ["9999999999", 86_400_000],
      ["Fri, 27 Nov 2026 12:01:30 GMT", 90_000],
      ["Friday, 27-Nov-26 12:01:30 GMT", 90_000],
      ["Fri, 27 Nov 2026 11:00:00 GMT", 0],
      ["Fri, 27 Nov 2099 11:00:00 GMT", 86_400_000],
      ["-1", 0],
      ["1.5", 0],
      ["soon", 0],
      ["Soon", 0],
      ["", 0],
      [null, 0],
    ] as const)
      expect([header, verdictOf(status, header, now).retryAfter]).toEqual([header, ms]);
  });
});

it("the waits are those of the specification: ten attempts in 75 hours and 35 minutes", () => {
  const waits = Array.from({ length: 10 }, (_, i) => retryAfter(WEBHOOK_RETRIES_MS, i + 1, 0));
  expect(waits.at(-1)).toBeNull();
  expect(waits.slice(0, -1).reduce<number>((all, ms) => all + ms!, 0)).toBe(
    ((75 * 60 + 35) * 60 + 5) * 1_000,
  );
});
