/**
 * Which client sent a request, for the caps of event streams: its address as the platform reports it.
 *
 * On Cloudflare it is CF-Connecting-IP, which the platform sets itself. On Node it is the socket's address. With `proxies`
 * trusted proxies it is the entry of X-Forwarded-For that the outermost of them wrote; whatever a client writes there itself
 * stands further left. An IPv6 client is its /64, because that is what one customer gets.
 */
import type { Context } from "hono";

/** How `@hono/node-server` passes the socket. */
interface NodeEnv {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
}

/** The address at the other end of the connection; undefined: the platform says nothing of it. */
export function peerOf(c: Context): string | undefined {
  return (c.env as NodeEnv | undefined)?.incoming?.socket?.remoteAddress;
}

/** undefined when the platform says nothing: then there is no cap by client. */
export function clientOf(c: Context, proxies: number): string | undefined {
  if (isCloudflare()) return normal(c.req.header("cf-connecting-ip"));
  const direct = peerOf(c);
  if (proxies === 0) return normal(direct);
  const hops = (c.req.header("x-forwarded-for") ?? "").split(",").map((hop) => hop.trim());
  // Fewer entries than proxies: the request came past them.
  return normal(hops.at(-proxies)) ?? normal(direct);
}

/** Whether an address is of this machine or of a private network, as a proxy's is. */
export function isPrivate(client: string): boolean {
  return /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd]|fe80:|0:0:0:0::)/.test(client);
}

function isCloudflare(): boolean {
  const { navigator } = globalThis as { readonly navigator?: { readonly userAgent?: string } };
  return navigator?.userAgent === "Cloudflare-Workers";
}

/** An address in one form, without a port; undefined if it is none. */
function normal(text: string | undefined): string | undefined {
  if (text === undefined || text === "" || text.length > 64) return undefined;
  const bare = /^\[([^\]]*)\](:\d+)?$/.exec(text)?.[1] ?? text;
  const mapped = /^(?:::ffff:)?(\d{1,3}(?:\.\d{1,3}){3})(?::\d+)?$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  const [address = ""] = bare.split("%", 1);
  return /^[\da-f:]+$/i.test(address) && address.includes(":") ? networkOf(address.toLowerCase()) : undefined;
}

/** The /64 of an IPv6 address. */
function networkOf(address: string): string {
  const [head = "", tail = ""] = address.split("::", 2);
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = address.includes("::") ? Math.max(0, 8 - left.length - right.length) : 0;
  const groups = [...left, ...Array.from({ length: zeros }, () => "0"), ...right].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
