import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    globalSetup: ["rig/global-setup.ts"],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // Two cores is what the smallest of our machines has; every file starts a Redis of its own.
    maxWorkers: 2,
  },
});
