/** What a browser and a Worker load: one file by esbuild, with nothing of Node in it, within its budget. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export interface Bundle {
  /** Minified, bytes. */
  readonly minified: number;
  /** And gzipped, bytes. */
  readonly gzipped: number;
  /** The packages whose files are in it. */
  readonly packages: readonly string[];
}

/**
 * What a door exports, all of it or some names, from what is installed in `folder`. Rejects when something cannot be found without Node's
 * modules, or when anything is left to import at run time.
 */
export async function bundle(folder: string, door: string, names = "*"): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: `export ${names} from ${JSON.stringify(door)};`, resolveDir: folder },
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    target: "es2022",
    // Knows none of Node's modules: an import of one fails.
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "worker", "browser"],
    logLevel: "silent",
  });
  const left = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  if (left.length > 0) throw new Error(`${door} imports ${left.join(", ")} at run time`);
  const paths = Object.keys(metafile.inputs);
  const nodes = paths.filter((path) => path.startsWith("node:"));
  if (nodes.length > 0) throw new Error(`${door} brings ${nodes.join(", ")}`);
  const packages = paths.flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)\/(?!.*node_modules\/)/.exec(path)?.[1] ?? [],
  );
  const { contents } = outputFiles[0]!;
  return {
    minified: contents.length,
    gzipped: gzipSync(contents, { level: 9 }).length,
    packages: [...new Set(packages)].sort(),
  };
}
