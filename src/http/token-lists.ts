/** The options `tokens` and `countsTokens`. Apart from what verifies them: who only reads an environment needs no Hono. */
import { TOKEN_LENGTH_MIN, TOKENS_MAX } from "../core/limits.ts";
import { invalid } from "../core/options.ts";

/** Characters compared at most; a longer token is refused as an option. */
export const TOKEN_COMPARED = 1_024;

/** Throws PresenceError OPTIONS_INVALID that names the first invalid token by its index, never by its text. */
export function checkTokens(tokens: readonly string[], name = "tokens"): readonly string[] {
  if (!Array.isArray(tokens) || tokens.length > TOKENS_MAX) {
    invalid(`${name} must be a list of at most ${TOKENS_MAX}`);
  }
  for (const [i, token] of (tokens as unknown[]).entries()) {
    if (typeof token !== "string" || token.length < TOKEN_LENGTH_MIN) {
      const length = typeof token === "string" ? `${token.length} characters` : "no text";
      invalid(
        `${name}[${i}] has ${length}: use at least ${TOKEN_LENGTH_MIN}, for instance from: openssl rand -hex 24`,
      );
    }
    if (token.length > TOKEN_COMPARED) {
      invalid(`${name}[${i}] has ${token.length} characters: use at most ${TOKEN_COMPARED}`);
    }
    if (!/^[\x21-\x7e]+$/.test(token)) {
      invalid(`${name}[${i}] must be printable ASCII without spaces, as in an HTTP header`);
    }
  }
  return [...tokens];
}

/** Throws PresenceError OPTIONS_INVALID for a token in both lists: its scope would be ambiguous. */
export function checkScopes(users: readonly string[], counts: readonly string[]): void {
  const both = counts.findIndex((token) => users.includes(token));
  if (both === -1) return;
  invalid(
    `countsTokens[${both}] is also tokens[${users.indexOf(counts[both]!)}]: a token has one scope, so use two tokens`,
  );
}
