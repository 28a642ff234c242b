/** Goal: every option is checked alike, and a slip in a name is told with the name that was meant. */
import { describe, expect, it } from "vitest";
import { type PresenceError } from "../../../src/core/errors.ts";
import {
  boolean,
  loggerOr,
  nearest,
  oneOf,
  refuseUnknown,
  SILENT,
  whole,
  withoutValue,
} from "../../../src/core/options.ts";

function refusal(check: () => unknown): string {
  try {
    check();
  } catch (error) {
    expect(error).toMatchObject({ name: "PresenceError", code: "OPTIONS_INVALID" });
    return (error as PresenceError).message;
  }
  throw new Error("it was taken");
}

describe("whole", () => {
  it.each([0, 1, 10])("takes %j of 0 to 10", (value) => expect(whole("x", value, 0, 10)).toBe(value));
  it.each([-1, 11, 1.5, Number.NaN, Infinity, "5", null, undefined])("refuses %j", (value) => {
    expect(refusal(() => whole("x", value, 0, 10))).toBe(
      `x must be a whole number from 0 to 10, got ${String(value)}`,
    );
  });
});

it("oneOf and boolean name what they take", () => {
  expect(oneOf("read", "auto", ["script", "auto"])).toBe("auto");
  expect(refusal(() => oneOf("read", "cliant", ["script", "client", "auto"]))).toBe(
    'read must be "script", "client" or "auto", got "cliant"',
  );
  expect(refusal(() => boolean("project", 1))).toBe("project must be true or false, got 1");
});

describe("an unknown option", () => {
  const known = { prefix: true, heartbeat: true, ttl: true } as const;

  it.each([
    ["hearbeat", "heartbeat"],
    ["heartBeat", "heartbeat"],
    ["heartbeats", "heartbeat"],
    ["perfix", "prefix"],
    ["tll", "ttl"],
  ])("%s is told with what was meant, %s", (slip, meant) => {
    expect(refusal(() => refuseUnknown({ [slip]: 1 }, known, "createPresence"))).toBe(
      `unknown option ${slip} of createPresence: did you mean ${meant}?`,
    );
  });

  it("that resembles none is told with all there are", () => {
    expect(refusal(() => refuseUnknown({ url: 1 }, known, "createPresence"))).toBe(
      "unknown option url of createPresence: it takes prefix, heartbeat, ttl",
    );
  });

  it("inside another option is told with its path", () => {
    const check = () => refuseUnknown({ lif: 1 }, { life: true }, "createApp", "streams");
    expect(refusal(check)).toBe("unknown option streams.lif of createApp: did you mean streams.life?");
  });

  it.each(["toString", "__proto__", "constructor"])("may be called %s", (name) => {
    const options = JSON.parse(`{${JSON.stringify(name)}: 1}`) as object;
    expect(refusal(() => refuseUnknown(options, known, "createPresence"))).toContain(name);
  });

  it.each([undefined, null, "prefix", 7, []])("is not looked for in %j, which is no object", (options) => {
    expect(refusal(() => refuseUnknown(options, known, "createPresence"))).toContain("must be an object");
  });
});

it("nearest prefers the nearest, and nothing to something far away", () => {
  expect(nearest("streams", ["streaming", "stream"])).toBe("stream");
  expect(nearest("ttl", ["url", "redis"])).toBeUndefined();
});

it("a message is told without its value where that may be a secret", () => {
  expect(withoutValue(refusal(() => oneOf("counts", "s3cr3t, got it", ["open"])))).not.toContain("s3cr3t");
});

describe("a logger", () => {
  it("that throws stops nobody", () => {
    const logger = loggerOr(SILENT, {
      info() {},
      warn() {
        throw new Error("a bug of the application");
      },
      error() {},
    });
    expect(() => logger.warn("x")).not.toThrow();
  });

  it("keeps its `this`", () => {
    class Lines {
      readonly lines: string[] = [];
      info(line: string): void {
        this.lines.push(line);
      }
      warn(line: string): void {
        this.lines.push(line);
      }
      error(line: string): void {
        this.lines.push(line);
      }
    }
    const lines = new Lines();
    loggerOr(SILENT, lines).error("x");
    expect(lines.lines).toEqual(["x"]);
  });

  it("without one of its functions is refused by the name of it", () => {
    expect(refusal(() => loggerOr(SILENT, { info() {}, warn() {} } as never))).toMatch(/error is none/);
  });
});
