/** Keys of signed records, derived for one prefix. With WebCrypto, which every runtime of a projector has. */
import { lettersOf, padsOf, textToSign, UNSIGNED } from "../core/mac.ts";

const FINGERPRINT_DIGITS = 16;

export interface RecordKeys {
  /** As `mac` of the totals has them: fingerprints, and `unsigned`, with a space between; "": none. */
  readonly mac: string;
  /** What the script gets, from its tenth argument on. */
  readonly argument: readonly string[];
  /** What records are signed with, 64 letters; undefined: they are not. */
  readonly signing: string | undefined;
}

export const NO_KEYS: RecordKeys = { mac: "", argument: [], signing: undefined };

async function hmac(hash: "SHA-1" | "SHA-256", key: string, text: string): Promise<Uint8Array> {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(key), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is kept of checked keys. The keys themselves never reach Redis; what does is good for this prefix only. */
export async function deriveRecordKeys(
  keys: readonly string[] | undefined,
  prefix: string,
): Promise<RecordKeys> {
  if (keys === undefined) return NO_KEYS;
  const derived = await Promise.all(
    keys.map(async (key) => {
      if (key === UNSIGNED) return { fingerprint: UNSIGNED, letters: undefined };
      const letters = lettersOf(await hmac("SHA-256", key, `rollcall record ${prefix}`));
      const fingerprint = hexOf(await hmac("SHA-256", key, `rollcall fingerprint ${prefix}`));
      return { fingerprint: fingerprint.slice(0, FINGERPRINT_DIGITS), letters };
    }),
  );
  const mac = derived.map((one) => one.fingerprint).join(" ");
  const pads = derived.flatMap(({ letters }) => (letters === undefined ? [] : padsOf(letters)));
  return { mac, argument: [mac, ...pads], signing: derived[0]!.letters };
}

/** The fields with their `mac`; without a key as they are. A recorder signs with node:crypto, which is faster. */
export async function signedSlowly(
  fields: readonly string[],
  recordsKey: string,
  signing: string | undefined,
): Promise<readonly string[]> {
  if (signing === undefined) return fields;
  return [...fields, "mac", hexOf(await hmac("SHA-1", signing, textToSign(recordsKey, fields)))];
}
