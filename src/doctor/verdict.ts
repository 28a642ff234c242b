/** What doctor says about one thing: how bad it is, what was found, and what to do. */

/** From worst to best, which is also the order in which verdicts are printed. */
export const LEVELS = [
  /** Presence is wrong or stops: do something now. */
  "critical",
  /** It works, and something will go wrong or already has. */
  "warning",
  /** Not known, because this Redis or this user does not say. */
  "unknown",
  /** Worth knowing; nothing has to be done. */
  "note",
  "ok",
] as const;
export type Level = (typeof LEVELS)[number];

/** What is looked at, one word each. docs/operations.md, "Doctor", has them all. */
export const CHECKS = [
  "reachable",
  "version",
  "mode",
  "replication",
  "persistence",
  "slowlog",
  "eviction",
  "memory",
  "clients",
  "settings",
  "scripts",
  "commands",
  "rights",
  "clock",
  "latency",
  "keys",
  "shards",
  "protocol",
  "lag",
  "group",
  "rejected",
  "processes",
  "subscribers",
] as const;
export type Check = (typeof CHECKS)[number];

export interface Verdict {
  /** The same thing has the same word in every run. */
  readonly check: Check;
  readonly level: Level;
  /** What was found, and what it means. No user ids, no secrets. */
  readonly found: string;
  /** What to do, if possible a command to type; undefined where nothing has to be done. */
  readonly remedy?: string;
}

export const ok = (check: Check, found: string): Verdict => ({ check, level: "ok", found });
export const critical = (check: Check, found: string, remedy: string): Verdict => ({ check, level: "critical", found, remedy }); // prettier-ignore
export const warning = (check: Check, found: string, remedy: string): Verdict => ({ check, level: "warning", found, remedy }); // prettier-ignore
export const note = (check: Check, found: string, remedy?: string): Verdict => ({
  check,
  level: "note",
  found,
  ...(remedy !== undefined && { remedy }),
});

/** `needs`: what would tell, as `+info`. */
export const unknown = (check: Check, needs: string): Verdict => ({
  check,
  level: "unknown",
  found: `not known: ${needs}`,
});

/** The worst first; within a level in the order given. */
export function worstFirst(verdicts: readonly Verdict[]): Verdict[] {
  return LEVELS.flatMap((level) => verdicts.filter((one) => one.level === level));
}

/** Whether nothing has to be done: what is not known and notes do not count. */
export function isWell(verdicts: readonly Verdict[]): boolean {
  return verdicts.every(({ level }) => level !== "critical" && level !== "warning");
}

/** `n thing` or `n things`, with the number written as people do. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;
}

/** A duration in the largest unit that fits: `340 ms`, `12 s`, `5 min`, `3 h`, `2 days`. */
export function lasting(ms: number): string {
  const whole = Math.max(0, Math.round(ms));
  if (whole < 1_000) return `${whole} ms`;
  if (whole < 120_000) return `${Math.round(whole / 1_000)} s`;
  if (whole < 7_200_000) return `${Math.round(whole / 60_000)} min`;
  if (whole < 172_800_000) return `${Math.round(whole / 3_600_000)} h`;
  return `${Math.round(whole / 86_400_000)} days`;
}

/** `a, b and 3 more`. */
export function some(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(", ");
  return names.length <= most ? shown : `${shown} and ${names.length - most} more`;
}
