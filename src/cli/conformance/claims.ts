/** What checks claim of a recorder, and wait for. */
import { Skip } from "./run.ts";
import type { Trial } from "./trial.ts";

/** How long the recorder may take to read a line, ms. */
export const GATHER_MS = 200;
/** A grace longer than any check, so that it does not end meanwhile. */
export const LONG_GRACE_MS = 600_000;

export function claim(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

/** Fails if an entry was set aside or a process was fenced. */
export async function unblemished(trial: Trial): Promise<void> {
  const { rejected, everFenced } = await trial.cluster.see();
  if (rejected > 0) throw new Error(`set aside: ${[...new Set(await trial.cluster.reasons())].join("; ")}`);
  claim(everFenced === 0, `${everFenced} process(es) had to be fenced: records were lost or did not add up`);
}

/** Fails if a user was reported offline other than those named, as `ben leave`. */
export async function told(trial: Trial, ...offline: string[]): Promise<void> {
  const seen = await trial.cluster.offline();
  const wrong = seen.filter((one) => !offline.includes(one));
  claim(wrong.length === 0, `wrongly reported offline: ${wrong.slice(0, 5).join(", ")}`);
}

/** Waits until one process is live in every shard, and it is another than `before`. */
export async function registered(trial: Trial, before: string): Promise<void> {
  await trial.until(async ({ live, fenced }) => {
    if ((await trial.cluster.processes("live")).includes(before)) return "it did not register again";
    return live === trial.cluster.shards.length && fenced === 0
      ? undefined
      : `${live} processes are live and ${fenced} fenced, in ${trial.cluster.shards.length} shard(s)`;
  });
}

export async function liveProcess(trial: Trial): Promise<string> {
  await trial.until(({ live }) => (live > 0 ? undefined : "no process is live"));
  return (await trial.cluster.processes("live"))[0]!;
}

export function canStop(): void {
  if (process.platform === "win32") throw new Skip("a process cannot be stopped on Windows");
}
