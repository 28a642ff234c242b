/**
 * Signed records, as far as no runtime is needed: what the `mac` of a record is computed over, and when two callers agree on the
 * keys. docs/protocol.md, "Signed records", is the specification; src/lua/project/mac.lua checks what this describes.
 */
import { PresenceError } from "./errors.ts";
import { RECORD_KEY_BYTES_MAX, RECORD_KEY_BYTES_MIN, RECORD_KEYS_MAX } from "./limits.ts";
import { invalid } from "./options.ts";
import { utf8Length } from "./utf8.ts";

/** Among the keys: records without a `mac` are accepted too. */
export const UNSIGNED = "unsigned";

export interface RecordKeyOptions {
  /**
   * Secrets that records are signed with: the first signs, all are accepted. 1 to 3 texts of 32 to 256 bytes
   * (`openssl rand -hex 32`), and `"unsigned"` while records without a signature are accepted too. Default: none, and no record
   * is signed. The same everywhere; docs/operations.md says how to switch it on and how to rotate. RECORD_KEYS_MISMATCH.
   */
  readonly recordKeys?: readonly string[] | undefined;
}

/** Returns them, or throws PresenceError OPTIONS_INVALID, without the value: it is a secret. */
export function checkRecordKeys(keys: unknown): readonly string[] | undefined {
  if (keys === undefined) return undefined;
  if (!Array.isArray(keys)) return invalid("recordKeys must be a list of texts");
  const list: readonly unknown[] = keys;
  const secrets = list.filter((key) => key !== UNSIGNED);
  const isSecret = (key: unknown) => {
    const bytes = typeof key === "string" && key.isWellFormed() ? utf8Length(key) : 0;
    return bytes >= RECORD_KEY_BYTES_MIN && bytes <= RECORD_KEY_BYTES_MAX;
  };
  if (!secrets.every(isSecret)) {
    const bytes = `${RECORD_KEY_BYTES_MIN} to ${RECORD_KEY_BYTES_MAX} bytes`;
    invalid(`recordKeys must contain texts of ${bytes} (openssl rand -hex 32), and possibly "${UNSIGNED}"`);
  }
  if (secrets.length === 0 || secrets.length > RECORD_KEYS_MAX)
    invalid(`recordKeys must contain 1 to ${RECORD_KEYS_MAX} keys; leave it out to sign nothing`);
  if (new Set(list).size !== list.length) invalid("recordKeys must not contain the same key twice");
  return list as readonly string[];
}

/**
 * What `mac` is computed over: how many names and values there are before it, the key of the log, then those. A line feed ends each
 * but the last. None of what a recorder writes contains one, and the number shows it when one does: so no other list of as many
 * values has the same text.
 */
export function textToSign(recordsKey: string, fields: readonly string[]): string {
  return `${fields.length}\n${recordsKey}\n${fields.join("\n")}`;
}

/** A derived key as 64 letters, a to p for the half bytes 0 to 15: one block of SHA-1, with pads that are plain text. */
export function lettersOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(97 + (byte >> 4), 97 + (byte & 15));
  return text;
}

/** The inner and the outer pad of HMAC: all that a script without bit operations needs of a key. */
export function padsOf(letters: string): readonly [inner: string, outer: string] {
  const pad = (by: number) =>
    Array.from(letters, (letter) => String.fromCharCode(letter.charCodeAt(0) ^ by)).join("");
  return [pad(0x36), pad(0x5c)];
}

/** Whether `keys`, as `mac` of the totals has them, accept records signed with `one`. Without keys a `mac` is not looked at. */
function accepts(keys: string, one: string): boolean {
  return keys === UNSIGNED || keys.split(" ").includes(one);
}

/** Whether records signed as `ours` says are folded by a caller that has `theirs`. */
export function isAccepted(ours: string, theirs: string): boolean {
  return accepts(theirs || UNSIGNED, (ours || UNSIGNED).split(" ", 1)[0]!);
}

/** Throws RECORD_KEYS_MISMATCH unless each accepts what the other signs. `theirs`: `mac` of the totals. */
export function checkAgreement(ours: string, theirs: string): void {
  if (!isAccepted(ours, theirs) || !isAccepted(theirs, ours)) throw recordKeysMismatch(ours, theirs);
}

export function recordKeysMismatch(ours: string, theirs: string, cause?: unknown): PresenceError {
  const without = (keys: string) => keys === "" || keys === UNSIGNED;
  const why = without(theirs)
    ? `the records of this prefix are not signed yet: add "${UNSIGNED}" to \`recordKeys\` until every process signs`
    : without(ours)
      ? "the records of this prefix are signed: set `recordKeys` here too"
      : "the records of this prefix are signed with other keys: use the same `recordKeys` everywhere";
  return new PresenceError("RECORD_KEYS_MISMATCH", `${why} (docs/operations.md, "Signed records")`, {
    cause,
  });
}
