/**
 * A browser token in a cookie, for pages of the same site. A browser sends a cookie whoever's page asks, so one counts only if the page is of
 * this origin or of a named one, and of the same site. From any other it is as if there was none.
 */
import type { Context } from "hono";

/** The cookie; null: there is more than one of this name, and which of them is ours is not known. */
export function cookieOf(c: Context, name: string, origins: readonly string[]): string | null | undefined {
  const header = c.req.header("cookie");
  if (header === undefined || !isOurPage(c, origins)) return undefined;
  const values: string[] = [];
  for (const pair of header.split(";")) {
    const at = pair.indexOf("=");
    if (at !== -1 && pair.slice(0, at).trim() === name) values.push(pair.slice(at + 1).trim());
  }
  return values.length > 1 ? null : values[0];
}

function isOurPage(c: Context, origins: readonly string[]): boolean {
  const site = c.req.header("sec-fetch-site");
  if (site !== undefined && !["same-origin", "same-site", "none"].includes(site)) return false;
  const origin = c.req.header("origin");
  if (origin === undefined) {
    // Browsers name the origin of every POST. One that names neither is none.
    return c.req.method === "GET" || c.req.method === "HEAD" || site === "same-origin";
  }
  if (origins.includes(origin)) return true;
  // By the host alone: a proxy in front may have ended TLS.
  return URL.canParse(origin) && new URL(origin).host === new URL(c.req.url).host;
}
