/** What a browser token says of itself (docs/http.md): it is signed, not encrypted, so the page can read it. The API decides. */
import type { GrantAction } from "../core/grant.ts";

export interface Granted {
  readonly subject: string;
  readonly actions: ReadonlySet<string>;
  /** How many users it may see; "*": everybody. */
  readonly users: number | "*";
  /** The first of them. */
  readonly names: readonly string[];
  /** ms since 1970. */
  readonly until: number;
}

/** Names shown. */
const NAMES = 5;

/** Null for what is not one: a server's token. */
export function grantedBy(token: string): Granted | null {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  try {
    const bytes = Uint8Array.from(atob(parts[1]!.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
      character.charCodeAt(0),
    );
    const { sub, exp, rollcall } = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly sub?: unknown;
      readonly exp?: unknown;
      readonly rollcall?: { readonly actions?: unknown; readonly users?: unknown };
    };
    const { actions, users } = rollcall ?? {};
    if (typeof sub !== "string" || typeof exp !== "number" || !Array.isArray(actions)) return null;
    const list = Array.isArray(users) ? users.map(String) : [];
    return {
      subject: sub,
      actions: new Set(actions.map(String)),
      users: users === "*" ? "*" : list.length,
      names: list.slice(0, NAMES),
      until: exp * 1000,
    };
  } catch {
    return null;
  }
}

/** The parts of the page, each with the action that it needs. */
const PARTS: readonly (readonly [GrantAction, string])[] = [
  ["users", "who is online"],
  ["changes", "who came and went"],
  ["user", "one user's servers"],
  ["sessions", "sessions"],
  ["processes", "servers"],
  ["scopes", "rooms"],
  ["subscribers", "subscribers"],
];

/** What of the page it opens, and what it does not, for people. */
export function partsOf({ actions }: Granted): { readonly opens: string[]; readonly closed: string[] } {
  const words = (isIn: boolean) =>
    PARTS.filter(([action]) => actions.has(action) === isIn).map(([, word]) => word);
  return { opens: words(true), closed: words(false) };
}
