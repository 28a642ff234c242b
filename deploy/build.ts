/**
 * What the image contains: the entry points as modules that need nothing but Node, so there is no node_modules in it.
 *
 *   node deploy/build.ts <folder>
 */
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";
import { ENTRIES } from "./entries.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: node deploy/build.ts <folder>");

await build({
  absWorkingDir: join(import.meta.dirname, ".."),
  entryPoints: ENTRIES,
  outdir: folder,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  splitting: true,
  platform: "node",
  target: "node24",
  format: "esm",
  // ioredis and Socket.IO are CommonJS, and require what Node has.
  banner: {
    js: 'import { createRequire } from "node:module";const require = createRequire(import.meta.url);',
  },
  // Optional parts of ws, which it does without.
  external: ["bufferutil", "utf-8-validate"],
  legalComments: "eof",
  // The root's is not in the image, and says nothing that matters here.
  tsconfigRaw: {},
});
await chmod(join(folder, "cli.mjs"), 0o755);
