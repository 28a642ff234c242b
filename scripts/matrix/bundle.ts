/** What a browser and a Worker load: one file made by esbuild, without Node modules, within its budget. */
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

export interface Bundle {
  /** Minified, bytes. */
  readonly minified: number;
  /** Minified and gzipped, bytes. */
  readonly gzipped: number;
  /** The packages whose files are in it. */
  readonly packages: readonly string[];
}

/**
 * Bundles the exports of entry points, all or some, as installed in `folder`. Rejects when it imports a Node module, or when an
 * import is left for run time that is not one of `brought`, the packages that the application has anyway.
 */
export async function bundle(
  folder: string,
  doors: readonly string[],
  names = "*",
  brought: readonly string[] = [],
): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    stdin: {
      contents: doors.map((door) => `export ${names} from ${JSON.stringify(door)};`).join("\n"),
      resolveDir: folder,
    },
    external: [...brought],
    absWorkingDir: folder,
    bundle: true,
    write: false,
    metafile: true,
    minify: true,
    format: "esm",
    target: "es2022",
    // With this platform, an import of a Node module fails.
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "worker", "browser"],
    logLevel: "silent",
  });
  const left = Object.values(metafile.outputs)
    .flatMap(({ imports }) => imports.map(({ path }) => path))
    .filter((path) => !brought.includes(path));
  if (left.length > 0) throw new Error(`${doors.join()} imports ${left.join(", ")} at run time`);
  const paths = Object.keys(metafile.inputs);
  const nodes = paths.filter((path) => path.startsWith("node:"));
  if (nodes.length > 0) throw new Error(`${doors.join()} brings ${nodes.join(", ")}`);
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
