/** `npm run build`: the doors of the package as ES modules, with types and source maps, in dist. */
import { readFileSync, writeFileSync } from "node:fs";
import { defineConfig } from "tsdown";
import { dropMaps } from "./scripts/drop-maps.ts";
import { writeScript } from "./scripts/write-script.ts";

/** What is put into our files instead of being installed beside them. Their licences go along. */
const INLINED = [
  "@hono/node-server",
  "@valibot/to-json-schema",
  "commander",
  "eventsource-parser",
  // Of the dashboard's page.
  "preact",
  "uplot",
  "valibot",
];

function writeLicences(): void {
  const texts = INLINED.map((name) => {
    const licence = ["LICENSE", "LICENSE.md"].flatMap((file) => read(`node_modules/${name}/${file}`)).at(0);
    if (licence === undefined) throw new Error(`${name} has no licence file`);
    return `${name}\n\n${licence.trim()}\n`;
  });
  writeFileSync("dist/THIRD-PARTY.txt", texts.join(`\n${"-".repeat(72)}\n\n`));
}

function read(path: string): string[] {
  try {
    return [readFileSync(path, "utf8")];
  } catch {
    return [];
  }
}

const shared = {
  outDir: "dist",
  format: "esm",
  target: "es2023",
  // The package is of modules alone: `.js` and `.d.ts`, not `.mjs`.
  fixedExtension: false,
  sourcemap: true,
  dts: { sourcemap: false },
} as const;

export default defineConfig([
  {
    ...shared,
    // Together, so that a PresenceError is of one class whichever door it came through.
    entry: ["src/index.ts", "src/http.ts", "src/edge.ts", "src/otel.ts", "src/prometheus.ts", "src/cli.ts"],
    platform: "node",
    onSuccess: () => dropMaps("dist"),
  },
  {
    ...shared,
    // Apart from the others, so that a browser loads little; together, so that an error is of one class whichever door it came through.
    entry: ["src/client.ts", "src/react.ts"],
    platform: "neutral",
    clean: false,
    onSuccess() {
      writeLicences();
      writeScript("dist");
    },
  },
]);
