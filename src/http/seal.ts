/**
 * Cursors that say nothing. A cursor holds positions of everybody's changes: how many there were and when. For a holder who may see some
 * users only it is encrypted (AES-GCM), each time anew and always as long, so that two of them cannot even be compared. It is bound to
 * the subject and to what it is a cursor of.
 */
import { PresenceError } from "../core/errors.ts";
import { URL_BYTES_MAX } from "../core/limits.ts";
import { base64url } from "../tokens/sign.ts";

const CIPHER = "AES-GCM";
const IV_BYTES = 12;
/** Characters of a sealed cursor are a multiple of this before it is encrypted. */
const BLOCK = 64;
/** Most characters of a position in one shard, `1700000000000-18446744073709551615_`, with room; and of the mark of a scope. */
const POSITION_CHARACTERS = 38;
const MARK_CHARACTERS = 12;
/** What a sealed cursor begins with; no other cursor does. */
const SIGN = "e";

const encoder = new TextEncoder();

interface SealKeys {
  /** The first one seals; all of them open. */
  readonly ciphers: readonly CryptoKey[];
  readonly ids: CryptoKey;
}

/** Seals and opens cursors, and gives changes ids that say nothing either. */
export class Seal {
  readonly #secrets: readonly (string | Uint8Array<ArrayBuffer>)[];
  readonly #size: number;
  #keys: SealKeys | undefined;

  /** `secrets`: the newest first; none: a random one, as long as this object lives. */
  constructor(secrets: readonly string[], shards: number) {
    this.#secrets = secrets.length > 0 ? secrets : [crypto.getRandomValues(new Uint8Array(32))];
    this.#size = blocks(MARK_CHARACTERS + shards * POSITION_CHARACTERS);
  }

  /** `kind`: what it is a cursor of. */
  async seal(cursor: string, kind: string, subject: string): Promise<string> {
    const { ciphers } = await this.#all();
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const padded = encoder.encode(cursor.padEnd(Math.max(this.#size, blocks(cursor.length)), " "));
    const additionalData = boundTo(kind, subject);
    const text = await crypto.subtle.encrypt({ name: CIPHER, iv, additionalData }, ciphers[0]!, padded);
    const bytes = new Uint8Array(IV_BYTES + text.byteLength);
    bytes.set(iv);
    bytes.set(new Uint8Array(text), IV_BYTES);
    return SIGN + base64url(bytes);
  }

  /** Throws PresenceError CURSOR_INVALID for anything but a cursor that was sealed for this subject and kind. */
  async open(cursor: string, kind: string, subject: string): Promise<string> {
    const bytes = bytesOf(cursor);
    const additionalData = boundTo(kind, subject);
    for (const key of bytes === undefined ? [] : (await this.#all()).ciphers) {
      try {
        const iv = bytes!.subarray(0, IV_BYTES);
        const text = await crypto.subtle.decrypt({ name: CIPHER, iv, additionalData }, key, bytes!.subarray(IV_BYTES)); // prettier-ignore
        return new TextDecoder().decode(text).trimEnd();
      } catch {
        // Perhaps another secret did.
      }
    }
    throw new PresenceError("CURSOR_INVALID", "invalid cursor for this token; start again without one");
  }

  /** An id for a change: the same each time, and without the time and place that the original has. */
  async idOf(id: string, user: string): Promise<string> {
    const { ids } = await this.#all();
    const mac = await crypto.subtle.sign("HMAC", ids, encoder.encode(JSON.stringify([id, user])));
    return base64url(new Uint8Array(mac).subarray(0, 16));
  }

  async #all(): Promise<SealKeys> {
    // Two callers may both derive them: in a Worker no request may wait for another's promise.
    return (this.#keys ??= await this.#derive());
  }

  async #derive(): Promise<SealKeys> {
    const aes = { name: CIPHER, length: 256 };
    const hmac = { name: "HMAC", hash: "SHA-256", length: 256 };
    return {
      ciphers: await Promise.all(
        this.#secrets.map((secret) => derived(secret, "rollcall cursor 1", aes, ["encrypt", "decrypt"])),
      ),
      ids: await derived(this.#secrets[0]!, "rollcall change 1", hmac, ["sign"]),
    };
  }
}

async function derived(
  secret: string | Uint8Array<ArrayBuffer>,
  purpose: string,
  algorithm: { readonly name: string; readonly length: number; readonly hash?: string },
  usages: readonly KeyUsage[],
): Promise<CryptoKey> {
  const raw = typeof secret === "string" ? encoder.encode(secret) : secret;
  const base = await crypto.subtle.importKey("raw", raw, "HKDF", false, ["deriveKey"]);
  const how = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: encoder.encode(purpose) };
  return crypto.subtle.deriveKey(how, base, algorithm, false, [...usages]);
}

function boundTo(kind: string, subject: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify([kind, subject]));
}

function blocks(characters: number): number {
  return Math.ceil(characters / BLOCK) * BLOCK;
}

function bytesOf(cursor: string): Uint8Array<ArrayBuffer> | undefined {
  if (cursor.length > URL_BYTES_MAX || !/^e[\w-]{40,}$/.test(cursor)) return undefined;
  try {
    const text = atob(cursor.slice(SIGN.length).replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(text, (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
