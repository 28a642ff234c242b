/** Where what a command reads comes from: Redis, Upstash's REST API or the HTTP API, all with the methods of `rollcall/client`. */
import type { Client, ScopeClient } from "../client/client.ts";
import { partsOf } from "../core/scope.ts";
import { readerOptionsFrom, readSourceFrom } from "../edge/environment.ts";
import type { Json } from "../reader/answers/json.ts";
import type { Reader, ScopeReader } from "../reader/reader.ts";
import { type Call, UsageError } from "./command.ts";
import { type Environment, environmentOf, readFrom } from "./environment.ts";

type Scoped = "counts" | "users" | "user" | "usersAt" | "changes" | "history";
export type ScopeSource = Pick<ScopeClient, Scoped>;

export interface Source
  extends
    Omit<ScopeSource, "counts">,
    Pick<Client, "counts" | "sessions" | "processes" | "subscribers" | "scopes"> {
  /** Where it is, without secrets. */
  readonly where: string;
  scope(namespace: string | undefined, room: string | undefined): ScopeSource;
  close(): void;
}

/** Sends nothing before it is asked. Throws UsageError. */
export async function openSource(call: Call): Promise<Source> {
  const { given } = call;
  const environment = environmentOf(call);
  const isOverHttp = given.isOnLine("url") || (!given.isOnLine("redis") && isOnlyUrl(environment, call));
  return isOverHttp ? overHttp(call) : overRedis(environment, call);
}

/** Whether the environment names the API and no Redis. */
function isOnlyUrl(environment: Environment, { given }: Call): boolean {
  const names = ["REDIS_URL", "UPSTASH_REDIS_REST_URL"];
  return given.text("url") !== undefined && names.every((name) => (environment[name] ?? "").trim() === "");
}

/** Of REDIS_URL and Upstash's variables the first, because `rollcall dev` sets both to the same. */
export function preferRedis(environment: Environment): Environment {
  if ((environment["REDIS_URL"] ?? "").trim() === "") return environment;
  return { ...environment, UPSTASH_REDIS_REST_URL: undefined };
}

export const NO_SOURCE =
  "no Redis: pass --redis redis://host:port, or set REDIS_URL or UPSTASH_REDIS_REST_URL and its token";

export function refuseNone(environment: Environment, hint = NO_SOURCE): void {
  const names = ["REDIS_URL", "UPSTASH_REDIS_REST_URL"];
  if (names.every((name) => (environment[name] ?? "").trim() === "")) throw new UsageError(hint);
}

async function overHttp({ given }: Call): Promise<Source> {
  const url = given.text("url")!;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError("--url must be an http:// or https:// URL");
  const { createClient } = await import("../client/client.ts");
  const client = createClient(url, { token: given.text("token"), timeout: given.number("timeout") });
  return {
    ...client,
    where: new URL(url).origin,
    scope: (namespace, room) => {
      const whole = namespace === undefined ? undefined : client.of(namespace);
      if (room === undefined) return whole!;
      return whole === undefined ? client.in(room) : whole.in(room);
    },
    close() {},
  };
}

async function overRedis(given: Environment, call: Call): Promise<Source> {
  const environment = preferRedis(given);
  refuseNone(environment, `${NO_SOURCE}; or pass --url for the HTTP API`);
  const options = readFrom(call, () => readerOptionsFrom(environment));
  const source = readFrom(call, () => readSourceFrom(environment));
  if (typeof source !== "string") {
    const [{ upstashClient }, { readerOver }, { upstashReadPort }] = await Promise.all([
      import("../edge/upstash.ts"),
      import("../reader/reader.ts"),
      import("../redis/upstash.ts"),
    ]);
    const reader = readerOver(upstashReadPort(upstashClient(source)), options);
    return overReader(reader, new URL(source.url).host, () => {});
  }
  const { createReader } = await import("../reader/create.ts");
  const reader = createReader({ redis: source, ...options });
  call.io.signal.addEventListener("abort", () => reader.close(), { once: true });
  return overReader(reader, whereOf(source), () => reader.close());
}

/** `127.0.0.1:6379`, without the password. */
export function whereOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : "Redis";
}

/** As it would come over HTTP. */
function json<T>(answer: T): Json<T> {
  return JSON.parse(JSON.stringify(answer)) as Json<T>;
}

function overScope(reader: Reader | ScopeReader): Omit<ScopeSource, "counts"> {
  return {
    async *users() {
      yield* reader.users();
    },
    user: async (id) => json(await reader.user(id)),
    usersAt: async (time, options) => json(await reader.usersAt(time, options)),
    changes: async ({ after, from, to, limit } = {}) =>
      json(await reader.changes({ after, from, to, limit })),
    history: async (options) => json(await reader.history(options)),
  };
}

function overReader(reader: Reader, where: string, close: () => void): Source {
  return {
    ...overScope(reader),
    where,
    close,
    counts: async () => json(await reader.counts()),
    sessions: async (id, options) => json(await reader.sessions(id, options)),
    processes: async () => json(await reader.processes()),
    subscribers: async () => json(await reader.subscribers()),
    scopes: async (options) => json(await reader.scopes(options)),
    scope(namespace, room) {
      const whole = reader.of(namespace ?? "/");
      const scoped = room === undefined ? whole : whole.in(room);
      return { ...overScope(scoped), counts: async () => json(await scoped.counts()) };
    },
  };
}

/** The namespace or room that a call is about; the whole without one. */
export function placeIn(source: Source, { given }: Call): Omit<ScopeSource, "counts"> {
  const scope = given.text("scope");
  const [namespace, room] = [given.text("namespace"), given.text("room")];
  if (scope !== undefined) {
    if (namespace !== undefined || room !== undefined)
      throw new UsageError("--scope already names the room: leave out --namespace and --room");
    const parts = partsOf(scope);
    return source.scope(parts.namespace, parts.room);
  }
  return namespace === undefined && room === undefined ? source : source.scope(namespace, room);
}
