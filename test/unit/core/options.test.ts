/** Goal: every option is checked in the same way, and a typo in a name is reported with the nearest known name. */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { type PresenceError } from "../../../src/core/errors.ts";
import {
  boolean,
  type Logger,
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

  it("that rejects, or whose functions go away, does not either", async () => {
    const broken: Record<string, unknown> = {
      info: () => Promise.reject(new Error("a bug of the application")),
      // oxlint-disable-next-line unicorn/no-thenable
      warn: () => ({ get then(): never { throw new Error("another"); } }),
      error() {},
    }; // prettier-ignore
    const logger = loggerOr(SILENT, broken as unknown as Logger);
    delete broken["error"];
    const rejections: unknown[] = [];
    const onRejection = (reason: unknown) => rejections.push(reason);
    process.on("unhandledRejection", onRejection);
    for (const level of ["info", "warn", "error"] as const) expect(() => logger[level]("x")).not.toThrow();
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    process.off("unhandledRejection", onRejection);
    expect(rejections).toEqual([]);
  });

  it("of pino gets the fields first", () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const given = pino({ level: "info", base: null, timestamp: false }, destination);
    const logger = loggerOr(SILENT, given);
    logger.warn("Redis is away", { code: "REDIS_UNAVAILABLE", port: 6379 });
    logger.info("text alone");
    // A child, as frameworks give one to each request.
    loggerOr(SILENT, given.child({ name: "rollcall" })).error("a child", { shard: 3 });
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { level: 40, code: "REDIS_UNAVAILABLE", port: 6379, msg: "Redis is away" },
      { level: 30, msg: "text alone" },
      { level: 50, name: "rollcall", shard: 3, msg: "a child" },
    ]);
  });

  it("such as a console gets the text first", () => {
    let text = "";
    const out = new Writable({
      write(chunk, _, done) {
        text += String(chunk);
        done();
      },
    });
    const logger = loggerOr(SILENT, new Console(out, out));
    logger.warn("Redis is away", { code: "REDIS_UNAVAILABLE" });
    logger.info("text alone");
    expect(text).toBe("Redis is away { code: 'REDIS_UNAVAILABLE' }\ntext alone\n");
  });

  it("can be false: then nothing is logged", () => {
    expect(loggerOr(console, false)).toBe(SILENT);
    for (const not of [null, true, "console", 1])
      expect(refusal(() => loggerOr(SILENT, not as unknown as Logger))).toMatch(
        /^logger must be false, or have/,
      );
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
