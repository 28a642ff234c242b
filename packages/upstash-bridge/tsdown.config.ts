import { defineConfig } from "tsdown";

/** What it needs of packages/local-redis is put into its own files: each package installs by itself. */
export default defineConfig({
  entry: ["src/index.ts", "src/main.ts"],
  outDir: "dist",
  format: "esm",
  target: "es2023",
  platform: "node",
  fixedExtension: false,
  sourcemap: true,
  dts: { sourcemap: false },
});
