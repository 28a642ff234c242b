/**
 * The next version of everything, as far as ours can tell: a protocol one higher, in the totals, the replies and the first
 * records, and names in records that ours does not know.
 */
import { createHash } from "node:crypto";
import { PROTOCOL } from "../../src/core/limits.ts";
import { project } from "../../src/lua/generated.ts";
import type { Script } from "../../src/redis/scripts.ts";

export const OURS = Number(PROTOCOL);
export const NEXT = OURS + 1;

/** Where the script has its version. Each occurs once. */
const PIECES = [
  "t[2] ~= '$'",
  "tonumber(t[2]) > tonumber('$')",
  "', not ' .. '$'",
  "record.protocol > tonumber('$')",
  "'protocol', '$',",
  "return { '$', now",
];

/** Our script, but for its version. */
export const nextProject: Script = (() => {
  const text = PIECES.reduce((whole, piece) => {
    const [is, becomes] = [OURS, NEXT].map((version) => piece.replace("$", String(version)));
    if (whole.split(is!).length !== 2) throw new Error(`the script does not have once: ${is}`);
    return whole.replace(is!, () => becomes!);
  }, project.text);
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
})();

/** From there on names that are not known are skipped, wherever they stand. */
const AFTER_TTL = 6;

/** A record of ours as the next version would write it. */
export function ofNextVersion(fields: readonly string[]): string[] {
  const at = fields.indexOf("protocol", AFTER_TTL);
  const own = fields.map((field, i) => (at >= 0 && i === at + 1 ? String(NEXT) : field));
  return [...own.slice(0, AFTER_TTL), "hue", "[7]", ...own.slice(AFTER_TTL), "mood", "{}"];
}
