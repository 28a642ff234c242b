/**
 * README's first code block as a program: unchanged, with a server and clients around it.
 *
 * The block uses an `io` (or creates one on port 3000), a Redis at redis://localhost:6379 (or REDIS_URL), and creates a
 * `presence`. Three sockets of two users connect; the counts and the `online` events must follow; then all disconnect.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { transform } from "esbuild";
import { Redis } from "ioredis";
import { run } from "./run.ts";

/** Writes snippet.ts and, without its types, snippet.js. */
export async function writeSnippet(root: string, folder: string): Promise<void> {
  const program = await snippetProgram(join(root, "README.md"));
  await writeFile(join(folder, "snippet.ts"), program);
  const { code } = await transform(program, { loader: "ts", target: "es2023" });
  await writeFile(join(folder, "snippet.js"), code);
}

/** Runs it with a runtime and its arguments, against an empty Redis. */
export async function runSnippet(
  folder: string,
  redis: string,
  runtime: string,
  args: readonly string[],
): Promise<void> {
  const client = new Redis(redis);
  try {
    await client.flushall();
  } finally {
    client.disconnect();
  }
  const printed = await run(runtime, args, { cwd: folder, timeout: 40_000, env: { REDIS_URL: redis } });
  if (!printed.trimEnd().endsWith("counted")) throw new Error(`it ended early:\n${printed}`);
}

/** The first ```ts block of a Markdown text. */
function firstBlock(markdown: string): string {
  const block = /^```ts\n([\s\S]*?)^```$/m.exec(markdown)?.[1];
  if (block === undefined) throw new Error("README.md has no ```ts block");
  return block;
}

const IMPORT = /^import\s[\s\S]*?;\n/gm;

/** The program, in TypeScript. It reads REDIS_URL and prints `counted` at the end. */
async function snippetProgram(readme: string): Promise<string> {
  const block = firstBlock(await readFile(readme, "utf8"));
  const imports = block.match(IMPORT) ?? [];
  const body = block
    .replaceAll(IMPORT, "")
    .replaceAll(/(["'`])redis:\/\/localhost:6379\1/g, "theRedis")
    // A free port: several of these may run on one machine.
    .replaceAll(/\b3000\b/g, "thePort");
  const makesIo = /^\s*(?:const|let|var)\s+io\b/m.test(body);
  const server = makesIo ? "" : "const io = new TheServer(thePort);\n";
  return `${imports.join("")}${AROUND}${server}${body}${AFTER}`;
}

const AROUND = `import { strict as assert } from "node:assert";
import { once as theNext } from "node:events";
import { type AddressInfo as TheAddress, createServer as createTheProbe } from "node:net";
import { Server as TheServer } from "socket.io";
import { io as connectTo } from "socket.io-client";

const theRedis = process.env["REDIS_URL"]!;
const theProbe = createTheProbe().listen(0, "127.0.0.1");
await theNext(theProbe, "listening");
const { port: thePort } = theProbe.address() as TheAddress;
theProbe.close();
await theNext(theProbe, "close");
void TheServer, theRedis;

`;

const AFTER = `
// ---- the rest of the program: clients that connect and disconnect
io.use((socket, next) => {
  socket.data.userId = socket.data.user = socket.handshake.auth["user"];
  next();
});
const theEvents: string[] = [];
presence.on("online", (user) => theEvents.push(\`online \${user}\`));
presence.on("offline", (user) => theEvents.push(\`offline \${user}\`));
await presence.ready;

async function theState(what: string, holds: () => boolean | Promise<boolean>, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(\`not within \${ms} ms: \${what}; \${JSON.stringify(theEvents)}\`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
async function theCounts(users: number, sockets: number): Promise<void> {
  await theState(\`\${users} users, \${sockets} sockets\`, async () => {
    const counts = await presence.counts();
    return counts.users === users && counts.sockets === sockets;
  });
}

const theClients = ["alice", "alice", "bob"].map((user) =>
  connectTo(\`http://127.0.0.1:\${thePort}\`, { auth: { user, userId: user, token: user }, transports: ["websocket"] }),
);
await theCounts(2, 3);
await theState("two came", () => theEvents.filter((event) => event.startsWith("online")).length === 2);
assert.equal(await presence.isOnline("alice"), true);
assert.equal(await presence.isOnline("nobody"), false);
for (const client of theClients) client.disconnect();
await theCounts(0, 0);
await theState("two went", () => theEvents.filter((event) => event.startsWith("offline")).length === 2);
await presence.close();
await io.close();
// Nothing must keep the process alive; Bun and Deno cannot list what does.
await theState("no timer is left", () => !process.getActiveResourcesInfo().includes("Timeout"), 5_000);
console.log("counted");
`;
