/** Why a connection to Redis could not be made: where, with which code, and what to do about it. */
import { createConnection } from "node:net";
import { type ErrorDetails, PresenceError } from "../core/errors.ts";
import type { IoRedis } from "./ioredis.ts";

/** Where a connection leads. Never a password. */
export interface Target {
  /** `host:port`, a path, or a list of nodes. */
  readonly address: string;
  readonly tls: boolean;
  /** The server, or the first node or Sentinel, to ask what it says to whom it does not accept. */
  readonly server: { readonly host: string; readonly port: number } | undefined;
}

interface Settings {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string | null;
  readonly tls?: unknown;
  readonly name?: string | null;
  readonly sentinels?: readonly Node[] | null;
  readonly redisOptions?: { readonly tls?: unknown };
}
type Node = string | number | { readonly host?: string; readonly port?: number | string };

/** Nodes listed in a message. */
const NODES_SHOWN = 6;

/** `host:port` of a node of a Cluster: it may be a URL with a password, before its host or among its parameters. */
function hostOf(node: string): string {
  const url = node.includes("://") ? node : `redis://${node}`;
  return URL.canParse(url) ? new URL(url).host : "a node whose URL cannot be read";
}

function addressOf(node: Node): string {
  if (typeof node === "string") return hostOf(node);
  if (typeof node === "number") return `127.0.0.1:${node}`;
  return `${node.host ?? "127.0.0.1"}:${node.port ?? 6379}`;
}

function listed(nodes: readonly Node[]): string {
  const shown = nodes.slice(0, NODES_SHOWN).map(addressOf).join(", ");
  return nodes.length > NODES_SHOWN ? `${shown} and ${nodes.length - NODES_SHOWN} more` : shown;
}

function serverOf([node]: readonly Node[]): Target["server"] {
  if (node === undefined) return undefined;
  const [, host = "127.0.0.1", port = "6379"] = /^(.*?):?(\d+)?$/.exec(addressOf(node)) ?? [];
  return { host, port: Number(port) };
}

export function targetOf(client: IoRedis): Target {
  const { options = {}, startupNodes } = client as { options?: Settings; startupNodes?: readonly Node[] };
  const isTls = (value: unknown) => value !== undefined && value !== null && value !== false;
  if (client.isCluster === true) {
    const nodes = startupNodes ?? [];
    return { address: listed(nodes), tls: isTls(options.redisOptions?.tls), server: serverOf(nodes) };
  }
  const tls = isTls(options.tls);
  if (options.sentinels !== undefined && options.sentinels !== null) {
    const address = `${options.name ?? ""} (by the Sentinels ${listed(options.sentinels)})`;
    return { address, tls, server: serverOf(options.sentinels) };
  }
  if (typeof options.path === "string") return { address: options.path, tls, server: undefined };
  const { host = "127.0.0.1", port = 6379 } = options;
  return { address: `${host}:${port}`, tls, server: { host, port } };
}

const ADVICE: readonly (readonly [said: RegExp, code: string, advice: string])[] = [
  [/ECONNREFUSED/, "ECONNREFUSED", "nothing listens there: start Redis, or correct the host and port"],
  [/ENOTFOUND/, "ENOTFOUND", "there is no such host: correct its name"],
  [/EAI_AGAIN/, "EAI_AGAIN", "the name of the host cannot be looked up now: check DNS"],
  [/ENOENT/, "ENOENT", "there is no such socket file: start Redis, or correct the path"],
  [/EHOSTUNREACH|ENETUNREACH/, "EHOSTUNREACH", "there is no route to it: check the network"],
  [/WRONGPASS|invalid password/, "WRONGPASS", "the user name or password is wrong"],
  [/NOAUTH|HELLO must be called/, "NOAUTH", "it requires a password: put it into the URL, redis://user:password@host"],
  [/NOPERM/, "NOPERM", "the Redis user may not do what a connection begins with: `npx rollcall acl` prints what it needs"],
  [/max number of clients/, "MAXCLIENTS", "it has as many clients as it takes: raise maxclients, or close some"],
  [/DENIED/, "DENIED", "it is in protected mode: set a password or bind it to the right address"],
  [/LOADING/, "LOADING", "it is loading its data: wait"],
  [/CLUSTERDOWN/, "CLUSTERDOWN", "slots of the Cluster have no master: wait for the failover, or repair it"],
  [/MASTERDOWN/, "MASTERDOWN", "it is a replica that has lost its primary"],
  [/cluster support disabled/, "ERR", "it is not a Cluster: pass a Redis client or a URL"],
  [/wrong version number|EPROTO|ERR_SSL/, "EPROTO", "it does not speak TLS there: use redis:// instead of rediss://"],
  [/Unknown RESP type|Protocol error/, "EPROTO", "it does not speak Redis's protocol there; if it speaks TLS, use rediss://"],
  [/SELF_SIGNED|self[- ]signed|UNABLE_TO_/, "CERT", "its certificate is not trusted: pass a client with `tls: { ca }`"],
  [/CERT_HAS_EXPIRED/, "CERT_HAS_EXPIRED", "its certificate has expired"],
  [/ALTNAME_INVALID/, "ERR_TLS_CERT_ALTNAME_INVALID", "its certificate is for another host name"],
  [/All sentinels/, "SENTINELS", "no Sentinel names a primary: check their addresses, and the name of the group"],
  [/ETIMEDOUT|Socket timeout|timed out/, "ETIMEDOUT", "no answer in time: check firewalls, and that Redis is not stuck"],
]; // prettier-ignore

const CLOSED = "it closed the connection without a reply; if it requires TLS, use rediss://";
const SILENT_TLS = "no TLS answer in time: use redis:// if it does not speak TLS, and check firewalls";

/** All that an error says about itself: its code and message, and those of what is behind it. */
function saidBy(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code, lastNodeError, errors } = error as {
    code?: unknown;
    lastNodeError?: unknown;
    errors?: unknown;
  };
  const behind = [lastNodeError, ...(Array.isArray(errors) ? errors : [])].map(saidBy);
  return [typeof code === "string" ? code : "", error.message, ...behind].join(" ");
}

/** The error for a connection that could not be made. `cause`: what the client said; undefined: nothing. */
export function unreachable(target: Target, cause: unknown): PresenceError {
  const { address, tls } = target;
  const said = saidBy(cause);
  const [, code, advice] = ADVICE.find(([pattern]) => pattern.test(said)) ?? [];
  const isClosed = cause === undefined || /EPIPE|ECONNRESET|Connection is closed/.test(said);
  const reason = code ?? (isClosed ? "ECONNRESET" : undefined);
  const why =
    reason === undefined
      ? "for a reason that Rollcall does not know: see `cause`"
      : `${reason}: ${code === undefined ? CLOSED : code === "ETIMEDOUT" && tls ? SILENT_TLS : advice}`;
  return new PresenceError("REDIS_UNAVAILABLE", `cannot connect to Redis at ${address}: ${why}`, {
    cause,
    details: { ...placeOf(target), reason: reason ?? "UNKNOWN" },
  });
}

/** Where a target leads, for the details of an error. */
export function placeOf({ address, server }: Target): ErrorDetails {
  const isOne = server !== undefined && address === `${server.host}:${server.port}`;
  return isOne ? { address, ...server } : { address };
}

/** How long to wait for what a server says unasked, ms. */
const LAST_WORDS_MS = 500;

/**
 * Whether an error hides the reason. A server that accepts no more clients says so and closes; what the client was writing
 * meanwhile fails first. Of the nodes of a Cluster, ioredis only says that their connections are closed.
 */
export function hidesWhy(error: unknown): boolean {
  return error === undefined || /EPIPE|ECONNRESET|Connection is closed/.test(saidBy(error));
}

/** What a server says to whoever connects and asks nothing, or why it cannot be connected to; undefined: nothing. Never rejects. */
export function lastWords({ server }: Target): Promise<Error | undefined> {
  if (server === undefined) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = createConnection(server);
    const done = (said?: Error) => {
      socket.destroy();
      resolve(said);
    };
    socket.setTimeout(LAST_WORDS_MS, () => done());
    socket.on("error", done);
    socket.on("close", () => done());
    socket.once("data", (data) => {
      const text = data.toString("latin1");
      done(text.startsWith("-") ? new Error(text.slice(1).split("\r\n", 1)[0]) : undefined);
    });
  });
}
