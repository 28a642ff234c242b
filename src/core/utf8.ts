/**
 * UTF-8 without TextEncoder: this folder uses no runtime's API.
 * Lone surrogates count as U+FFFD, as in the Encoding standard.
 */

/** Calls `visit` with each byte of the UTF-8 form of `text`. */
export function eachUtf8Byte(text: string, visit: (byte: number) => void): void {
  for (const character of text.toWellFormed()) {
    const code = character.codePointAt(0)!;
    if (code < 0x80) {
      visit(code);
    } else if (code < 0x800) {
      visit(0xc0 | (code >> 6));
      visit(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
      visit(0xe0 | (code >> 12));
      visit(0x80 | ((code >> 6) & 0x3f));
      visit(0x80 | (code & 0x3f));
    } else {
      visit(0xf0 | (code >> 18));
      visit(0x80 | ((code >> 12) & 0x3f));
      visit(0x80 | ((code >> 6) & 0x3f));
      visit(0x80 | (code & 0x3f));
    }
  }
}

/** How many bytes `text` takes in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  eachUtf8Byte(text, () => bytes++);
  return bytes;
}
