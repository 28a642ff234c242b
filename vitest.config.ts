import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    globalSetup: ["rig/global-setup.ts"],
    // Bounds for what hangs, not for what is slow: tests also run beside a load. Longer than rig/until.ts waits (25 s), so
    // that it is the condition that fails and says what was seen last.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 25_000 } },
    // Two cores is what the smallest of our machines has. A third of the time tests wait, for leases and retries, so three files at a
    // time; every one starts a Redis of its own.
    maxWorkers: 3,
  },
});
