/**
 * Goal: the lists in the documentation are complete and correct: codes, causes, routes, metrics, options, variables.
 * Method: each list is read from its page and compared with the code's list, in both directions.
 */
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { keysOf } from "../../../src/core/keys.ts";
import { CHANGE_CAUSES } from "../../../src/core/change.ts";
import { PRESENCE_ERROR_CODES } from "../../../src/core/errors.ts";
import { PROBLEM_CODES } from "../../../src/http/problem.ts";
import { appOver, newPrefix, populate, useRedis } from "../http/support.ts";
import { type Block, readPage, ROOT, sectionOf } from "./markdown.ts";
import { prepare, typecheck } from "./typecheck.ts";

const test = useRedis();

/** The names in backticks in the given column (from 0) of the tables of `text`. */
function column(text: string, index: number): string[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) => line.split(/(?<!\\)\|/)[index + 1] ?? "")
    .flatMap((cell) => Array.from(cell.matchAll(/`([^`]+)`/g), ([, name = ""]) => name));
}

const sorted = (names: Iterable<string>) => [...new Set(names)].sort((a, b) => (a < b ? -1 : 1));

it("the guide lists every error code", () => {
  expect(sorted(column(sectionOf(readPage("docs/guide.md"), "Errors"), 0))).toEqual(
    sorted(PRESENCE_ERROR_CODES),
  );
});

it("the guide lists every cause of a change", () => {
  const section = sectionOf(readPage("docs/guide.md"), "Listen for online and offline");
  expect(sorted(column(section, 0))).toEqual(sorted(CHANGE_CAUSES));
});

it("http.md lists every problem code", () => {
  const listed = column(sectionOf(readPage("docs/http.md"), "Errors"), 1).filter((name) =>
    /^[A-Z_]+$/.test(name),
  );
  expect(sorted(listed)).toEqual(sorted(PROBLEM_CODES));
});

it("http.md lists every route and every metric", async () => {
  const prefix = newPrefix();
  await populate(test.redis, { prefix, users: ["alice"] });
  // As a projector with a history counts them.
  await test.redis.hset(keysOf(prefix, 0, 1).totals, "counted", "1 0 0 0 0 0 0 0");
  // As a durable subscriber leaves it.
  await test.redis.zadd(keysOf(prefix, 0, 1).subscribers, Date.now(), "billing");
  const api = appOver(test.redis, { prefix });
  const { paths } = await api.get<{ paths: Record<string, object> }>("/openapi.json");
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path.replace("{id}", ":id")}`),
  );
  const page = readPage("docs/http.md");
  const listed = column(sectionOf(page, "Routes"), 0).map((route) => route.split("?", 1)[0]!);
  expect(sorted(listed)).toEqual(sorted([...routes, "GET /openapi.json", "GET /docs"]));

  const metrics = await (await api.request("/metrics")).text();
  const names = [...metrics.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
  expect(sorted(column(sectionOf(page, "Metrics"), 0))).toEqual(sorted(names));
});

it("options.md lists every option and nothing else", { timeout: 60_000 }, async () => {
  const page = readPage("docs/options.md");
  const types: Readonly<Record<string, [name: string, door: string]>> = {
    createPresence: ["PresenceOptions", "rollcall"],
    createProjector: ["ProjectorOptions", "rollcall"],
    createSubscriber: ["SubscriberOptions", "rollcall"],
    createReader: ["ReaderOptions", "rollcall"],
    createWebhook: ["NamedWebhookOptions", "rollcall"],
    createApp: ["AppOptions", "rollcall/http"],
    serve: ["ServeOptions", "rollcall/http"],
    createClient: ["ClientOptions", "rollcall/client"],
  };
  // A module a section: tsc finds a name that the type does not have, and one that the page does not have.
  const modules = Object.entries(types).map(([section, [type, door]], line): Block => {
    const text = sectionOf(page, section);
    const headings = [...text.matchAll(/^### (\w+)$/gm)].map(([, name = ""]) => name);
    const above = /^(`.*`) as above/m.exec(text)?.[1] ?? "";
    const names = [...headings, ...[...above.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name)];
    const listed = names.map((name) => `${name}: true`).join(", ");
    const code = `import type { ${type} } from "${door}";\nexport const listed: Record<keyof ${type}, true> = { ${listed} };\n`;
    return { page: `docs/options.md`, line: line + 1, language: "ts", code, marks: new Map() };
  });
  const directory = await mkdtemp(join(tmpdir(), "rollcall-options-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await prepare(directory);
  expect(await typecheck(directory, modules)).toEqual([]);
});

it("options.md lists every environment variable of .dev.vars.example", () => {
  const example = readFileSync(join(ROOT, ".dev.vars.example"), "utf8");
  const variables = [...example.matchAll(/^(?:# ?)?([A-Z_]+)=/gm)].map(([, name = ""]) => name);
  const listed = column(sectionOf(readPage("docs/options.md"), "Environment variables"), 0);
  expect(listed).toEqual(expect.arrayContaining(variables));
});
