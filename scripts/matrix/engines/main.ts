/**
 * Runs the engine tests against each server: those at URLs, those that binaries start, or without arguments those that Debian
 * has. A server that cannot be had is a row of the table that says why; it fails the run only if it was asked for by name.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { askRedis } from "../../../packages/local-redis/src/ask.ts";
import { run } from "../run.ts";
import { DEBIAN_SERVERS, type DebianServer, debianServer } from "./debian.ts";
import type { EngineReport } from "./reporter.ts";
import { ENGINE_TESTS } from "./tests.ts";

const HELP = `Usage: npm run matrix -- engines [--redis URL]… [--binary PATH]… [--debian NAME]… [--test PATH]…

  --redis URL     a server that is running; tests that need servers of their own are skipped. Only empty databases are used
  --binary PATH   a redis-server or valkey-server, which the tests start
  --debian NAME   one of ${DEBIAN_SERVERS.map(({ name }) => name).join(", ")}; without any of these three: all of them
  --test PATH     only these tests
`;

const SUITE_MS = 15 * 60_000;
const FAILURES_SHOWN = 20;

interface Row {
  /** As it was asked for. */
  readonly target: string;
  readonly engine: string;
  readonly report?: EngineReport;
  /** Instead of a report. */
  readonly verdict?: string;
  readonly isFailure: boolean;
}

/** What to run: a PATH with the server first, or the URL of one that runs. */
interface Aim {
  readonly environment: Readonly<Record<string, string>>;
  readonly isShared: boolean;
}

/** Returns whether all passed. */
export async function engines(root: string, args: string[]): Promise<boolean> {
  const list = { type: "string", multiple: true } as const;
  const { values } = parseArgs({
    args,
    options: { redis: list, binary: list, debian: list, test: list, help: { type: "boolean" } },
  });
  if (values.help === true) {
    console.log(HELP);
    return true;
  }
  const { redis = [], binary = [], debian = [], test = [] } = values;
  const unknown = debian.find((name) => !DEBIAN_SERVERS.some((server) => server.name === name));
  if (unknown !== undefined) throw new Error(`${unknown} is not known\n\n${HELP}`);
  const isAll = redis.length + binary.length + debian.length === 0;
  const wanted = DEBIAN_SERVERS.filter(({ name }) => isAll || debian.includes(name));
  const temporary = await mkdtemp(join(tmpdir(), "rollcall-engines-"));
  const rows: Row[] = [];
  const done = (row: Row) => {
    rows.push(row);
    console.log(`${row.isFailure ? "FAIL" : "ok  "}  ${row.target}: ${summary(row)}`);
  };
  try {
    for (const url of redis) done(await runningAt(root, temporary, url, test));
    for (const path of binary)
      done(await startedBy(root, temporary, path, await wrapped(temporary, resolve(path)), test));
    for (const server of wanted) done(await ofDebian(root, temporary, server, !isAll, test));
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  console.log(`\n${table(rows)}`);
  return rows.every(({ isFailure }) => !isFailure);
}

async function runningAt(
  root: string,
  temporary: string,
  url: string,
  tests: readonly string[],
): Promise<Row> {
  const { host } = new URL(url);
  try {
    const { engine } = await askRedis(url);
    const aim = { environment: { ROLLCALL_TEST_REDIS: url, VITEST_MAX_WORKERS: "1" }, isShared: true };
    return tested(host, engine, await suite(root, temporary, aim, tests));
  } catch (error) {
    return { target: host, engine: "-", verdict: firstLine(error), isFailure: true };
  }
}

async function startedBy(
  root: string,
  temporary: string,
  target: string,
  bin: string,
  tests: readonly string[],
): Promise<Row> {
  try {
    const engine = await engineIn(bin);
    // local-redis takes the first server on the PATH; the tests' global set-up checks that it is this one.
    const environment = {
      PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}`,
      ROLLCALL_TEST_ENGINE: engine,
    };
    return tested(target, engine, await suite(root, temporary, { environment, isShared: false }, tests));
  } catch (error) {
    return { target, engine: "-", verdict: firstLine(error), isFailure: true };
  }
}

async function ofDebian(
  root: string,
  temporary: string,
  server: DebianServer,
  isAskedFor: boolean,
  tests: readonly string[],
): Promise<Row> {
  const target = `${server.name} of Debian ${server.suite}`;
  let bin: string;
  try {
    bin = await debianServer(server);
  } catch (error) {
    return { target, engine: "-", verdict: `cannot be had here: ${firstLine(error)}`, isFailure: isAskedFor };
  }
  if (server.tooOld !== true) return startedBy(root, temporary, target, bin, tests);
  const engine = await engineIn(bin);
  const environment = { PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
  const script = join(root, "scripts/matrix/engines/refused.ts");
  try {
    await run(process.execPath, [script], { cwd: root, timeout: 60_000, env: environment });
    return { target, engine, verdict: "refused by `ready`, as it must be: REDIS_TOO_OLD", isFailure: false };
  } catch (error) {
    return { target, engine, verdict: `it is not refused: ${firstLine(error)}`, isFailure: true };
  }
}

/** A folder for the PATH in which the binary has the name that local-redis looks for first. */
async function wrapped(temporary: string, binary: string): Promise<string> {
  const bin = await mkdtemp(join(temporary, "bin-"));
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, "redis-server"), `#!/bin/sh\nexec "${binary}" "$@"\n`, { mode: 0o755 });
  return bin;
}

async function engineIn(bin: string): Promise<string> {
  const printed = await run(join(bin, "redis-server"), ["--version"], { cwd: "/", timeout: 10_000 });
  const [, name, version] = /(\w+) server v=(\S+)/i.exec(printed) ?? [];
  if (version === undefined) throw new Error(`it is no Redis: ${printed.slice(0, 80)}`);
  return `${name!.toLowerCase()} ${version}`;
}

async function suite(
  root: string,
  temporary: string,
  aim: Aim,
  tests: readonly string[],
): Promise<EngineReport> {
  const chosen = ENGINE_TESTS.filter(
    ({ path }) => tests.length === 0 || tests.some((test) => path.startsWith(test)),
  );
  const left = aim.isShared ? chosen.filter(({ own }) => own !== undefined) : [];
  const paths = chosen.filter((one) => !left.includes(one)).map(({ path }) => path);
  const report = join(temporary, "report.json");
  await rm(report, { force: true });
  const reporter = join(root, "scripts/matrix/engines/reporter.ts");
  const flags = ["--reporter", reporter, ...(aim.isShared ? ["--maxWorkers", "1"] : [])];
  // Its exit code says no more than the report does.
  const ended = await run(
    process.execPath,
    [join(root, "node_modules/vitest/vitest.mjs"), "run", ...paths, ...flags],
    {
      cwd: root,
      timeout: SUITE_MS,
      env: { ...aim.environment, ENGINE_REPORT: report },
    },
  ).catch((error: unknown) => error as Error);
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) throw ended instanceof Error ? ended : new Error("the tests left no report");
  const found = JSON.parse(text) as EngineReport;
  const skipped: Record<string, number> = { ...found.skipped };
  for (const { path, own } of left) skipped[`${path}: needs servers of its own, for ${own!}`] = 1;
  return { ...found, skipped };
}

function tested(target: string, engine: string, report: EngineReport): Row {
  for (const line of report.failed.slice(0, FAILURES_SHOWN)) console.log(`      ${line}`);
  // A run in which nothing passed shows nothing.
  return { target, engine, report, isFailure: report.failed.length > 0 || report.passed === 0 };
}

function summary({ engine, report, verdict }: Row): string {
  if (report === undefined) return `${engine}, ${verdict!}`;
  const skipped = Object.keys(report.skipped).length;
  return `${engine}, ${report.passed} passed, ${report.failed.length} failed${skipped > 0 ? `, skipped for ${skipped} reasons` : ""}`;
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ target, engine, report, verdict }) => {
    const [name, version = ""] = engine.split(" ");
    const skipped = Object.values(report?.skipped ?? {}).reduce((all, n) => all + n, 0);
    return [
      target,
      name!,
      version,
      ...(report === undefined
        ? [verdict!]
        : [String(report.passed), String(report.failed.length), String(skipped)]),
    ];
  });
  const header = ["server", "engine", "version", "passed", "failed", "skipped"];
  const lines = [header, header.map(() => "---"), ...cells].map((line) => `| ${line.join(" | ")} |`);
  const reasons = rows.flatMap(({ target, report }) =>
    Object.entries(report?.skipped ?? {}).map(([why, n]) => `  skipped on ${target}: ${n} × ${why}`),
  );
  return [...lines, ...reasons].join("\n");
}

const firstLine = (error: unknown) =>
  (error instanceof Error ? error.message : String(error)).split("\n").slice(0, 3).join(" ").slice(0, 300);
