/**
 * Verifies browser tokens. Hono checks the header and the signature (crypto.subtle.verify, constant time) with the algorithm that the key is
 * for; the claims are checked here, on a clock that allows for a difference, and only after the signature: a forged token learns nothing.
 */
import { decode, verify } from "hono/utils/jwt/jwt";
import { type Grant, GRANT_CLAIM, grantOf, type Grants, whyNoGrant } from "../core/grant.ts";
import { BROWSER_TOKEN_LENGTH_MAX, ID_BYTES_MAX } from "../core/limits.ts";
import { utf8Length } from "../core/utf8.ts";
import { TOKEN_TYPE } from "../tokens/sign.ts";
import type { ResolvedBrowserTokens } from "./browser-options.ts";
import { fixedKeys, type Keys, RemoteKeys } from "./jwks.ts";

/** Why a token is not accepted, as a category. */
export const REFUSALS = [
  /** Not three parts of base64url with JSON in them, or too long. */
  "format",
  /** Another `typ` than `at+jwt`, another `alg` than that of the key, or `crit`. */
  "header",
  /** No `kid`, or one that the key set does not have. */
  "key",
  "signature",
  "issuer",
  "audience",
  /** No `sub`, or a longer one than 256 bytes. */
  "subject",
  /** `exp`, `iat` or `nbf` missing, no number, or in the future. */
  "time",
  /** Good for longer than `maxAge`. */
  "age",
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What is said of a token that verifies. */
export interface Verified {
  readonly subject: string;
  readonly grant: Grant;
  /** Until when it is accepted, ms since 1970: `exp` and the leeway. */
  readonly endsAt: number;
}

export type Verdict =
  | { readonly is: "good"; readonly verified: Verified }
  | { readonly is: "expired" }
  | { readonly is: "invalid"; readonly reason: Refusal }
  /** `why` quotes nothing of the token. */
  | { readonly is: "grant"; readonly why: string }
  | { readonly is: "unavailable" };

type Claims = Readonly<Record<string, unknown>>;
type Key = Parameters<typeof verify>[1];

const HMAC = { name: "HMAC", hash: "SHA-256" };

/** Verifies the tokens of one app. verdict() never rejects. */
export class Verifier {
  readonly #options: ResolvedBrowserTokens;
  readonly #keys: Keys | undefined;
  readonly #now: () => number;
  #secrets: readonly CryptoKey[] | undefined;

  /** `now`: ms since 1970. */
  constructor(options: ResolvedBrowserTokens, now: () => number = Date.now) {
    this.#options = options;
    this.#now = now;
    const { jwks } = options;
    if (jwks !== undefined) this.#keys = typeof jwks === "string" ? new RemoteKeys(jwks) : fixedKeys(jwks);
  }

  async verdict(token: string): Promise<Verdict> {
    if (token.length > BROWSER_TOKEN_LENGTH_MAX || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token))
      return no("format");
    const header = headerOf(token);
    if (header === undefined) return no("format");
    const signed = await this.#signed(token, header);
    return "is" in signed ? signed : this.#judge(signed.claims);
  }

  async #signed(token: string, header: Claims): Promise<Verdict | { readonly claims: Claims }> {
    if (this.#keys === undefined) {
      this.#secrets ??= await this.#import();
      for (const key of this.#secrets) {
        const claims = await claimsOf(token, key, "HS256");
        if (claims !== undefined) return { claims };
      }
      return no(isHeader(header, "HS256") ? "signature" : "header");
    }
    const { kid } = header;
    if (typeof kid !== "string") return no("key");
    const found = await this.#keys.find(kid);
    if (found === "unavailable") return { is: "unavailable" };
    if (found === "unknown") return no("key");
    const claims = await claimsOf(token, { ...found.jwk }, found.alg);
    return claims === undefined ? no(isHeader(header, found.alg) ? "signature" : "header") : { claims };
  }

  async #import(): Promise<readonly CryptoKey[]> {
    const secrets = this.#options.secrets ?? [];
    const bytes = secrets.map((secret) => new TextEncoder().encode(secret));
    return Promise.all(bytes.map((raw) => crypto.subtle.importKey("raw", raw, HMAC, false, ["verify"])));
  }

  #judge(claims: Claims): Verdict {
    const { issuer, audience, maxAge, leeway } = this.#options;
    const now = this.#now();
    if (claims["iss"] !== issuer) return no("issuer");
    const { aud, sub } = claims;
    if (aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) return no("audience");
    if (typeof sub !== "string" || sub === "" || utf8Length(sub) > ID_BYTES_MAX) return no("subject");
    const [exp, iat, nbf] = ["exp", "iat", "nbf"].map((name) => msOf(claims[name]));
    if (typeof exp !== "number" || iat === null || nbf === null) return no("time");
    if (exp + leeway <= now) return { is: "expired" };
    if ((iat ?? now) > now + leeway || (nbf ?? now) > now + leeway) return no("time");
    if (exp - (iat ?? now) > maxAge) return no("age");
    const why = whyNoGrant(claims[GRANT_CLAIM]);
    if (why !== undefined)
      return { is: "grant", why: `${GRANT_CLAIM}${why.startsWith(".") ? "" : " "}${why}` };
    const grant = grantOf(claims[GRANT_CLAIM] as Grants);
    return { is: "good", verified: { subject: sub, grant, endsAt: exp + leeway } };
  }
}

function no(reason: Refusal): Verdict {
  return { is: "invalid", reason };
}

/** ms of a NumericDate; undefined: there is none; null: it is no such thing. */
function msOf(seconds: unknown): number | undefined | null {
  if (seconds === undefined) return undefined;
  const isTime = typeof seconds === "number" && seconds >= 0 && seconds < 1e11;
  return isTime ? seconds * 1000 : null;
}

/** What of the claims and the header can be shown to people; undefined: it is no token. Not verified. */
export function unverified(token: string): { readonly header: Claims; readonly claims: Claims } | undefined {
  try {
    const { header, payload } = decode(token) as unknown as { header: unknown; payload: unknown };
    if (isObject(header) && isObject(payload)) return { header, claims: payload };
  } catch {
    // Told below.
  }
  return undefined;
}

function headerOf(token: string): Claims | undefined {
  return unverified(token)?.header;
}

function isObject(value: unknown): value is Claims {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isHeader({ alg, typ, crit }: Claims, expected: string): boolean {
  const isType = typeof typ === "string" && typ.toLowerCase().replace(/^application\//, "") === TOKEN_TYPE;
  return alg === expected && isType && crit === undefined;
}

/** The claims, if the header is the expected one and the signature is right. */
async function claimsOf(
  token: string,
  key: Key,
  alg: "HS256" | "RS256" | "ES256" | "EdDSA",
): Promise<Claims | undefined> {
  try {
    const claims: unknown = await verify(token, key, {
      alg,
      typ: TOKEN_TYPE,
      exp: false,
      nbf: false,
      iat: false,
    });
    return isObject(claims) ? claims : undefined;
  } catch {
    return undefined;
  }
}
