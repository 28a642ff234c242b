/** Text for a terminal: user ids must not move the cursor, and everything must fit. */

/** Characters that are neither visible nor a space: controls, bidirectional marks, unassigned code points, fillers. */
const INVISIBLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]|\p{Default_Ignorable_Code_Point}/u;
const ESCAPED = new RegExp(`${INVISIBLE.source}|\\\\|(?<=\\p{M}\\p{M})\\p{M}`, "gu");
const MARK = /[\p{Mn}\p{Me}]/u;
/** Approximately Unicode's wide characters. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** The text with invisible and control characters written as `\u{…}`. */
export function printable(text: string): string {
  return text.replace(ESCAPED, (found) =>
    found === "\\" ? "\\\\" : `\\u{${found.codePointAt(0)!.toString(16)}}`,
  );
}

/** How many terminal cells a printable text takes. */
export function cells(text: string): number {
  let sum = 0;
  for (const character of text) sum += MARK.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return sum;
}

/** The text, cut with an ellipsis when it takes more than `width` cells. */
export function cut(text: string, width: number): string {
  if (cells(text) <= width) return text;
  if (width < 1) return "";
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += cells(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Lines of at most `width` cells, broken at spaces; a longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && cells(last) + 1 + cells(word) <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Cut or padded with spaces to exactly `width` cells. */
export function column(text: string, width: number, align: "left" | "right" = "left"): string {
  const shown = cut(text, width);
  const fill = " ".repeat(Math.max(0, width - cells(shown)));
  return align === "left" ? shown + fill : fill + shown;
}
