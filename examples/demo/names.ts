/** User ids of the demo. Some contain characters that are special in a terminal or a URL. */

const NAMES = "alice bob carol dave erin frank grace heidi ivan judy kim leo mia noah olga paul quinn rosa sam tess uma vera will xena yara zoe".split(" "); // prettier-ignore

/** Used first, so that they appear even with few users. */
const ODD = ["zoë", "李雷", "a/b?c=d&e%20f", "mallory\u001b[2J\u202e"];

/** `count` ids, all different. */
export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => ODD[i] ?? regular(i - ODD.length));
}

function regular(i: number): string {
  const name = NAMES[i % NAMES.length]!;
  return i < NAMES.length ? name : `${name}-${Math.floor(i / NAMES.length) + 1}`;
}
