/**
 * Goal: the keys of the live demo do what its last row says, and leave the terminal and the machine as they were.
 * Method: the waiting on its own; then the demo in a terminal that `script` makes, where there is one.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { Wishes } from "../../../examples/demo/keys.ts";
import { until } from "../../../rig/until.ts";
import { groupsIn, untilGone } from "./support.ts";

const MAIN = fileURLToPath(new URL("../../../examples/demo/main.ts", import.meta.url));
const never = new AbortController().signal;
const isSettled = async (promise: Promise<unknown>) => {
  const open = Symbol("open");
  // A promise that is settled wins against one that settles a turn of the event loop later.
  const later = new Promise((resolve) => setImmediate(resolve, open));
  return (await Promise.race([promise.catch(() => undefined), later])) !== open;
};

it("what is asked for ends the waiting at once, also while paused", async () => {
  const wishes = new Wishes();
  const waited = wishes.orLater(60_000, never);
  wishes.pause();
  expect(await isSettled(waited)).toBe(false);
  wishes.ask("drain");
  await waited;
  expect(wishes.take()).toBe("drain");
  expect(wishes.take()).toBeUndefined();
});

it("no time passes while paused; without a pause it does", async () => {
  const wishes = new Wishes();
  wishes.pause();
  const waited = wishes.orLater(0, never);
  expect(await isSettled(waited)).toBe(false);
  wishes.pause();
  await waited;
});

it("the signal ends the waiting with its reason", async () => {
  const stop = new AbortController();
  const waited = new Wishes().orLater(60_000, stop.signal);
  stop.abort(new Error("over"));
  await expect(waited).rejects.toThrow("over");
});

const HAS_SCRIPT = spawnSync("script", ["-qec", "true", "/dev/null"]).status === 0;

it.skipIf(!HAS_SCRIPT)(
  "in a terminal of 60 columns k kills a node, p pauses, q ends the demo and nothing is left behind",
  { timeout: 70_000 },
  async () => {
    const { PATH, HOME } = process.env;
    const command = `stty rows 24 columns 60; exec '${process.execPath}' '${MAIN}' --users 12`;
    const terminal = spawn("script", ["-qec", command, "/dev/null"], {
      env: { PATH, HOME, TERM: "xterm", SHELL: "/bin/sh" },
    });
    let said = "";
    terminal.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(terminal, "close");
    const says = (text: string) =>
      until(`the demo says ${text}`, () => said.includes(text), { timeout: 30_000 });
    try {
      await says("k kills a node");
      await says("Steady");
      terminal.stdin.write("k");
      await says("got SIGKILL");
      await says("Healed");
      terminal.stdin.write("p");
      await says("Paused");
      terminal.stdin.write("q");
      await expect(ended).resolves.toEqual([0, null]);
    } finally {
      terminal.kill("SIGKILL");
    }
    expect(said).toContain("Ended; nothing is left behind.");
    // The main screen and the cursor are back.
    expect(said.lastIndexOf("\u001b[?25h\u001b[?1049l")).toBeGreaterThan(said.lastIndexOf("\u001b[?1049h"));
    await untilGone(groupsIn(said.replaceAll("\r", "")));
  },
);
