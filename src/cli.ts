#!/usr/bin/env node
/** `npx rollcall`: the commands are in src/cli. They are loaded once it is known that this Node has what they use. */
const LEAST = [22, 12] as const;
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
  process.stderr.write(
    `rollcall: it needs Node ${LEAST.join(".")} or later, and this is ${process.versions.node} (${process.execPath})\n`,
  );
  process.exitCode = 2;
} else {
  const { main } = await import("./cli/main.ts");
  process.exitCode = await main(process.argv.slice(2));
}
