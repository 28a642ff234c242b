/**
 * Goal: whatever listeners of the application throw or take away, and in whatever order sockets come and go, what is counted after a
 * heartbeat is what is connected, and a goodbye is recorded as one; the rooms counted are those Socket.IO has, at once where nobody
 * throws; and nothing is held of what has gone.
 * Method: random histories (histories.ts, room-histories.ts) and a count after collections (held.ts), each in a process of its own, on
 * a real server. SETTLE_SEED repeats them, SETTLE_RUNS sets how many.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";

const SEED = process.env["SETTLE_SEED"] ?? randomBytes(4).toString("hex");
const RUNS = process.env["SETTLE_RUNS"] ?? "40";

async function run(
  file: string,
  flags: readonly string[],
  ...args: string[]
): Promise<Record<string, unknown>> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, path, ...args], {
    timeout: 55_000,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

it(`random histories, SETTLE_SEED=${SEED}`, async () => {
  const totals = await run("histories.ts", [], SEED, RUNS);
  expect(totals["checks"]).toBe(8 * Number(RUNS));
  // Something happened.
  expect(totals["sockets"]).toBeGreaterThan(10 * Number(RUNS));
  expect(totals["thrown"]).toBeGreaterThan(Number(RUNS));
});

it(`random histories of rooms, SETTLE_SEED=${SEED} npx vitest run test/unit/recorder/sockets/histories.test.ts`, async () => {
  const totals = await run("room-histories.ts", [], SEED, RUNS);
  expect(totals["checks"]).toBe(60 * Number(RUNS));
  // Something happened.
  expect(totals["memberships"]).toBeGreaterThan(300 * Number(RUNS));
  expect(totals["recovered"]).toBeGreaterThan(0);
  expect(totals["corrected"]).toBeGreaterThan(0);
});

it("nothing is held of sockets, namespaces, servers, closed presences and listeners that have gone", async () => {
  expect(await run("held.ts", ["--expose-gc"])).toEqual({
    namespaces: { made: 20, left: 0 },
    sockets: { made: 40, left: 0 },
    presences: { made: 20, left: 0 },
    servers: { made: 1, left: 0 },
    listeners: { made: 20, left: 0 },
  });
});
