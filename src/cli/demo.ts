/** `rollcall demo`. */
import { spawn } from "node:child_process";
import { inCheckout } from "./checkout.ts";
import { type Call, EXIT } from "./command.ts";
import { Printer } from "./print.ts";

/** Whose exit is a signal has this added to its number, as in shells. */
const SIGNALLED = 128;
const INTERRUPT = 2;

export async function run({ given, io }: Call): Promise<number> {
  const main = inCheckout("examples/demo/main.ts");
  if (main === undefined) {
    new Printer(io).say(
      "rollcall demo: the package does not contain the demo. Clone the repository of Rollcall and run `npm ci && npm start` there.\n" +
        "Here, `rollcall dev` starts everything your server needs, and `rollcall status --watch` shows its numbers.",
    );
    return EXIT.no;
  }
  // Ctrl-C reaches it by itself.
  const child = spawn(process.execPath, [main, ...given.positionals], {
    stdio: "inherit",
    env: { ...io.env },
  });
  const end = () => child.kill("SIGTERM");
  io.signal.addEventListener("abort", end, { once: true });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? SIGNALLED + INTERRUPT));
  });
}
