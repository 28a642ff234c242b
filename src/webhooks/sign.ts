/** The headers of Standard Webhooks 1.0, signed with Web Crypto. */
import { textToSign } from "../core/webhook.ts";

export interface Signer {
  /** For `webhook-signature`: one signature for each secret. `seconds`: the time of this attempt. */
  sign(id: string, seconds: number, body: string): Promise<string>;
}

const HMAC = { name: "HMAC", hash: "SHA-256" };

/** `secrets`: base64, as checkSecrets() returns them. */
export function signerOf(secrets: readonly string[]): Signer {
  let imported: Promise<readonly CryptoKey[]> | undefined;
  const importAll = () =>
    Promise.all(
      secrets.map((secret) => crypto.subtle.importKey("raw", bytesOf(atob(secret)), HMAC, false, ["sign"])),
    );
  return {
    async sign(id, seconds, body) {
      const data = new TextEncoder().encode(textToSign(id, seconds, body));
      const signatures = await Promise.all(
        (await (imported ??= importAll())).map((key) => crypto.subtle.sign("HMAC", key, data)),
      );
      return signatures
        .map((signature) => `v1,${btoa(String.fromCharCode(...new Uint8Array(signature)))}`)
        .join(" ");
    },
  };
}

function bytesOf(binary: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
