/**
 * Goal: patterns of scopes match what the protocol says, in a time that no pattern makes long; `tracks` says of each scope what the
 * recorder does with it, and never more.
 * Method: examples; random patterns beside a RegExp of the same meaning; and a pattern that makes backtracking explode.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SCOPE_BYTES_MAX, TRACKS_BYTES_MAX, TRACKS_MAX } from "../../../src/core/limits.ts";
import { scopeOf } from "../../../src/core/scope.ts";
import {
  escapePattern,
  isTold,
  isTracked,
  matchesPattern,
  tracksOf,
  type TrackedBy,
} from "../../../src/core/scope-patterns.ts";
import { utf8Length } from "../../../src/core/utf8.ts";

/** The same meaning, written as a RegExp. */
function regExpOf(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\([^])|([^])/g, (_, escaped?: string, plain?: string) => {
    if (plain === "*") return "[^]*";
    return (escaped ?? plain!).replace(/[$()*+.?[\\\]^{|}/-]/, String.raw`\$&`);
  });
  return new RegExp(`^${source}$`);
}

const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "\\", ",", "/"), maxLength: 10 });

describe("a pattern", () => {
  it("matches what a RegExp of the same meaning matches", () => {
    fc.assert(
      fc.property(text, text, (pattern, scope) => {
        expect(matchesPattern(pattern, scope)).toBe(regExpOf(pattern).test(scope));
      }),
      { numRuns: 20_000 },
    );
  });

  it("that is escaped text matches this text only", () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(matchesPattern(escapePattern(one), one)).toBe(true);
        expect(matchesPattern(escapePattern(one), other)).toBe(one === other);
      }),
    );
  });

  it("takes no long time, however many wildcards it has", () => {
    const scope = `${"a".repeat(SCOPE_BYTES_MAX - 1)}b`;
    const started = performance.now();
    for (let i = 0; i < 100; i++)
      expect(matchesPattern(`${"*a".repeat(SCOPE_BYTES_MAX / 2)}c*`, scope)).toBe(false);
    expect((performance.now() - started) / 100).toBeLessThan(5);
  });
});

const yes = (): boolean => true;

describe("tracks", () => {
  it.each<[string, Partial<TrackedBy> & Pick<TrackedBy, "rooms">, string[]]>([
    ["all rooms", { rooms: true }, ["/", "/,*"]],
    ["no rooms", { rooms: [] }, ["/"]],
    ["some rooms", { rooms: ["news", "game:*"] }, ["/", "/,news", "/,game:*"]],
    ["all changes", { rooms: true, changes: true }, ["*/", "*/,*"]],
    ["changes of some of all", { rooms: true, changes: ["news"] }, ["/", "/,*", "*/,news"]],
    ["changes of what is not tracked", { rooms: ["a"], changes: ["b"] }, ["/", "/,a"]],
    ["changes of a pattern's part", { rooms: ["a*"], changes: ["ab"] }, ["/", "/,a*", "*/,ab"]],
    ["changes of more than is tracked", { rooms: ["ab"], changes: ["a*"] }, ["/", "*/,ab"]],
    ["two patterns that overlap", { rooms: ["a*"], changes: ["*b"] }, ["/", "/,a*", "?"]],
    ["a function", { rooms: [yes, "news"] }, ["/", "/,news", "?"]],
    ["a RegExp of changes", { rooms: true, changes: [/n/] }, ["/", "/,*", "?"]],
    ["a RegExp of namespaces", { namespaces: ["/a", /b/], rooms: true }, ["/a", "/a,*", "?"]],
    ["a namespace with a wildcard in its name", { namespaces: ["/*\\"], rooms: [] }, ["/\\*\\\\"]],
    ["a namespace with a comma", { namespaces: ["/a,b"], rooms: true }, []],
  ])("%s", (_, by, tracks) => {
    expect(tracksOf({ namespaces: ["/"], changes: [], ...by })).toEqual(tracks);
  });

  it("is only ? beyond its bounds", () => {
    const names = (count: number, length = 1) =>
      Array.from({ length: count }, (__, i) => `${i}`.padEnd(length, "é"));
    const of = (rooms: string[]) => tracksOf({ namespaces: ["/"], rooms, changes: [] });
    expect(of(names(TRACKS_MAX - 1)).length).toBe(TRACKS_MAX);
    expect(of(names(TRACKS_MAX))).toEqual(["?"]);
    expect(of(names(100_000))).toEqual(["?"]);
    expect(of(names(40, 200))).toEqual(["?"]);
    const just = of(names(40, 100));
    expect(just.length).toBe(41);
    expect(utf8Length(JSON.stringify(just))).toBeLessThanOrEqual(TRACKS_BYTES_MAX);
  });

  it("says whether a scope is tracked, and whether its changes are told", () => {
    const tracks = ["/", "/,*", "*/,news"];
    expect(["/", "/,a", "/,news", "/a", "/a,news"].map((scope) => isTracked(tracks, scope))).toEqual([
      "yes",
      "yes",
      "yes",
      "no",
      "no",
    ]);
    expect(["/", "/,a", "/,news", "/a,news"].map((scope) => isTold(tracks, scope))).toEqual([
      "no",
      "no",
      "yes",
      "no",
    ]);
    expect([isTracked(["*/chat"], "/chat"), isTracked(["*/chat"], "/a/chat")]).toEqual(["yes", "no"]);
    expect([isTracked(["/", "?"], "/"), isTracked(["/", "?"], "/a")]).toEqual(["yes", "unknown"]);
    expect([isTold(["/", "?"], "/"), isTold([], "/"), isTracked([], "/")]).toEqual(["unknown", "no", "no"]);
    // The pattern says nothing about itself as a scope, nor about what is too long for one.
    expect(isTracked(["?"], "?")).toBe("unknown");
    expect(isTracked(["/,*"], `/,${"a".repeat(SCOPE_BYTES_MAX)}`)).toBe("no");
  });

  it("never says no of what is tracked, nor yes of what is not", () => {
    const some = fc.oneof(fc.constant(true as const), fc.array(text, { maxLength: 3 }));
    fc.assert(
      fc.property(some, some, text, (rooms, changes, room) => {
        const tracks = tracksOf({ namespaces: ["/n"], rooms, changes });
        const is = (matchers: true | string[]) =>
          matchers === true || matchers.some((matcher) => matchesPattern(matcher, room));
        const scope = scopeOf("/n", room);
        const right = (answer: string, truth: boolean) =>
          answer === (truth ? "yes" : "no") || (answer === "unknown" && tracks.includes("?"));
        // A scope that is tracked for sure is never unknown.
        expect(isTracked(tracks, scope)).toBe(is(rooms) ? "yes" : tracks.includes("?") ? "unknown" : "no");
        expect(right(isTold(tracks, scope), is(rooms) && is(changes))).toBe(true);
      }),
      { numRuns: 5_000 },
    );
  });
});
