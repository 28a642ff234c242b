/**
 * Goal: the image and deploy/compose.yaml work, as far as that shows without a container.
 * Method: the last commands of the Dockerfile run on what it copies and nothing else. What they make runs without node_modules, as a user that is
 * not root where the tests are, with the environment of compose, over a Redis with compose's command line and users.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findRedisBinary } from "../../packages/local-redis/src/index.ts";
import { connect } from "../../rig/node.ts";
import { ownOnly } from "../../rig/redis.ts";
import { until } from "../../rig/until.ts";
import { documents, imageEnvironment, instructions } from "../unit/deploy/support.ts";
import { ROOT } from "../unit/docs/markdown.ts";
import { type Entry, start } from "./functions/support.ts";

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command: readonly string[]; readonly environment?: Record<string, string> }>
  >;
  readonly configs: { readonly users: { readonly content: string } };
}

const { services, configs } = documents("compose.yaml")[0] as Compose;
const SECRETS: Readonly<Record<string, string>> = {
  APP_PASSWORD: "the-password-of-the-application",
  PROJECTOR_PASSWORD: "the-password-of-the-projector",
  API_PASSWORD: "the-password-of-the-api",
  TOKEN: "a-token-for-callers-of-the-api",
};
const filled = (text: string) => text.replaceAll(/\$\{(\w+):\?\}/g, (_, name: string) => SECRETS[name]!);

/** Of the tests as root, who may become anyone. */
const OTHER = process.getuid?.() === 0 ? { uid: 1000 } : {};

let folder: string;
/** What the image has in /app. */
let image: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rollcall-image-"));
  const context = join(folder, "src");
  image = join(folder, "app");
  const copied = instructions("Dockerfile").filter(
    ([name, rest]) => name === "COPY" && !rest.startsWith("--from"),
  );
  for (const [, rest] of copied) {
    const words = rest.split(" ");
    for (const source of words.slice(0, -1)) {
      const to = words.at(-1)!.replace(/\/$/, `/${source.split("/").at(-1)}`);
      await mkdir(join(context, to, ".."), { recursive: true });
      await cp(join(ROOT, source), join(context, to), {
        recursive: true,
        filter: (path) => !/(?:^|\/)(?:node_modules|dist)$/.test(path),
      });
    }
  }
  // As `npm ci` leaves it.
  await symlink(join(ROOT, "node_modules"), join(context, "node_modules"));
  const build = instructions("Dockerfile").find(([name, rest]) => name === "RUN" && rest.startsWith("node "))![1];
  const [, file = ""] = build.split(" ");
  const child = spawn(process.execPath, [file, image], { cwd: context, stdio: "inherit" });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${build} ended with ${code}`);
  await chmod(folder, 0o755);
}); // prettier-ignore

afterAll(() => rm(folder, { recursive: true, force: true }));

/** A command of the image, on free ports of this machine. */
function run(command: readonly string[], environment: Record<string, string>): Entry {
  const [node, file = ""] = command;
  expect(node).toBe("node");
  const ports = { HOST: "127.0.0.1", PORT: "0", ROLLCALL_HEALTH_PORT: "0" };
  return start(file, { ...imageEnvironment(), ...environment, ...ports }, { file, cwd: image, ...OTHER });
}

interface Composed extends AsyncDisposable {
  readonly port: number;
}

/** Redis as compose starts it: the same command line and users, with an address and a folder of the test. */
async function startComposed(): Promise<Composed> {
  const { path, env, version } = await findRedisBinary();
  const [, major = "", minor = ""] = /v=(\d+)\.(\d+)/.exec(version)!;
  const users = filled(configs.users.content);
  const acl = join(folder, "users.acl");
  // What 7.0 does not know; it is not needed either.
  const isOld = Number(major) === 7 && Number(minor) < 2;
  await writeFile(acl, isOld ? users.replaceAll(" +client|setinfo", "") : users);
  const port = await freePort();
  const [name, ...args] = services["redis"]!.command.map((word) => word.replace("/etc/redis/users.acl", acl));
  expect(name).toBe("redis-server");
  const own = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder];
  const child = spawn(path, [...args, ...own], { env: { ...process.env, ...env }, stdio: "ignore" });
  const ended = once(child, "close");
  // As the health check asks: without a password.
  const stranger = new Redis(port, "127.0.0.1", {
    protocol: 2,
    enableReadyCheck: false,
    disableClientInfo: true,
  });
  stranger.on("error", () => {});
  const kill = async () => {
    stranger.disconnect();
    child.kill("SIGTERM");
    await ended;
  };
  try {
    await until("Redis answers", () => stranger.ping().catch(() => undefined));
    for (const [command, ...words] of [["GET", "x"], ["INFO"], ["KEYS", "*"], ["CONFIG", "GET", "*"]])
      await expect(stranger.call(command!, ...words)).rejects.toThrow("NOPERM");
  } catch (error) {
    await kill();
    throw error;
  }
  return { port, [Symbol.asyncDispose]: kill };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

const probesOf = async (entry: Entry) => (await entry.prints(/(?:probes|health) on (http:\S+)/))[1]!;

it("the image has modules and nothing else, and its health check tells a process that answers from one that does not", async () => {
  const files = await readdir(image);
  expect(files.filter((name) => !name.endsWith(".mjs"))).toEqual([]);
  const command = JSON.parse(instructions("Dockerfile").findLast(([name]) => name === "CMD")![1]) as string[];
  await using api = run(command, { REDIS_URL: "redis://127.0.0.1:1" });
  const { port } = new URL(await probesOf(api));
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
  const check = (at: string) => start("health.mjs", { ROLLCALL_HEALTH_PORT: at }, { file: "health.mjs", cwd: image, ...OTHER }).ended;
  expect([await check(port), await check("1")]).toEqual([0, 1]);
  api.child.kill("SIGTERM");
  expect(await api.ended).toBe(0);
  const cli = start("cli.mjs", {}, { file: "cli.mjs", cwd: image, ...OTHER });
  expect(await cli.ended).toBe(0);
  expect(cli.output()).toMatch(/^ +acl /m);
}); // prettier-ignore

it("compose's Redis gives each role what it needs: a socket of the application is in the answer of the API", async (context) => {
  ownOnly("it starts one with users")(context);
  await using redis = await startComposed();
  const environmentOf = (service: string) =>
    Object.fromEntries(
      Object.entries(services[service]!.environment!).map(([name, value]) => [
        name,
        filled(value).replace("@redis:6379", `@127.0.0.1:${redis.port}`),
      ]),
    );
  const started = (service: string) => run(services[service]!.command, environmentOf(service));
  await using app = started("app");
  await using api = started("api");
  await using projector = started("projector");
  const ok = async (url: string) => (await fetch(url)).status === 200;
  await until("the application is ready", async () => ok(`${await probesOf(app)}/serving`));
  await until("the projector is ready", async () => ok(`${await probesOf(projector)}/ready`));
  const [, at = ""] = await app.prints(/listening on (http:\S+)/);
  const client = await connect(at, "alice");
  const [, url = ""] = await api.prints(/listening on (http:\S+)/);
  const headers = { authorization: `Bearer ${SECRETS["TOKEN"]}` };
  await until("the API has her", async () => {
    const user = (await (await fetch(`${url}/v1/users/alice`, { headers })).json()) as { online?: boolean };
    return user.online === true;
  });
  expect(await ok(`${url}/docs`)).toBe(true);
  client.disconnect();
  for (const one of [app, api, projector]) one.child.kill("SIGTERM");
  expect(await Promise.all([app, api, projector].map(({ ended }) => ended))).toEqual([0, 0, 0]);
  for (const one of [app, api, projector]) expect(one.output()).not.toMatch(/PERMISSION|NOPERM/);
}); // prettier-ignore
