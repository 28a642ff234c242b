/** What commands that write have in common: a projector, and the question before something is lost. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { CHANGES_KEPT_MAX, KEPT_MS_MAX } from "../core/limits.ts";
import { projectorOptionsFrom, redisUrlFrom, writeCredentialsFrom } from "../edge/environment.ts";
import type { ProjectorOptions } from "../projector/options.ts";
import type { Projector } from "../projector/projector.ts";
import type { UpstashClient } from "../redis/upstash.ts";
import { type Call, Interrupted, UsageError } from "./command.ts";
import { type Environment, environmentOf, readFrom } from "./environment.ts";
import { escaped } from "./print.ts";
import { preferRedis, refuseNone, whereOf } from "./source.ts";

export interface Writer {
  readonly redis: string | UpstashClient;
  readonly where: string;
  readonly environment: Environment;
}

/** REDIS_URL, or Upstash's variables with the token that can write. Throws UsageError. */
export async function openWriter(call: Call): Promise<Writer> {
  const environment = preferRedis(environmentOf(call));
  refuseNone(environment);
  if ((environment["REDIS_URL"] ?? "").trim() !== "") {
    const url = readFrom(call, () => redisUrlFrom(environment));
    return { redis: url, where: whereOf(url), environment };
  }
  const credentials = readFrom(call, () => writeCredentialsFrom(environment));
  const { upstashClient } = await import("../edge/upstash.ts");
  return { redis: upstashClient(credentials), where: whereOf(credentials.url), environment };
}

export interface OpenProjector {
  readonly projector: Projector;
  readonly where: string;
  readonly close: () => Promise<void>;
}

/**
 * A projector for one command. Unless the environment says how long changes are kept, it trims nothing: the strictest caller decides, and
 * one who came to look must not be that one.
 */
export async function openProjector(call: Call, { trims = false } = {}): Promise<OpenProjector> {
  const writer = await openWriter(call);
  const { redis, where, environment } = writer;
  const given = readFrom(call, () => projectorOptionsFrom(environment));
  const { changes, rejected, max } = given.keep ?? {};
  const keep = trims
    ? given.keep
    : { changes: changes ?? KEPT_MS_MAX, rejected: rejected ?? KEPT_MS_MAX, max: max ?? CHANGES_KEPT_MAX };
  const options: ProjectorOptions = { ...given, keep, read: given.read ?? "auto" };
  if (typeof redis !== "string") {
    const [{ projectorOver }, { upstashWritePort }] = await Promise.all([
      import("../projector/projector.ts"),
      import("../redis/upstash.ts"),
    ]);
    return { projector: projectorOver(upstashWritePort(redis), options), where, close: async () => {} };
  }
  const { createProjector } = await import("../projector/create.ts");
  const projector = createProjector({ redis, ...options, logger: false });
  return { projector, where, close: () => projector.close() };
}

/**
 * Asks on a terminal; without one requires --yes. `what` begins with a verb. Throws UsageError, or Interrupted where the answer is no.
 */
export async function confirm({ given, io }: Call, what: string): Promise<void> {
  if (given.on("yes")) return;
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true)
    throw new UsageError(`there is no terminal to ask on: pass --yes to ${escaped(what)}`);
  io.stderr.write(`${escaped(what[0]!.toUpperCase() + what.slice(1))}? [y/N] `);
  const lines = createInterface({ input: io.stdin });
  try {
    const [answer = ""] = (await Promise.race([
      once(lines, "line", { signal: io.signal }),
      once(lines, "close", { signal: io.signal }),
    ])) as [string?];
    if (/^y(es)?$/i.test(answer.trim())) return;
  } catch {
    // Ctrl-C is a no.
  } finally {
    lines.close();
  }
  io.stderr.write("nothing was changed\n");
  throw new Interrupted();
}
