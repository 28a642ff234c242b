/** Makes and verifies tokens. `JWT_SECRET=… node examples/jwt-middleware/tokens.ts alice` prints one that is good for an hour. */
import { sign, verify } from "hono/jwt";

const HOUR_S = 3_600;

const { JWT_SECRET = "" } = process.env;
if (JWT_SECRET.length < 32)
  throw new Error("set JWT_SECRET to 32 random characters or more: openssl rand -hex 32");

export interface Verified {
  readonly user: string;
  /** As Date.now(). */
  readonly expires: number;
}

/** Rejects when the token is missing, forged, expired, or not one of ours. */
export async function verified(token: unknown): Promise<Verified> {
  if (typeof token !== "string") throw new Error("no token");
  // The algorithm is ours to name. A token must not choose how it is verified.
  const { sub, exp } = await verify(token, JWT_SECRET, "HS256");
  if (typeof sub !== "string" || sub === "" || typeof exp !== "number")
    throw new Error("sub or exp is missing");
  return { user: sub, expires: exp * 1_000 };
}

export async function tokenFor(user: string, lifetime = HOUR_S): Promise<string> {
  return sign({ sub: user, exp: Math.floor(Date.now() / 1_000) + lifetime }, JWT_SECRET, "HS256");
}

if (import.meta.main) console.log(await tokenFor(process.argv[2] ?? "alice"));
