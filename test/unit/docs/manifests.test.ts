/**
 * Goal: what docs/deploy.md and docs/operations.md show for Kubernetes, systemd and Redis's ACLs works with this version.
 * Method: manifests are parsed, and what they name is looked up in the code; the ACL lines are compared with `rollcall acl`, and run.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import * as v from "valibot";
import { expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { WorkerHealth } from "../../../src/node/worker-health.ts";
import { startRedis } from "../../../packages/local-redis/src/index.ts";
import { ROLES } from "../../../src/core/access.ts";
import { VARIABLES, type VariableName } from "../../../src/edge/variables.ts";
import { createProbes } from "../../../src/http/app.ts";
import { createReader } from "../../../src/reader/create.ts";
import { versionOf } from "../access/support.ts";
import { blocksOf, readPage, ROOT, sectionOf } from "./markdown.ts";

const deploy = blocksOf("docs/deploy.md", readPage("docs/deploy.md"));

const probe = v.object({ httpGet: v.object({ path: v.string(), port: v.number() }) });
const container = v.object({
  command: v.tuple([v.literal("node"), v.string()]),
  env: v.array(v.object({ name: v.string(), value: v.optional(v.string()) })),
  ports: v.array(v.object({ containerPort: v.number() })),
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
});
const deployment = v.object({
  kind: v.literal("Deployment"),
  spec: v.object({
    template: v.object({
      spec: v.object({
        terminationGracePeriodSeconds: v.optional(v.number(), 30),
        containers: v.tuple([container]),
      }),
    }),
  }),
});

/** How long running requests may take once the server closes, s: docs/options.md, `signal`. */
const REQUESTS_S = 8;

it("the manifests name files, variables, ports and paths that exist", async () => {
  const block = deploy.find(({ language }) => language === "yaml");
  const documents = parseAllDocuments(block!.code);
  expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
  expect(documents).toHaveLength(2);
  const reader = createReader({ redis: "redis://127.0.0.1:1" });
  const ended = new AbortController().signal;
  const step = () => Promise.reject(new Error("not asked"));
  const apps = [createProbes({ reader }), new WorkerHealth({ shards: 1, step }, ended).app];
  for (const [i, document] of documents.entries()) {
    const { spec } = v.parse(deployment, document.toJS()).spec.template;
    const [{ command, env, ports, ...probes }] = spec.containers;
    expect(existsSync(join(ROOT, command[1]))).toBe(true);
    const variables = new Map(env.map(({ name, value }) => [name, value]));
    for (const [name, value] of variables) {
      expect(Object.keys(VARIABLES)).toContain(name);
      if (value !== undefined) VARIABLES[name as VariableName].take(value);
    }
    const health = Number(variables.get("ROLLCALL_HEALTH_PORT"));
    expect(ports).toContainEqual({ containerPort: health });
    const drain = Number(variables.get("ROLLCALL_DRAIN") ?? 0) / 1_000;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(drain + REQUESTS_S);
    for (const { httpGet } of [probes.startupProbe, probes.livenessProbe, probes.readinessProbe]) {
      expect(httpGet.port).toBe(health);
      const response = await apps[i]!.fetch(new Request(`http://localhost${httpGet.path}`));
      expect([200, 503]).toContain(response.status);
    }
  }
  reader.close();
});

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
