/**
 * Servers of newer Debian releases, run on this system without installing anything.
 *
 * Each release has an apt tree of its own in the cache, with lists that apt checks against Debian's keys. The server's packages
 * and the libraries they name are unpacked beside it, and a wrapper called `redis-server` starts it with that release's own
 * `ld.so` and libc, because a server built for a newer libc does not run with this system's.
 */
import { lstat, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cacheDirectory } from "../../../packages/local-redis/src/extract.ts";
import { run } from "../run.ts";

export interface DebianServer {
  /** As in `--only`: `redis-8.0`. */
  readonly name: string;
  readonly suite: string;
  /** The suite that the libraries come from; `suite` if it is a whole release. */
  readonly base?: string;
  readonly package: "redis-server" | "valkey-server";
  /** Older than Rollcall's floor: it must be refused when `ready` is awaited. */
  readonly tooOld?: true;
}

/** The engines that Debian has. No suite has a Redis 6.2, 7.2 or 7.4, or a Valkey 7.2. */
export const DEBIAN_SERVERS: readonly DebianServer[] = [
  { name: "redis-6.0", suite: "bullseye", package: "redis-server", tooOld: true },
  { name: "redis-7.0", suite: "bookworm", package: "redis-server" },
  { name: "redis-8.0", suite: "trixie", package: "redis-server" },
  { name: "redis-8.6", suite: "experimental", base: "sid", package: "redis-server" },
  { name: "valkey-8.0", suite: "bookworm-backports", base: "bookworm", package: "valkey-server" },
  { name: "valkey-8.1", suite: "trixie", package: "valkey-server" },
  { name: "valkey-9.1", suite: "sid", package: "valkey-server" },
];

const APT_MS = 150_000;
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const SOURCES = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
/** Of what an installation would add, what a server may load. The rest is for maintaining a system. */
const NEEDED =
  /^(lib(?!pam|debconf|semanage|audit|gconv)|redis-(server|tools)|valkey-(server|tools)|zlib1g|lua-)/;

/** A folder to put first on the PATH. Rejects when the release, its package or a library cannot be had, and says why. */
export async function debianServer(server: DebianServer): Promise<string> {
  const home = join(cacheDirectory(), "engines");
  await mkdir(home, { recursive: true, mode: 0o700 });
  const owner = await lstat(home);
  if (!owner.isDirectory() || owner.uid !== process.getuid?.()) {
    throw new Error(`${home} belongs to another user: remove it, or set XDG_CACHE_HOME`);
  }
  const tree = join(home, `${server.name}-${process.arch}`);
  const bin = join(tree, "bin");
  if (await works(bin)) return bin;
  const apt = await aptFor(server, home);
  const partial = join(home, `partial-${server.name}-${process.pid}`);
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial);
  try {
    const packages = await packagesOf(apt, server.package);
    await apt(["download", ...packages], partial);
    for (const file of await readdir(partial)) {
      if (!file.endsWith(".deb")) continue;
      await run("dpkg", ["-x", join(partial, file), partial], { cwd: partial, timeout: APT_MS });
      await rm(join(partial, file));
    }
    await writeWrapper(partial, tree, server.package);
    await rm(tree, { recursive: true, force: true });
    await rename(partial, tree);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  if (!(await works(bin))) throw new Error(`the ${server.package} of ${server.suite} does not run here`);
  return bin;
}

async function works(bin: string): Promise<boolean> {
  const version = run(join(bin, "redis-server"), ["--version"], { cwd: "/", timeout: 10_000 });
  return version.then(
    (printed) => /server v=/i.test(printed),
    () => false,
  );
}

type Apt = (args: readonly string[], cwd: string) => Promise<string>;

/** apt-get with the suites of a server, and nothing of this system's. Refreshes the lists once. */
async function aptFor({ name, suite, base }: DebianServer, home: string): Promise<Apt> {
  const mirror = await mirrorHere();
  const root = join(home, `apt-${name}`);
  await mkdir(join(root, "lists/partial"), { recursive: true });
  await mkdir(join(root, "cache/archives/partial"), { recursive: true });
  await mkdir(join(root, "preferences.d"), { recursive: true });
  const line = (one: string) => `deb [signed-by=${KEYRING}] ${mirror} ${one} main\n`;
  const suites = [suite, base].filter((one) => one !== undefined);
  await writeFile(join(root, "sources.list"), suites.map(line).join(""));
  // A suite of additions is not a candidate by itself.
  const preference = `Package: *\nPin: release a=${suite}\nPin-Priority: 990\n`;
  await writeFile(join(root, "preferences"), preference);
  const settings = {
    "APT::Sandbox::User": "root",
    "Acquire::Languages": "none",
    "Dir::State": root,
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(root, "cache"),
    "Dir::Etc::sourcelist": join(root, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::Etc::preferences": join(root, "preferences"),
    "Dir::Etc::preferencesparts": join(root, "preferences.d"),
  };
  const flags = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const env = { LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
  const apt: Apt = (args, cwd) => run("apt-get", ["-q", ...flags, ...args], { cwd, timeout: APT_MS, env });
  await apt(["update"], root);
  return apt;
}

async function packagesOf(apt: Apt, server: string): Promise<string[]> {
  const printed = await apt(["--simulate", "--no-install-recommends", "install", server], "/");
  const added = [...printed.matchAll(/^Inst (\S+)/gm)].map((match) => match[1]!);
  return added.filter((name) => NEEDED.test(name));
}

/** The mirror that this system uses for Debian. */
async function mirrorHere(): Promise<string> {
  for (const file of SOURCES) {
    const text = await readFile(file, "utf8").catch(() => "");
    const found = /(?:^URIs:\s*|^deb\s+(?:\[[^\]]*\]\s+)?)(\S+\/debian\/?)(?:\s|$)/m.exec(text)?.[1];
    if (found !== undefined) return found;
  }
  throw new Error("this system has no Debian sources: pass servers with --binary or --redis");
}

/** Written into `partial`, for the place where it will be. By `exec`, the server keeps the process id of its wrapper. */
async function writeWrapper(partial: string, tree: string, name: string): Promise<void> {
  const { loader, folders } = await loaderIn(partial);
  const libraries = folders.map((folder) => join(tree, folder)).join(":");
  const binary = join(tree, "usr/bin", name);
  const text = `#!/bin/sh\nexec "${join(tree, loader)}" --library-path "${libraries}" "${binary}" "$@"\n`;
  await mkdir(join(partial, "bin"));
  await writeFile(join(partial, "bin/redis-server"), text, { mode: 0o755 });
}

/** Relative to the tree: the loader, and the folders with libraries. */
async function loaderIn(tree: string): Promise<{ loader: string; folders: string[] }> {
  const folders: string[] = [];
  for (const parent of ["usr/lib", "lib"]) {
    for (const entry of await readdir(join(tree, parent)).catch((): string[] => [])) {
      if (entry.includes("-linux-")) folders.push(join(parent, entry));
    }
  }
  for (const folder of folders) {
    const loader = (await readdir(join(tree, folder))).find((file) => /^ld-linux.*\.so\.\d$/.test(file));
    if (loader !== undefined) return { loader: join(folder, loader), folders };
  }
  throw new Error(`${tree} has no ld.so`);
}
