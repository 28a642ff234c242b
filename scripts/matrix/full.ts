/**
 * Every supported combination: README's first block with each version of each peer, on each runtime and with each compiler; and
 * the two packages in packages/.
 */
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { emptyFolder, install, pack } from "./folder.ts";
import { attw, lint, requireDoors, runDoors, type Scene } from "./quick.ts";
import { run } from "./run.ts";
import { runSnippet, writeSnippet } from "./snippet.ts";
import { typecheck } from "./typecheck.ts";

/** Versions of the peers to combine: the oldest, one in between, the newest, and the newest with the oldest. */
const PEERS = [
  {
    ioredis: "5.4.1",
    socketIo: "4.6.2",
    upstash: "1.35.3",
    hono: "4.13.0",
    react: "18.3.0",
    reactTypes: "18.3.32",
  },
  {
    ioredis: "5.11.1",
    socketIo: "4.8.4",
    upstash: "1.36.0",
    hono: "4.13.19",
    react: "19.2.9",
    reactTypes: "19.3.3",
  },
  {
    ioredis: "6.0.0",
    socketIo: "4.8.4",
    upstash: "1.39.0",
    hono: "4.13.19",
    react: "19.2.9",
    reactTypes: "19.3.3",
  },
  {
    ioredis: "6.0.0",
    socketIo: "4.6.2",
    upstash: "1.39.0",
    hono: "4.13.19",
    react: "18.3.0",
    reactTypes: "18.3.32",
  },
] as const;

const COMPILERS = ["5.9.3", "7.0.2"] as const;

interface Runtime {
  readonly name: string;
  readonly package: string;
  /** Where npm's package puts it. */
  readonly binary: string;
  /** What runs snippet.js, and what runs snippet.ts if it can. */
  readonly js: readonly string[];
  readonly ts?: readonly string[];
}

const node = (version: string, ts = true): Runtime => ({
  name: `Node ${version}`,
  package: `node@${version}`,
  binary: "node/bin/node",
  js: ["snippet.js"],
  // Node runs TypeScript from 22.18 on.
  ...(ts && { ts: ["snippet.ts"] }),
});

const RUNTIMES: readonly Runtime[] = [
  node("22.12.0", false),
  node("22.23.3"),
  node("24.21.0"),
  node("25.9.0"),
  { name: "Bun 1.4.5", package: "bun@1.4.5", binary: ".bin/bun", js: ["snippet.js"], ts: ["snippet.ts"] },
  {
    name: "Deno 2.9.6",
    package: "deno@2.9.6",
    binary: ".bin/deno",
    js: ["run", "-A", "--no-lock", "--node-modules-dir=manual", "snippet.js"],
    ts: ["run", "-A", "--no-lock", "--node-modules-dir=manual", "snippet.ts"],
  },
];

export async function full(scene: Scene, tarball: string): Promise<void> {
  const { temporary, parts } = scene;
  const runtimes: { readonly runtime: Runtime; readonly path: string }[] = [];
  for (const runtime of RUNTIMES) {
    const folder = await emptyFolder(temporary, runtime.name.replaceAll(/\W/g, "-").toLowerCase());
    const path = join(folder, "node_modules", runtime.binary);
    const version = await parts.part(`install ${runtime.name}`, async () => {
      await install(folder, [runtime.package]);
      const printed = await run(path, ["--version"], { cwd: folder, timeout: 20_000 });
      const wanted = runtime.package.replace(/.*@/, "");
      if (!printed.includes(wanted)) throw new Error(`it is ${printed}`);
      return printed.split("\n", 1)[0]!.trim();
    });
    if (version !== undefined) runtimes.push({ runtime, path });
  }
  const compilers: { readonly version: string; readonly path: string }[] = [];
  for (const version of COMPILERS) {
    const folder = await emptyFolder(temporary, `typescript-${version}`);
    await parts.part(`install TypeScript ${version}`, () => install(folder, [`typescript@${version}`]));
    compilers.push({ version, path: join(folder, "node_modules/typescript/bin/tsc") });
  }
  for (const peers of PEERS) await withPeers(scene, tarball, peers, runtimes, compilers);
  await beside(scene);
}

async function withPeers(
  { root, temporary, redis, parts }: Scene,
  tarball: string,
  peers: (typeof PEERS)[number],
  runtimes: readonly { readonly runtime: Runtime; readonly path: string }[],
  compilers: readonly { readonly version: string; readonly path: string }[],
): Promise<void> {
  const { ioredis, socketIo, upstash, hono, react, reactTypes } = peers;
  const name = `ioredis ${ioredis}, Socket.IO ${socketIo}`;
  const folder = await emptyFolder(temporary, `${ioredis}-with-${socketIo}`);
  const ready = await parts.part(
    `install with ${name}, @upstash/redis ${upstash}, hono ${hono}, React ${react}`,
    async () => {
      await install(folder, [
        tarball,
        `ioredis@${ioredis}`,
        `socket.io@${socketIo}`,
        `socket.io-client@${socketIo}`,
        `@upstash/redis@${upstash}`,
        `hono@${hono}`,
        `react@${react}`,
        `@types/react@${reactTypes}`,
        "@types/node@24.19.2",
      ]);
      return "done";
    },
  );
  if (ready === undefined) return;
  await writeSnippet(root, folder);
  await copyFile(join(root, "scripts/matrix/user/clients.ts"), join(folder, "clients.ts"));
  await copyFile(join(root, "scripts/matrix/user/doors.js"), join(folder, "doors.js"));
  for (const { runtime, path } of runtimes) {
    await parts.part(`${runtime.name}, ${name}: README's first block`, () =>
      runSnippet(folder, redis, path, runtime.js),
    );
    const { ts } = runtime;
    if (ts !== undefined) {
      await parts.part(`${runtime.name}, ${name}: the same in TypeScript`, () =>
        runSnippet(folder, redis, path, ts),
      );
    }
    const doors = runtime.js.map((argument) => argument.replace("snippet.js", "doors.js"));
    await parts.part(`${runtime.name}, ${name}: clients of the application, API, client`, () =>
      runDoors(folder, redis, path, doors),
    );
    if (runtime.binary.includes("node/")) {
      await parts.part(`${runtime.name}: require() of every entry point`, () => requireDoors(folder, path));
    }
  }
  for (const { version, path } of compilers) {
    for (const resolution of ["nodenext", "bundler"] as const) {
      await parts.part(`TypeScript ${version}, ${resolution}, ${name}`, () =>
        typecheck(folder, ["snippet.ts", "clients.ts"], resolution, path),
      );
    }
  }
}

/** The packages in packages/: each can be installed alone, and works. */
async function beside({ root, temporary, parts }: Scene): Promise<void> {
  for (const name of ["local-redis", "upstash-bridge"]) {
    const source = join(root, "packages", name);
    const tarball = await parts.part(`@rollcall/${name}: pack`, () => pack(source, temporary));
    if (tarball === undefined) continue;
    await parts.part(`@rollcall/${name}: publint`, () => lint(tarball));
    await parts.part(`@rollcall/${name}: are the types wrong`, () => attw(root, tarball));
    const folder = await emptyFolder(temporary, name);
    await parts.part(`@rollcall/${name}: install alone and start`, async () => {
      await install(folder, [tarball]);
      await writeFile(join(folder, "start.js"), STARTS[name]!);
      await run(process.execPath, ["start.js"], { cwd: folder, timeout: 30_000 });
      if (name === "upstash-bridge") {
        await run("npx", ["--no-install", "upstash-bridge", "--help"], { cwd: folder, timeout: 20_000 });
      }
    });
  }
}

const STARTS: Readonly<Record<string, string>> = {
  "local-redis": `import { startRedis } from "@rollcall/local-redis";
const server = await startRedis();
if (!/^redis:/.test(server.url)) throw new Error(server.url);
await server.stop();
`,
  // Its command starts a temporary Redis and answers; SIGTERM ends it with code 0.
  "upstash-bridge": `import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
const child = spawn(process.execPath, ["node_modules/@rollcall/upstash-bridge/dist/main.js"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const exited = once(child, "exit");
const printed = {};
for await (const line of createInterface(child.stdout)) {
  const [name, value] = line.split("=");
  printed[name] = value;
  if (Object.keys(printed).length === 3) break;
}
const response = await fetch(printed.UPSTASH_REDIS_REST_URL, {
  method: "POST",
  headers: { authorization: \`Bearer \${printed.UPSTASH_REDIS_REST_TOKEN}\` },
  body: JSON.stringify(["PING"]),
});
const { result } = await response.json();
child.kill("SIGTERM");
const [code] = await exited;
if (result !== "PONG" || code !== 0) throw new Error(\`\${result}, \${code}\`);
`,
};
