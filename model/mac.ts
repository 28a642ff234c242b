/**
 * Signed records, as docs/protocol.md has them, with nothing of src: the derived key, the fingerprint, the `mac` of a record, and whether a caller
 * accepts it.
 */
import { createHmac } from "node:crypto";
import { SIGNED_BYTES_MAX } from "../src/core/limits.ts";
import type { Proof } from "./parse.ts";

const hmac = (hash: "sha1" | "sha256", key: string, text: string) =>
  createHmac(hash, key).update(text).digest("hex");

/** The key of a prefix: 64 letters. */
export function derivedKey(key: string, prefix: string): string {
  const letter = (digit: string) => "abcdefghijklmnop"[Number.parseInt(digit, 16)]!;
  return Array.from(hmac("sha256", key, `rollcall record ${prefix}`), letter).join("");
}

export function fingerprintOf(key: string, prefix: string): string {
  return hmac("sha256", key, `rollcall fingerprint ${prefix}`).slice(0, 16);
}

/** One line a value; how many there are and the key of the log come first. */
export function macOf(fields: readonly string[], recordsKey: string, derived: string): string {
  return hmac("sha1", derived, [String(fields.length), recordsKey, ...fields].join("\n"));
}

/** `keys`: those of a caller, `unsigned` among them perhaps. */
export function proofOf(keys: readonly string[], prefix: string, recordsKey: string): Proof {
  const derived = keys.filter((key) => key !== "unsigned").map((key) => derivedKey(key, prefix));
  return (fields) => {
    const before = fields.slice(0, -2);
    if (fields.at(-2) !== "mac") return keys.includes("unsigned");
    const bytes = Buffer.byteLength([String(before.length), recordsKey, ...before].join("\n"));
    return (
      bytes <= SIGNED_BYTES_MAX && derived.some((one) => macOf(before, recordsKey, one) === fields.at(-1))
    );
  };
}
