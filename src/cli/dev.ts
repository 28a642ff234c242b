/** `rollcall dev`: what an application needs beside itself, on one machine. */
import { randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";
import { createFetch } from "../edge/api.ts";
import { appOptionsFrom, keyOptionsFrom, projectorOptionsFrom, redisUrlFrom } from "../edge/environment.ts";
import { serve } from "../node/server.ts";
import { createProjector } from "../projector/create.ts";
import { inCheckout } from "./checkout.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { loggerOf } from "./daemon.ts";
import { environmentOf, readFrom } from "./environment.ts";
import { Printer } from "./print.ts";

interface LocalRedis {
  startRedis(options: {
    readonly signal: AbortSignal;
  }): Promise<{ readonly url: string; stop(): Promise<void> }>;
}
interface UpstashBridge {
  startBridge(options: {
    readonly redis: string;
    readonly token: string;
    readonly readOnlyToken: string;
    readonly port: number;
    readonly logger: { warn(message: string): void };
  }): Promise<{ readonly url: string; close(): Promise<void> }>;
}

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const logger = loggerOf(call);
  const environment = environmentOf(call);
  const set = (name: string) => (environment[name] ?? "").trim() !== "";
  // Before anything is started.
  const keys = readFrom(call, () => keyOptionsFrom(environment));
  readFrom(call, () => appOptionsFrom(environment));
  const options = readFrom(call, () => projectorOptionsFrom(environment));
  const own = set("REDIS_URL") ? readFrom(call, () => redisUrlFrom(environment)) : undefined;
  const bridgeOf = await load<UpstashBridge>("upstash-bridge");
  const local = own === undefined ? await load<LocalRedis>("local-redis", ", or set REDIS_URL") : undefined;

  const failing = new AbortController();
  const signal = AbortSignal.any([failing.signal, io.signal]);
  const closing: (() => Promise<void>)[] = [];
  try {
    const started = await local?.startRedis({ signal: failing.signal });
    if (started !== undefined) closing.push(() => started.stop());
    const redis = own ?? started!.url;
    const token = secret();
    const readOnlyToken = secret();
    const port = given.number("bridge-port")!;
    const bridge = await bridgeOf.startBridge({ redis, token, readOnlyToken, port, logger });
    closing.push(() => bridge.close());
    const projector = createProjector({ redis, ...options, logger });
    closing.push(() => projector.close());

    const tokens = set("ROLLCALL_TOKENS") ? environment["ROLLCALL_TOKENS"]! : secret();
    const edge = {
      ...environment,
      REDIS_URL: undefined,
      UPSTASH_REDIS_REST_URL: bridge.url,
      UPSTASH_REDIS_REST_READONLY_TOKEN: readOnlyToken,
      ROLLCALL_TOKENS: tokens,
    };
    const fetchEdge = createFetch();
    const app = { fetch: (request: Request) => fetchEdge(request, edge) };
    const onListen = (url: string) => {
      const values = {
        REDIS_URL: redis,
        UPSTASH_REDIS_REST_URL: bridge.url,
        UPSTASH_REDIS_REST_TOKEN: token,
        UPSTASH_REDIS_REST_READONLY_TOKEN: readOnlyToken,
        ROLLCALL_PREFIX: keys.prefix,
        ROLLCALL_SHARDS: keys.shards,
        ROLLCALL_URL: url,
        ROLLCALL_TOKENS: tokens,
      };
      for (const [name, value] of Object.entries(values))
        if (value !== undefined) printer.line(`${name}=${value}`);
      printer.say(
        `Redis ${started === undefined ? "of REDIS_URL" : "started, empty"}; API at ${url}; projecting. Ctrl-C ends it.`,
      );
    };
    const running = [
      projector.run({ signal }),
      serve(app, { port: given.number("port")!, signal, onListen }),
    ];
    for (const one of running) one.catch(() => failing.abort());
    for (const result of await Promise.allSettled(running))
      if (result.status === "rejected") readFrom(call, () => { throw result.reason; }); // prettier-ignore
    return EXIT.ok;
  } finally {
    // What was started last uses what was started first.
    for (const close of closing.toReversed()) await close();
  }
}

function secret(): string {
  return randomBytes(24).toString("hex");
}

/** A package that is installed beside this one, or is in the same checkout. Throws UsageError. */
async function load<T>(name: string, or = ""): Promise<T> {
  const file = inCheckout(`packages/${name}/src/index.ts`);
  const from = file === undefined ? `@rollcall/${name}` : pathToFileURL(file).href;
  try {
    return (await import(from)) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new UsageError(`this needs a package: npm i -D @rollcall/${name}${or}`, { cause: error });
  }
}
