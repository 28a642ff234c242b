/** Times in requests. */

/** RFC 3339, with seconds and an offset. */
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?)([Zz]|[+-]\d{2}:\d{2})$/;

/** A time of RFC 3339, or as many ms since 1970 in decimal digits; undefined: neither. Below a ms is cut off. */
export function parseTime(text: string): Date | undefined {
  if (/^\d{1,15}$/.test(text)) return new Date(Number(text));
  const [, day, time, offset] = RFC_3339.exec(text) ?? [];
  if (day === undefined) return undefined;
  const at = new Date(`${day}T${time}${offset!.toUpperCase()}`);
  // The 30th of February would be in March.
  const midnight = new Date(`${day}T00:00:00Z`);
  const isDay = !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day);
  return isDay && at.getTime() >= 0 ? at : undefined;
}
