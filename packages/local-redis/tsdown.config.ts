import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts"],
  outDir: "dist",
  format: "esm",
  target: "es2023",
  platform: "node",
  fixedExtension: false,
  sourcemap: true,
  dts: { sourcemap: false },
});
