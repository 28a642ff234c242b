/** Where a webhook may go: addresses that anybody can reach, and what is allowed by name. Pure; names are resolved elsewhere. */
import { WEBHOOK_ALLOW_MAX } from "./limits.ts";
import { invalid } from "./options.ts";

/** The bytes of an address: 4 or 16. */
export type Address = readonly number[];

export interface Network {
  readonly address: Address;
  readonly bits: number;
}

/** What the option `allow` names. */
export interface Allowed {
  readonly hosts: ReadonlySet<string>;
  readonly networks: readonly Network[];
}

/** Dotted decimal only: what a URL writes otherwise, its parser has turned into this. */
function parseIpv4(text: string): Address | null {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function parseIpv6(text: string): Address | null {
  // The last 32 bits may be an IPv4 address.
  const colon = text.lastIndexOf(":");
  let head = text;
  let tail: Address = [];
  if (text.includes(".")) {
    const last = parseIpv4(text.slice(colon + 1));
    if (colon === -1 || last === null) return null;
    tail = last;
    // "::1.2.3.4" keeps both colons, "a:1.2.3.4" none at its end.
    head = text[colon - 1] === ":" ? text.slice(0, colon + 1) : text.slice(0, colon);
  }
  const halves = head.split("::");
  if (halves.length > 2) return null;
  const [front, back] = halves.map(groupsOf);
  if (front === null || front === undefined || back === null) return null;
  const given = front.length + (back?.length ?? 0) + tail.length;
  if (back === undefined) return given === 16 ? [...front, ...tail] : null;
  // "::" stands for at least one group.
  if (given > 14) return null;
  return [...front, ...Array.from({ length: 16 - given }, () => 0), ...back, ...tail];
}

function groupsOf(text: string): number[] | null {
  if (text === "") return [];
  const groups = text.split(":");
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return null;
  return groups.flatMap((group) => {
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 255];
  });
}

/** Null for anything else, an address with a zone included. */
export function parseAddress(text: string): Address | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** `10.0.0.0/8`, `fd00::/8`, or one address. */
function parseNetwork(text: string): Network | null {
  const [, base = "", length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseAddress(base);
  if (address === null) return null;
  const most = address.length * 8;
  const bits = length === undefined ? most : Number(length);
  return bits <= most ? { address, bits } : null;
}

function isIn(address: Address, { address: base, bits }: Network): boolean {
  if (address.length !== base.length) return false;
  for (let i = 0; i * 8 < bits; i++) {
    const mask = bits - i * 8 >= 8 ? 255 : (255 << (8 - (bits - i * 8))) & 255;
    if (((address[i]! ^ base[i]!) & mask) !== 0) return false;
  }
  return true;
}

const networks = (...list: string[]): readonly Network[] => list.map((text) => parseNetwork(text)!);

/** What IANA's registry of special-purpose addresses has not as globally reachable, multicast, and what clouds keep for themselves. */
const IPV4_REFUSED = networks(
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  // Azure's host.
  "168.63.129.16/32",
);
/** All of IPv6 that anybody can reach; and in it, what leads elsewhere. */
const [IPV6_GLOBAL] = networks("2000::/3") as [Network];
const IPV6_REFUSED = networks("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20");
/** An IPv4 address as a network without IPv4 writes it (NAT64). */
const [NAT64] = networks("64:ff9b::/96") as [Network];

/** Whether an address belongs to the public internet. */
export function isPublic(address: Address): boolean {
  if (address.length === 4) return !IPV4_REFUSED.some((network) => isIn(address, network));
  if (isIn(address, NAT64)) return isPublic(address.slice(12));
  return isIn(address, IPV6_GLOBAL) && !IPV6_REFUSED.some((network) => isIn(address, network));
}

/** The host of a URL as it is compared: without brackets and without dots at its end. */
export function hostOf(hostname: string): string {
  const text = hostname.toLowerCase();
  return text.startsWith("[") ? text.slice(1, -1) : text.replace(/\.+$/, "");
}

/** Throws PresenceError OPTIONS_INVALID. */
export function checkAllow(allow: unknown = []): Allowed {
  if (!Array.isArray(allow) || allow.length > WEBHOOK_ALLOW_MAX)
    return invalid(`allow must be a list of at most ${WEBHOOK_ALLOW_MAX} hosts, addresses and networks`);
  const hosts = new Set<string>();
  const found: Network[] = [];
  for (const [i, one] of (allow as unknown[]).entries()) {
    const text = typeof one === "string" ? hostOf(one) : "";
    const network = parseNetwork(text);
    if (network !== null) found.push(network);
    // No port, no wildcard, no number that a URL's parser would read as an address.
    else if (/^[\w-]+(?:\.[\w-]+)*$/.test(text) && !/(?:^|\.)(?:\d+|0x[\da-f]*)$/.test(text)) hosts.add(text);
    else
      invalid(
        `allow[${i}] must be a host name, an address or a network such as 10.0.0.0/8, got ${typeof one === "string" ? JSON.stringify(one) : typeof one}`,
      );
  }
  return { hosts, networks: found };
}

/** Names that no public DNS has. A name without a dot is one of the own network. */
const INNER = /^[^.]*$|(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/** Whether a host of a URL is allowed by name, or is an address that is: then it may be reached over http. */
export function isNamed(host: string, { hosts, networks: allowed }: Allowed): boolean {
  const address = parseAddress(host);
  if (address === null) return hosts.has(host);
  return allowed.some((network) => isIn(address, network));
}

/** Why nothing may be sent to this host of a URL, before its name is resolved; null: nothing speaks against it. */
export function hostProblem(host: string, allowed: Allowed): string | null {
  if (isNamed(host, allowed)) return null;
  const address = parseAddress(host);
  if (address !== null) return isPublic(address) ? null : "is a private or reserved address";
  return INNER.test(host) ? "is a name of a private network" : null;
}

/** Whether a request to this host may go to this address, which its name resolved to. */
export function isReachable(host: string, resolved: string, allowed: Allowed): boolean {
  if (allowed.hosts.has(host)) return true;
  const address = parseAddress(resolved);
  if (address === null) return false;
  return isPublic(address) || allowed.networks.some((network) => isIn(address, network));
}
