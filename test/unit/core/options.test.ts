/** Goal: every option is checked in the same way, and a typo in a name is reported with the nearest known name. */
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

it("oneOf and boolean name the accepted values", () => {
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
  ])("%s is reported with the nearest name, %s", (slip, meant) => {
    expect(refusal(() => refuseUnknown({ [slip]: 1 }, known, "createPresence"))).toBe(
      `unknown option ${slip} of createPresence: did you mean ${meant}?`,
    );
  });

  it("unlike any other is reported with all known names", () => {
    expect(refusal(() => refuseUnknown({ url: 1 }, known, "createPresence"))).toBe(
      "unknown option url of createPresence: it takes prefix, heartbeat, ttl",
    );
  });

  it("inside another option is reported with its path", () => {
    const check = () => refuseUnknown({ lif: 1 }, { life: true }, "createApp", "streams");
    expect(refusal(check)).toBe("unknown option streams.lif of createApp: did you mean streams.life?");
  });

  it.each(["toString", "__proto__", "constructor"])("named %s is refused too", (name) => {
    const options = JSON.parse(`{${JSON.stringify(name)}: 1}`) as object;
    expect(refusal(() => refuseUnknown(options, known, "createPresence"))).toContain(name);
  });

  it.each([undefined, null, "prefix", 7, []])("%j in place of options is refused", (options) => {
    expect(refusal(() => refuseUnknown(options, known, "createPresence"))).toContain("must be an object");
  });
});

it("nearest finds the nearest name, and none when all are far away", () => {
  expect(nearest("streams", ["streaming", "stream"])).toBe("stream");
  expect(nearest("ttl", ["url", "redis"])).toBeUndefined();
});

it("withoutValue removes the value from a message", () => {
  expect(withoutValue(refusal(() => oneOf("counts", "s3cr3t, got it", ["open"])))).not.toContain("s3cr3t");
});

describe("a logger", () => {
  it("that throws does not stop the caller", () => {
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

  it("without one of its functions is refused, naming the function", () => {
    expect(refusal(() => loggerOr(SILENT, { info() {}, warn() {} } as never))).toMatch(
      /error is not a function/,
    );
  });
});
