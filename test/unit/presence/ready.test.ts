/**
 * Goal: `ready` and close() end where no Redis has ever been reached, with the reason, and nothing is left behind (C5).
 * Method: a port where nothing listens, one that accepts and says nothing, and processes that have to end by themselves.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startServer } from "../../../rig/node.ts";
import { until } from "../../../rig/until.ts";
import { createPresence, type PresenceOptions } from "../../../src/presence/presence.ts";

let silent: Server;
let silentPort: number;
/** Nothing listens there any more. */
let refusedPort: number;
let closes: (() => Promise<unknown>)[];

async function listening(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

beforeEach(async () => {
  closes = [];
  silent = createServer((socket) => socket.on("error", () => {}));
  silentPort = await listening(silent);
  const gone = createServer();
  refusedPort = await listening(gone);
  gone.close();
});
afterEach(async () => {
  for (const close of closes) await close();
  silent.close();
});

async function start(port: number, options: Partial<PresenceOptions> = {}) {
  const { io } = await startServer();
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const logger = { info: say, warn: say, error: say };
  const presence = createPresence(io, {
    redis: `redis://127.0.0.1:${port}`,
    user: () => null,
    logger,
    ...options,
  });
  closes.push(async () => {
    await presence.close();
    await io.close();
  });
  return { io, presence, lines };
}

describe("ready", () => {
  it("rejects in time with the first reason, and again when it is asked again", async () => {
    const { presence } = await start(refusedPort, { readyTimeout: 200, shards: 3 });
    for (let i = 0; i < 2; i++) {
      await expect(presence.ready).rejects.toMatchObject({
        code: "REDIS_UNAVAILABLE",
        message: expect.stringMatching(
          new RegExp(
            `^not ready within 200 ms: cannot connect to Redis at 127.0.0.1:${refusedPort}: ECONNREFUSED: `,
          ),
        ) as string,
        details: { reason: "ECONNREFUSED", host: "127.0.0.1", port: refusedPort },
      });
    }
  });

  it("rejects in time although nothing has failed yet", async () => {
    const { presence } = await start(silentPort, { readyTimeout: 50 });
    await expect(presence.ready).rejects.toMatchObject({ code: "REDIS_UNAVAILABLE" });
  });

  it("rejects when it is closed before, without a time-out too", async () => {
    const { presence } = await start(silentPort, { readyTimeout: 0 });
    const { ready } = presence;
    await presence.close({ timeout: 2_147_483_647 });
    await expect(ready).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("has a time-out that is checked", async () => {
    await expect(start(refusedPort, { readyTimeout: -1 })).rejects.toThrow(
      /readyTimeout must be a whole number/,
    );
  });
});

describe("close()", () => {
  it.each([
    ["where nothing listens", () => refusedPort],
    ["where nothing answers", () => silentPort],
  ])("does not wait for its time-out %s, and logs no goodbye", async (_, port) => {
    const { presence, lines } = await start(port());
    presence.on("online", () => {});
    let closed = false;
    // As long as a timer can be: whoever waits for it does not come back.
    void presence.close({ timeout: 2_147_483_647 }).then(() => (closed = true));
    await until("it has closed", () => closed);
    expect(lines.filter((line) => /goodbye/.test(line))).toEqual([]);
  });

  it("lets the process end by itself", () => {
    const script = `
      import { Server } from "socket.io";
      import { createPresence } from "./src/index.ts";
      const presence = createPresence(new Server(), { redis: "redis://127.0.0.1:${refusedPort}", user: () => null, readyTimeout: 100 });
      presence.on("online", () => {});
      const why = await presence.ready.catch(({ message }) => message);
      await presence.close({ timeout: 2_147_483_647 });
      console.log(why);`;
    const { status, stdout, stderr } = run("--input-type=module", "-e", script);
    expect([status, stdout]).toEqual([0, expect.stringContaining("ECONNREFUSED: nothing listens there")]);
    // By default it is on the console, and once.
    expect(stderr.split("\n").filter((line) => line.startsWith("[rollcall] ")).length).toBe(1);
  });

  it("is not needed where nobody handles the rejection: the process says why and ends with 1", () => {
    const script = `
      import { Server } from "socket.io";
      import { createPresence } from "./src/index.ts";
      const presence = createPresence(new Server(), { redis: "redis://127.0.0.1:${refusedPort}", user: () => null, readyTimeout: 100 });
      await presence.ready;`;
    const { status, stderr } = run("--input-type=module", "-e", script);
    expect(status).toBe(1);
    expect(stderr).toContain("not ready within 100 ms: cannot connect to Redis");
  });
});

function run(...args: string[]) {
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout: 25_000 });
}
