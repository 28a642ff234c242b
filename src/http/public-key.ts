/** One key of a key set (RFC 7517). Which algorithm it is for is decided by its type, never by a token. */

/** The algorithms of public keys. */
type PublicAlgorithm = "RS256" | "ES256" | "EdDSA";

export interface PublicKey {
  readonly kid: string;
  readonly alg: PublicAlgorithm;
  /** Only what is needed to verify with it. */
  readonly jwk: Readonly<Record<string, string>>;
}

/** Characters of a `kid`, and of a number of a key: an RSA modulus of 8,192 bits has 1,366. */
const KID_MAX = 256;
const NUMBER_MAX = 1_400;
/** An RSA modulus of 2,048 bits. */
const MODULUS_MIN = 342;

/** The key, or why it is none. A private key is refused: it does not belong here. */
export function publicKeyOf(value: unknown): PublicKey | string {
  if (typeof value !== "object" || value === null) return "must be a JWK";
  const given = value as Readonly<Record<string, unknown>>;
  const { kid, kty, crv, use, alg } = given;
  if (typeof kid !== "string" || kid === "" || kid.length > KID_MAX)
    return `must have a kid of 1 to ${KID_MAX} characters`;
  if (["d", "p", "q", "k"].some((name) => name in given)) return "is private or secret: give its public part";
  if (use !== undefined && use !== "sig") return "is not for signatures";
  const made = (algorithm: PublicAlgorithm, names: readonly string[]): PublicKey | string => {
    const isOther = alg !== undefined && alg !== algorithm && !(algorithm === "EdDSA" && alg === "Ed25519");
    if (isOther) return `must be for ${algorithm}`;
    const jwk: Record<string, string> = {};
    for (const name of ["kty", "crv", ...names]) {
      const part = given[name];
      if (typeof part === "string" && part.length <= NUMBER_MAX) jwk[name] = part;
      else if (name !== "crv") return `must have ${name}`;
    }
    return { kid, alg: algorithm, jwk };
  };
  if (kty === "RSA") {
    const isShort = typeof given["n"] === "string" && given["n"].length < MODULUS_MIN;
    return isShort ? "must have at least 2,048 bits" : made("RS256", ["n", "e"]);
  }
  if (kty === "EC" && crv === "P-256") return made("ES256", ["x", "y"]);
  if (kty === "OKP" && crv === "Ed25519") return made("EdDSA", ["x"]);
  return "must be an RSA, P-256 or Ed25519 key";
}
