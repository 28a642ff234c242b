/** `GET /`: the dashboard, one page without further files. src/dashboard has its sources. */
import type { Context } from "hono";
import { GZIPPED, SCRIPT_HASH, STYLE_HASH } from "../../dashboard/generated.ts";
import { peerOf } from "../address.ts";
import { type Answer, answerOfBytes, type Fields, give, isHeld } from "../answer.ts";
import { SECURITY } from "../headers.ts";
import type { Route, RouteParts } from "../route.ts";

/**
 * Only the page's own script and styles run, by their hashes, and it may talk to its own origin only. Not even a hole in it could
 * send a token elsewhere. `data:` is the page's icon.
 */
const POLICY = [
  "default-src 'none'",
  `script-src '${SCRIPT_HASH}'`,
  `style-src '${STYLE_HASH}'`,
  "img-src data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const FIELDS: Fields = {
  ...SECURITY,
  "content-security-policy": POLICY,
  "content-type": "text/html; charset=utf-8",
  vary: "Accept-Encoding",
};

/** Where the page expects a token; see src/dashboard/page.html. */
const PLACE = '<meta name="rollcall-token" content="">';

/** The page in both forms. */
interface Page {
  readonly plain: Answer;
  readonly gzipped: Answer;
}

/** Made with the first request, once for all apps; the page with a token once for each app. */
let shared: Promise<Page> | undefined;

/** None if the dashboard is off. */
export function dashboardRoute({ options: { dashboard } }: RouteParts): readonly Route[] {
  if (dashboard === undefined) return [];
  const { token } = dashboard;
  let own: Promise<Page> | undefined;
  return [
    {
      method: "GET",
      path: "/",
      id: "dashboard",
      summary: "The dashboard, a page for people.",
      scope: undefined,
      answer: "page",
      async respond(c) {
        const isOwn = token !== undefined && isLocal(c);
        const { plain, gzipped } = isOwn ? await (own ??= pageWith(token)) : await (shared ??= page());
        const { bytes, etag } = takesGzip(c.req.header("accept-encoding")) ? gzipped : plain;
        // Without CORS, whatever `origins` says: a page of another origin must not read the token.
        const fields = { ...FIELDS, "cache-control": isOwn ? "no-store" : "public, no-cache", etag };
        if (isHeld(c.req.header("if-none-match"), etag)) return give(c, 304, fields, null);
        return give(
          c,
          200,
          bytes === gzipped.bytes ? { ...fields, "content-encoding": "gzip" } : fields,
          bytes,
        );
      },
    },
  ];
}

async function page(): Promise<Page> {
  const bytes = Uint8Array.from(atob(GZIPPED), (character) => character.charCodeAt(0));
  return pageOf(await through(bytes, new DecompressionStream("gzip")), bytes);
}

async function pageWith(token: string): Promise<Page> {
  const { plain } = await (shared ??= page());
  const escaped = token.replaceAll(/[&"<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  const text = new TextDecoder().decode(plain.bytes);
  const bytes = new TextEncoder().encode(
    text.replace(PLACE, () => PLACE.replace('""', () => `"${escaped}"`)),
  );
  return pageOf(bytes, await through(bytes, new CompressionStream("gzip")));
}

type Bytes = Answer["bytes"];

/** Two forms, two validators: a strong one is of the bytes that are sent. */
async function pageOf(plain: Bytes, gzipped: Bytes): Promise<Page> {
  return { plain: await answerOfBytes(plain), gzipped: await answerOfBytes(gzipped) };
}

async function through(
  bytes: Bytes,
  stream: ReadableWritablePair<Uint8Array<ArrayBuffer>, BufferSource>,
): Promise<Bytes> {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

/** Whether a client takes gzip (RFC 9110, 12.5.3). One that does not say gets the page as it is. */
export function takesGzip(header = ""): boolean {
  const weights = new Map(
    header.split(",").map((part) => {
      const [name = "", ...parameters] = part.split(";").map((text) => text.trim().toLowerCase());
      const q = parameters.find((one) => one.startsWith("q="));
      return [name, q === undefined ? 1 : Number(q.slice(2))] as const;
    }),
  );
  return (weights.get("gzip") ?? weights.get("x-gzip") ?? weights.get("*") ?? 0) > 0;
}

/** What proxies and tunnels add. Behind one, whoever asks is somewhere else, although the connection and the name are of this machine. */
const OF_PROXIES = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"]; // prettier-ignore

/**
 * Whether a request is of this machine. By its name: another may be a stranger's that resolves to this machine (DNS rebinding), and its
 * page would read the token. By the address of the connection, where it is known: anybody who reaches the port can send `Host: localhost`.
 */
function isLocal(c: Context): boolean {
  if (!isLoopback(new URL(c.req.url).hostname) || OF_PROXIES.some((name) => c.req.header(name) !== undefined))
    return false;
  // `wrangler dev` names its client in a header, and so do tunnels of Cloudflare. Each that is known has to be of this machine: on Node
  // anybody can send the header.
  const addresses = [c.req.header("cf-connecting-ip"), peerOf(c)];
  return addresses.every(
    (address) => address === undefined || address === "::1" || isLoopback(address.replace(/^::ffff:/i, "")),
  );
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
