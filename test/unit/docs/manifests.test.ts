/**
 * Goal: what docs/deploy.md and docs/operations.md show for systemd and Redis's ACLs works with this version.
 * Method: what they name is looked up; the ACL lines are compared with `rollcall acl`, and run. Manifests: test/unit/deploy.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, it } from "vitest";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { ROLES } from "../../../src/core/access.ts";
import { versionOf } from "../access/support.ts";
import { blocksOf, readPage, ROOT, sectionOf } from "./markdown.ts";

const deploy = blocksOf("docs/deploy.md", readPage("docs/deploy.md"));

it("the unit of systemd starts a file that exists, and sets what systemd knows", () => {
  const block = deploy.find(({ language }) => language === "ini");
  const lines = block!.code.split("\n").filter((line) => line !== "");
  for (const line of lines) expect(line).toMatch(/^(\[(Unit|Service|Install)\]|[A-Z]\w+=\S.*)$/);
  const [, file = ""] = /^ExecStart=\/usr\/bin\/node (\S+)$/m.exec(block!.code)!;
  expect(existsSync(join(ROOT, file))).toBe(true);
});

it("the page has what `rollcall acl` prints, and Redis takes it", async () => {
  const print = (...args: string[]) =>
    execFileSync(process.execPath, ["src/cli.ts", "acl", ...args], { cwd: ROOT, encoding: "utf8" });
  const section = sectionOf(readPage("docs/operations.md"), "Redis users");
  expect(blocksOf("docs/operations.md", section)[0]!.code.trim()).toBe(print().trim());

  await using server = await startRedis();
  const redis = new Redis(server.url);
  for (const more of [[], ["--shards", "3", "--cluster", "--select"], ["--prefix", "it's*"]]) {
    const lines = wordsOf(print("--redis", await versionOf(redis), ...more));
    expect(lines.length).toBe(ROLES.length);
    for (const [name = "", ...args] of lines) expect(await redis.call(name, ...args)).toBe("OK");
  }
  const [reader] = wordsOf(print("--role", "reader", "--redis", "6.2", "--prefix", "it's*"));
  expect(reader).toContain("~{it's\\*}:*");
  redis.disconnect();
});

/** The arguments of each line, as a shell reads them. */
function wordsOf(script: string): string[][] {
  const say = `say() { printf '%s\\n' "$@"; echo; }\n`;
  const said = execFileSync("sh", ["-c", say + script.replaceAll(/^redis-cli /gm, "say ")], {
    encoding: "utf8",
  });
  return said
    .trim()
    .split("\n\n")
    .map((line) => line.split("\n"));
}

it("a wrong command line of `rollcall acl` ends with 2 and says what is wrong", () => {
  for (const [args, said] of [[["--role", "nobody"], /role must be/], [["--nonsense"], /nonsense/], [["--shards", "x"], /shards must be/], [["--redis", "5"], /redis must be/]] as const) {
    const failed = expect.objectContaining({ status: 2, stderr: expect.stringMatching(said) });
    expect(() => execFileSync(process.execPath, ["src/cli.ts", "acl", ...args], { cwd: ROOT, encoding: "utf8", stdio: "pipe" })).toThrow(failed);
  }
}); // prettier-ignore
