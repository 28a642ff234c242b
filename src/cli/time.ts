/** Times as people type and read them. */
const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `2026-03-01T14:03:00Z`, a date, ms since 1970, `now`, or how long before `now`: `90s`, `15m`, `2h`, `7d`. Undefined: none of these. */
export function readTime(text: string, now: number): Date | undefined {
  if (text === "now") return new Date(now);
  const [, count, unit] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return valid(now - Number(count) * UNITS[unit!]!);
  if (/^\d{10,15}$/.test(text)) return valid(Number(text));
  // Without a zone it would be the time of this machine, and of another one on another.
  if (!/^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/.test(text))
    return undefined;
  return valid(Date.parse(text));
}

function valid(ms: number): Date | undefined {
  return ms >= 0 && ms <= 8.64e15 ? new Date(ms) : undefined;
}

/** `320 ms`, `2.8 s`, `4 min`, `3 h`, `2 d`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}
