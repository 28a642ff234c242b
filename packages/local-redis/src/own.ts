/** Whether files that are about to be run can have been put there, or changed, by somebody else. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { LocalRedisError } from "./error.ts";

const ANYONE_WRITES = 0o002;

/**
 * Rejects with LocalRedisError when the directory, or anything in it, belongs to another user than us and root, or can be written by
 * everyone. The mode of a symbolic link means nothing; its target, if it is in the tree, is looked at by itself. Elsewhere than on POSIX
 * systems there is nothing to check.
 */
export async function checkOwn(directory: string, { deep }: { readonly deep: boolean }): Promise<void> {
  const user = process.getuid?.();
  if (user === undefined) return;
  // Another process may be replacing a tree that no longer runs: what is gone is not run.
  const paths = deep ? await readdir(directory, { recursive: true }).catch(() => []) : [];
  for (const path of [directory, ...paths.map((name) => join(directory, name))]) {
    const found = await lstat(path).catch(() => undefined);
    if (found === undefined) continue;
    const { uid, mode } = found;
    const isLink = found.isSymbolicLink();
    const isForeign = uid !== user && uid !== 0;
    if (!isForeign && (isLink || (mode & ANYONE_WRITES) === 0)) continue;
    const why = isForeign ? `belongs to user ${uid}, not to ${user}` : "can be written by everyone";
    throw new LocalRedisError(
      `${path} ${why}, so it is not run: remove ${directory}, or set XDG_CACHE_HOME to a directory of your own`,
    );
  }
}
