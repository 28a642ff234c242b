/** The checks of options that those who sign and those who verify share. All throw PresenceError OPTIONS_INVALID and never quote a secret. */
import {
  BROWSER_NAME_MAX,
  BROWSER_SECRET_BYTES_MAX,
  BROWSER_SECRET_BYTES_MIN,
  BROWSER_SECRETS_MAX,
} from "../core/limits.ts";
import { invalid } from "../core/options.ts";

/** A secret, or the key of cursors: text of 32 to 256 bytes. */
export function checkSecret(name: string, secret: unknown): string {
  const bytes = typeof secret === "string" ? new TextEncoder().encode(secret).length : -1;
  if (bytes >= BROWSER_SECRET_BYTES_MIN && bytes <= BROWSER_SECRET_BYTES_MAX) return secret as string;
  const had = bytes === -1 ? "it is no text" : `it has ${bytes}`;
  return invalid(
    `${name} must have ${BROWSER_SECRET_BYTES_MIN} to ${BROWSER_SECRET_BYTES_MAX} bytes and ${had}: create one with openssl rand -hex 32`,
  );
}

/** One secret or several; the first one is the newest. */
export function checkSecrets(name: string, secrets: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(secrets) ? secrets : [secrets];
  if (list.length === 0 || list.length > BROWSER_SECRETS_MAX)
    invalid(`${name} must be a secret or a list of 1 to ${BROWSER_SECRETS_MAX}`);
  return list.map((secret, i) => checkSecret(Array.isArray(secrets) ? `${name}[${i}]` : name, secret));
}

/** An issuer or an audience. */
export function checkName(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "" && value.length <= BROWSER_NAME_MAX) return value;
  return invalid(`${name} must be text of 1 to ${BROWSER_NAME_MAX} characters`);
}
