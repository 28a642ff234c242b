/**
 * Goal: the command line says what it takes, refuses what it does not, and prints nothing that a stranger could use: no secrets, no
 * control characters. Without a Redis.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { Flag } from "../../../src/cli/command.ts";
import { UsageError } from "../../../src/cli/command.ts";
import { valueOf } from "../../../src/cli/given.ts";
import { escaped, hasColors } from "../../../src/cli/print.ts";
import { TABLE } from "../../../src/cli/table.ts";
import { readTime, span } from "../../../src/cli/time.ts";
import { VERSION } from "../../../src/core/version.ts";
import { VARIABLES } from "../../../src/edge/variables.ts";
import { rollcall } from "./support.ts";

const NOWHERE = { REDIS_URL: "redis://127.0.0.1:1" };

describe("the command line", () => {
  it("--version and --help print to stdout and end with 0", async () => {
    expect(await rollcall(["--version"])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
    for (const args of [["--help"], ["help"], []]) {
      const { code, stdout, stderr } = await rollcall(args);
      expect([code, stderr]).toEqual([0, ""]);
      for (const { name } of TABLE) expect(stdout).toContain(`\n  ${name} `);
    }
  });

  it("help of a command is the same by either way, with two examples, exit codes and variables", async () => {
    for (const { name, flags } of TABLE) {
      const { code, stdout, stderr } = await rollcall([name, "--help"]);
      expect([code, stderr], name).toEqual([0, ""]);
      expect((await rollcall(["help", name])).stdout).toBe(stdout);
      expect(stdout.match(/^  (?:source <\()?rollcall /gm), name).toHaveLength(2);
      expect(stdout).toContain("Exit codes:");
      for (const { env } of flags) if (env !== null) expect(stdout).toContain(`[${env}]`);
      for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThan(140);
    }
  });

  it.each([
    [["statu"], "rollcall: unknown command 'statu' (did you mean status?)"],
    [["status", "--jsn"], "rollcall status: unknown option '--jsn' (did you mean --json?)"],
    [["status", "extra"], "too many arguments"],
    [["user"], "rollcall user: missing required argument 'id'"],
    [["status", "--shards", "0"], "rollcall status: --shards must be a whole number from 1 to 1024"],
    [["status", "--timeout", "soon"], "rollcall status: --timeout must be a whole number"],
    [["acl", "--role", "nobody"], "rollcall acl: --role must be one of recorder"],
    [["completion", "tcsh"], "rollcall completion: <shell> must be one of bash, zsh, fish"],
    [["users", "--at", "yesterday"], "rollcall users: --at must be a time"],
    [["status", "--redis", "http://x"], "rollcall status: --redis: redis must begin with redis://"],
    [["status"], "rollcall status: no Redis: pass --redis"],
    [["status", "--url", "nonsense"], "--url must be an http://"],
    [["changes", "--after", "1-0", "--from", "1h", "--redis", "redis://127.0.0.1:1"], "contradict"],
    [["webhooks", "--drop", "0.1-0"], "--retry and --drop need the name"],
    [["conformance"], "the command of the recorder is missing"],
  ])("%j is wrong use, and said so", async (args, said) => {
    const { code, stdout, stderr } = await rollcall(args);
    expect(stderr).toContain(said);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).not.toContain("    at ");
  });

  it("a secret in the wrong place is not repeated", async () => {
    for (const args of [
      ["status", "--tokn=s3cret"],
      ["status", "--redis", "s3cret"],
      ["status", "--timeout", "s3cret"],
      ["redis://:s3cret@127.0.0.1"],
      ["status", "redis://:s3cret@127.0.0.1"],
      ["status", "-redis=redis://:s3cret@127.0.0.1"],
      ["status", "--redis redis://:s3cret@127.0.0.1"],
      ["status", "--redi=redis://:a's3cret@127.0.0.1"],
      ["status", "--redis:redis://:s3cret@127.0.0.1"],
      ["status", "--redis", "redis://:s3cret@127.0.0.1:port"],
      ["doctor", "--redis", "redis://:s3cret@127.0.0.1:port"],
      ["status", "--url", "http://u:s3cret@127.0.0.1:1"],
      ["status", "--url", "http://127.0.0.1:1", "--token", "s3cret\nof two lines"],
      ["check", "redis://:s3cret@127.0.0.1"],
      ["check", "-redis=redis://:s3cret@127.0.0.1"],
    ]) {
      const { code, stdout, stderr } = await rollcall(args);
      expect(stdout + stderr, args.join(" ")).not.toMatch(/s3cret|    at /);
      expect(code, args.join(" ")).toBe(args[0] === "check" ? 3 : 2);
    }
  });

  it("nor is one of the environment", async () => {
    for (const env of [
      { REDIS_URL: "redis://:s3cret@127.0.0.1:port" },
      { UPSTASH_REDIS_REST_URL: "http://u:s3cret@127.0.0.1:1", UPSTASH_REDIS_REST_READONLY_TOKEN: "t", UPSTASH_REDIS_REST_TOKEN: "t" },
      { UPSTASH_REDIS_REST_URL: "http://127.0.0.1:1", UPSTASH_REDIS_REST_READONLY_TOKEN: "s3cret\nx", UPSTASH_REDIS_REST_TOKEN: "s3cret\nx" },
    ])
      for (const command of ["status", "doctor", "check", "sweep"]) {
        const { stdout, stderr } = await rollcall([command, "--timeout", "500"].slice(0, command === "sweep" ? 1 : 3), { env });
        expect(stdout + stderr, command).not.toMatch(/s3cret|    at /);
      }
  }); // prettier-ignore

  it("control characters of an argument do not reach the terminal", async () => {
    const { stderr } = await rollcall(["status", "--\u001B[31mred"]);
    expect(stderr).toContain("\\u{1b}[31mred");
    expect(stderr).not.toContain("\u001B");
  });

  it.each([
    ["verify", "--repair"],
    ["evict", "web-1"],
    ["forget", "alice"],
    ["webhooks", "crm", "--drop", "0.1-0"],
  ])("%s %s needs --yes without a terminal", async (...args) => {
    const { code, stderr } = await rollcall(args, { env: NOWHERE });
    expect(stderr).toMatch(/there is no terminal to ask on: pass --yes to (correct|delete|end|remove) /);
    expect(code).toBe(2);
  });

  it("on a terminal it asks, and anything but yes does nothing", async () => {
    for (const input of ["n\n", "\n", ""]) {
      const { code, stderr } = await rollcall(["evict", "web\u001B1"], { env: NOWHERE, isTTY: true, input });
      expect(stderr).toContain("End the process web\\u{1b}1 at 127.0.0.1:1? [y/N]");
      expect(stderr).toContain("nothing was changed");
      expect(code).toBe(130);
    }
    const yes = await rollcall(["evict", "web-1"], { env: NOWHERE, isTTY: true, input: "y\n" });
    expect(yes.stderr).toContain("cannot connect to Redis at 127.0.0.1:1: ECONNREFUSED");
    expect(yes.code).toBe(3);
  });
});

describe("the environment", () => {
  it("sets what a flag sets, and the flag wins", async () => {
    const env = { ...NOWHERE, ROLLCALL_TIMEOUT: "none" };
    expect((await rollcall(["status"], { env })).stderr).toContain("ROLLCALL_TIMEOUT must be a whole number");
    const other = await rollcall(["status", "--redis", "redis://127.0.0.1:2"], { env: NOWHERE });
    expect(other.stderr).toContain("127.0.0.1:2");
    const listed = await rollcall(["conformance"], {
      env: { ROLLCALL_CONFORMANCE_LIST: "1", ROLLCALL_JSON: "true" },
    });
    expect(listed.code).toBe(0);
    expect(JSON.parse(listed.stdout.split("\n")[0]!)).toHaveProperty("name");
    const acl = await rollcall(["acl"], { env: { ROLLCALL_ACL_ROLE: "reader, worker" } });
    expect(acl.stdout.match(/^# \w+/gm)).toEqual(["# reader", "# worker"]);
  });

  it("a variable that is a typo is refused, one of another command is not", async () => {
    const typo = await rollcall(["status"], { env: { ...NOWHERE, ROLLCALL_PREFX: "chat" } });
    expect(typo).toMatchObject({ code: 2, stderr: expect.stringContaining("did you mean ROLLCALL_PREFIX?") });
    expect((await rollcall(["status"], { env: { ...NOWHERE, ROLLCALL_YES: "1" } })).code).toBe(3);
    const token = await rollcall(["serve"], { env: { ...NOWHERE, ROLLCALL_TOKEN: "x".repeat(20) } });
    expect(token).toMatchObject({ code: 2, stderr: expect.stringContaining("ROLLCALL_TOKENS?") });
  });

  it("a variable means the same wherever it is named, and every flag but those that destroy has one", () => {
    const seen = new Map<string, string>();
    for (const { name, flags } of TABLE) {
      for (const { env, name: flag, kind, value } of flags) {
        if (env === null) expect(["retry", "drop", "repair"], `${name} --${flag}`).toContain(flag);
        else {
          expect(env in VARIABLES || env.startsWith("ROLLCALL_"), env).toBe(true);
          const meaning = `${kind} ${value}`;
          expect(seen.get(env) ?? meaning).toBe(meaning);
          seen.set(env, meaning);
        }
      }
    }
  });
});

describe("text", () => {
  it("ids cannot move the cursor, turn the line around or look like two fields", () => {
    expect(escaped("a\tb\nc\rd\\e")).toBe("a\\tb\\nc\\rd\\\\e");
    expect(escaped("\u001B[2J\u0007\u009B31m\u202Eevil\u2028")).toBe(
      "\\u{1b}[2J\\u{7}\\u{9b}31m\\u{202e}evil\\u{2028}",
    );
    expect(escaped("Zoë 😀 日本")).toBe("Zoë 😀 日本");
  });

  it.each([
    ["15m", -900_000],
    ["2h", -7_200_000],
    ["7d", -604_800_000],
    ["now", 0],
  ])("%s is a time ago", (text, ms) => {
    expect(readTime(text, 1e12)!.getTime()).toBe(1e12 + ms);
  });

  it("a time without a zone is refused, since machines differ about it", () => {
    expect(readTime("2026-03-01T14:03:00Z", 0)!.toISOString()).toBe("2026-03-01T14:03:00.000Z");
    expect(readTime("2026-03-01T14:03+02:00", 0)!.toISOString()).toBe("2026-03-01T12:03:00.000Z");
    expect(readTime("2026-03-01", 0)!.toISOString()).toBe("2026-03-01T00:00:00.000Z");
    expect(readTime("1772374980000", 0)!.getTime()).toBe(1_772_374_980_000);
    for (const text of ["2026-03-01T14:03:00", "03/01/2026", "15", "15 m", "", "2026-13-01"])
      expect(readTime(text, 0), text).toBeUndefined();
  });

  it("switches of the environment take the usual words, and nothing else", () => {
    const flag: Flag = { name: "json", kind: "switch", doc: "", env: "X" };
    for (const text of ["1", "true", "YES", "on"]) expect(valueOf(flag, text, "X")).toBe(true);
    for (const text of ["0", "false", "no", "OFF"]) expect(valueOf(flag, text, "X")).toBe(false);
    expect(() => valueOf(flag, "maybe", "X")).toThrow(UsageError);
  });

  it("spans are short", () => {
    expect([12, 2_800, 240_000, 10_800_000, 259_200_000].map(span)).toEqual([
      "12 ms",
      "2.8 s",
      "4 min",
      "3 h",
      "3 d",
    ]);
  });

  it("colours: FORCE_COLOR, then NO_COLOR, then the terminal", () => {
    const sink = (isTTY: boolean) => ({ isTTY, write() {} });
    expect(hasColors(sink(true), {})).toBe(true);
    expect(hasColors(sink(false), {})).toBe(false);
    expect(hasColors(sink(true), { NO_COLOR: "1" })).toBe(false);
    expect(hasColors(sink(true), { NO_COLOR: "" })).toBe(true);
    expect(hasColors(sink(false), { FORCE_COLOR: "1" })).toBe(true);
    expect(hasColors(sink(true), { FORCE_COLOR: "0" })).toBe(false);
    expect(hasColors(sink(true), { TERM: "dumb" })).toBe(false);
  });
});

describe("completion", () => {
  const script = async (shell: string) => (await rollcall(["completion", shell])).stdout;
  const complete = (text: string, line: string[]) =>
    execFileSync("bash", ["-c", `${text}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); _rollcall; printf '%s\\n' "\${COMPREPLY[@]}"`, "bash", ...line], { encoding: "utf8" }).trim().split("\n"); // prettier-ignore

  it("bash completes commands, flags of the command, and values", async () => {
    const text = await script("bash");
    expect(complete(text, ["rollcall", "st"])).toEqual(["status"]);
    expect(complete(text, ["rollcall", ""])).toEqual(expect.arrayContaining(TABLE.map(({ name }) => name)));
    expect(complete(text, ["rollcall", "status", "--w"])).toEqual(["--watch"]);
    expect(complete(text, ["rollcall", "users", "--json", "--a"])).toEqual(["--at"]);
    expect(complete(text, ["rollcall", "acl", "--role", "re"])).toEqual(["recorder", "reader"]);
    expect(complete(text, ["rollcall", "completion", "z"])).toEqual(["zsh"]);
    expect(complete(text, ["rollcall", "help", "verif"])).toEqual(["verify"]);
  });

  it.each(["zsh", "fish"])("%s reads its script and all commands and flags are in it", async (shell) => {
    const text = await script(shell);
    for (const { name, flags } of TABLE) {
      expect(text).toContain(name);
      for (const flag of flags)
        expect(text).toContain(shell === "zsh" ? `--${flag.name}:` : `-l ${flag.name} `);
    }
    const checked = spawnSync(shell, ["-n"], { input: text, encoding: "utf8" });
    // Not on every machine.
    if (checked.error === undefined) expect([checked.status, checked.stderr]).toEqual([0, ""]);
  });
});
