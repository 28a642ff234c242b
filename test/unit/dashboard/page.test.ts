/**
 * Goal: what the dashboard makes of answers: ids that cannot deceive, a line with gaps where nobody knew, a crash told apart from a
 * goodbye.
 * Method: the pure parts of the page.
 */
import { describe, expect, it } from "vitest";
import { CHANGE_CAUSES } from "../../../src/core/change.ts";
import { grantedBy, partsOf } from "../../../src/dashboard/grant.ts";
import { afterChanges, afterLook, crashOf, lostBetween, nameOf, type Process } from "../../../src/dashboard/incidents.ts"; // prettier-ignore
import { Ring } from "../../../src/dashboard/ring.ts";
import { seriesOf } from "../../../src/dashboard/series.ts";
import { signToken } from "../../../src/tokens/sign.ts";
import { CAUSES, span, visible } from "../../../src/dashboard/words.ts";

const NOW = Date.parse("2026-03-01T10:00:00Z");

describe("an id", () => {
  it.each([
    ["alice", "alice"],
    ["<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"],
    ["\u202egnp.exe", "⟨U+202E⟩gnp.exe"],
    ["a\u2066b\u2069", "a⟨U+2066⟩b⟨U+2069⟩"],
    ["bob\u200b", "bob⟨U+200B⟩"],
    ["tab\there\u0000", "tab␉here␀"],
    ["del\u007f", "del␡"],
    ["\ufeffbom", "⟨U+FEFF⟩bom"],
    ["🧑🏽\u200d🚀", "🧑🏽\u200d🚀"],
    ["zoë 李雷", "zoë 李雷"],
    ["\u3164", "⟨U+3164⟩"],
  ])("%j is shown as %j", (id, shown) => {
    expect(visible(id)).toBe(shown);
  });

  it("every cause has words, and lengths of time are short", () => {
    for (const cause of CHANGE_CAUSES) expect(CAUSES[cause], cause).toMatch(/\w/);
    expect([0, 59_400, 61_000, 660_000, 4_000_000, 200_000_000].map(span)).toEqual([
      "0 s", "59 s", "1 min 1 s", "11 min", "1 h 6 min", "2 d",
    ]); // prettier-ignore
  });
});

describe("the ring", () => {
  const users = (ring: Ring) => ring.samples.map(({ at, users: value }) => [at, value]);

  it("has a value a second, and null for as long as nobody knew", () => {
    const ring = new Ring();
    ring.tell(10_500, { users: 5, sockets: 6 });
    ring.tick(12_000);
    ring.tell(13_000, null);
    ring.tick(14_200);
    ring.tell(15_100, { users: 7, sockets: 8 });
    expect(users(ring)).toEqual([
      [10, 5],
      [11, 5],
      [12, 5],
      [13, null],
      [14, null],
      [15, 7],
    ]);
  });

  it("makes up for the seconds that a page in the background missed, and keeps ten minutes", () => {
    const ring = new Ring();
    ring.tell(1_000, { users: 1, sockets: 1 });
    ring.tell(60_000, { users: 2, sockets: 2 });
    expect(ring.samples.length).toBe(60);
    expect(ring.samples.at(-2)).toEqual({ at: 59, users: 1, sockets: 1 });
    ring.tick(100_000_000);
    expect(ring.samples.length).toBe(600);
    expect(ring.samples.at(-1)?.at).toBe(100_000);
  });

  it("is the tail of a longer range, after kept points and their gaps", () => {
    const ring = new Ring();
    ring.tell(NOW - 2_000, { users: 9, sockets: 10 });
    ring.tick(NOW);
    const measured = { last: 4, min: 3, max: 5 };
    const at = (minutes: number) => new Date(NOW - minutes * 60_000).toISOString();
    const points = [
      { at: at(3), users: measured, sockets: measured, distinct: null },
      { at: at(2), users: null, sockets: null, distinct: null },
      { at: at(0), users: measured, sockets: measured, distinct: null },
    ];
    const past = { range: "hour", points, step: 60_000 } as const;
    const [times, line, , most, least] = seriesOf("hour", past, ring.samples, NOW);
    expect(times.map((time) => time - NOW / 1000)).toEqual([-120, -60, -2, -1, 0]);
    expect(line).toEqual([4, null, 9, 9, 9]);
    expect([most, least]).toEqual([
      [5, null, 9, 9, 9],
      [3, null, 9, 9, 9],
    ]);
    // Before the page was opened, five minutes are the minutes of the hour, and only they.
    expect(seriesOf("live", past, ring.samples, NOW)[1]).toEqual([4, null, 9, 9, 9]);
    expect(seriesOf("live", { ...past, range: "day" }, ring.samples, NOW)[1]).toEqual([9, 9, 9]);
  });
});

describe("a server that is gone", () => {
  const process = (id: string, left: number | null, state: Process["state"] = "live"): Process => ({
    id,
    state,
    sockets: 3,
    connections: 3,
    leaseUntil: left === null ? null : new Date(NOW + left).toISOString(),
    startedAt: null,
    host: id,
    pid: 1,
    version: "1",
  });

  it("has crashed when its lease ran out, and has said goodbye when there was some left", () => {
    const before = [process("a", -100), process("b", 6_000), process("c", 8_000)];
    const found = afterLook([], before, [process("b", null, "ended"), process("c", 8_000)], NOW, 10_000);
    expect(found).toEqual([
      { kind: "crash", from: NOW - 10_100, at: NOW - 100, processes: ["a:1"], users: 0 },
      { kind: "closed", from: NOW, at: NOW, processes: ["b:1"], users: 0 },
    ]);
    expect(afterLook(found, [process("b", null, "ended")], [], NOW + 2_000, 10_000)).toEqual(found);
  });

  it("is one incident with the users who went by it, whichever is heard of first", () => {
    const change = (cause: "reap" | "leave", ms: number) =>
      ({ user: "u", type: "offline", cause, at: new Date(ms).toISOString(), id: "1-1" }) as const;
    const changes = [change("reap", NOW), change("leave", NOW), change("reap", NOW + 30)];
    const one = { kind: "crash", from: NOW - 10_100, at: NOW - 100, processes: ["a:1"], users: 2 };
    const first = afterChanges(afterLook([], [process("a", -100)], [], NOW, 10_000), changes);
    const second = afterLook(afterChanges([], changes), [process("a", -100)], [], NOW + 900, 10_000);
    expect(first).toEqual([one]);
    expect(second).toEqual([one]);
    expect(afterChanges(first, [change("reap", NOW + 60_000)])).toHaveLength(2);
    expect(afterChanges(first, [change("leave", NOW)])).toBe(first);
  });

  it("that crashed is known with its users, also among others; one that said goodbye is not", () => {
    const before = [process("a", -100), process("b", -200), process("c", 8_000), process("d", null, "ended")];
    const lost = lostBetween(before, [], NOW, 10_000);
    expect(lost.map(({ process: { id }, kind }) => [id, kind])).toEqual([
      ["a", "crash"],
      ["b", "crash"],
      ["c", "closed"],
    ]);
    const reaped = { user: "u", type: "offline", cause: "reap", at: new Date(NOW).toISOString(), id: "1-1" } as const; // prettier-ignore
    const incidents = afterChanges(afterLook([], before, [], NOW, 10_000), [reaped, reaped]);
    expect(crashOf(incidents, lost[0]!)).toMatchObject({ users: 2, processes: ["a:1", "b:1"] });
    expect(crashOf(incidents, lost[2]!)).toBeUndefined();
    expect(crashOf(incidents, { ...lost[0]!, at: NOW + 60_000 })).toBeUndefined();
  });

  it("has a name for people", () => {
    expect(nameOf(process("web", 1))).toBe("web:1");
    expect(nameOf({ id: "web-1-4711.9f3c01d2a4b6", host: null, pid: null })).toBe("web-1-4711");
  });
});

describe("a browser token", () => {
  const sign = (grants: Parameters<typeof signToken>[0]["grants"]) =>
    signToken({ secret: "s".repeat(32), issuer: "https://app.example", audience: "presence", subject: "zoë", grants }); // prettier-ignore

  it("is told what it opens, of whom and until when", async () => {
    const users = ["bob", "李雷", "carol", "dave", "erin", "frank"];
    const granted = grantedBy(await sign({ actions: ["users", "changes"], users }))!;
    expect(granted).toMatchObject({ subject: "zoë", users: 6, names: users.slice(0, 5) });
    expect(granted.until - Date.now()).toBeGreaterThan(60_000);
    expect(partsOf(granted)).toEqual({
      opens: ["who is online", "who came and went"],
      closed: ["one user's servers", "sessions", "servers", "rooms", "subscribers"],
    });
    expect(grantedBy(await sign({ actions: ["users"], users: "*" }))).toMatchObject({
      users: "*",
      names: [],
    });
  });

  it.each(["a-token-of-a-server", "a.b.c", `e30.${btoa("{}")}.x`, `e30.${btoa("null")}.x`, "..", ""])(
    "%j is none",
    (token) => {
      expect(grantedBy(token)).toBeNull();
    },
  );
});
