/** The routes. All require a token; commands.ts decides what a token may do. */
import { randomBytes } from "node:crypto";
import { Hono, type Context } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { Access, Authenticate } from "./auth.ts";
import { notPermitted, type Refuse } from "./commands.ts";
import type { Connection } from "./connection.ts";
import { RequestError, type FailureStatus } from "./errors.ts";
import type { Events } from "./events.ts";
import { sizeExceeded } from "./limits.ts";
import type { BridgeLogger } from "./options.ts";
import { toJson, toResp2, type Outcome, type ReplyFormat } from "./reply.ts";
import { parseCommand, parseCommands, parsePath, segmentsOf, type Command } from "./request.ts";

const METHODS = ["HEAD", "GET", "POST", "PUT"];
const JSON_TYPE = "application/json; charset=utf-8";

export interface AppParts {
  readonly authenticate: Authenticate;
  readonly refuse: Refuse;
  readonly connection: Connection;
  readonly events: Events;
  readonly logger: BridgeLogger;
  /** Bytes of a body, and of all replies to it. */
  readonly maxRequestBytes: number;
  /** True once the bridge is closing: requests that still arrive on open connections are refused. */
  readonly isClosing: () => boolean;
}

interface Env {
  Variables: { access: Access; format: ReplyFormat };
}

export function createApp({
  authenticate,
  refuse,
  connection,
  events,
  logger,
  maxRequestBytes,
  isClosing,
}: AppParts): Hono<Env> {
  const app = new Hono<Env>();
  const series = randomBytes(6).toString("base64url");
  let responses = 0;

  app.use(async function guard(c, next) {
    const access = authenticate(c.req.raw);
    if (access === undefined) throw new RequestError(401, "WRONGPASS invalid or missing auth token");
    if (isClosing()) throw new RequestError(503, "ERR the bridge is closing");
    if (!METHODS.includes(c.req.method)) throw new RequestError(405, `ERR use one of ${METHODS.join(", ")}`);
    c.set("access", access);
    c.set("format", formatOf(c.req.raw.headers));
    await next();
    // Reads here never lag behind writes, so any changing value satisfies the client's read-your-writes check.
    c.res.headers.set("upstash-sync-token", `${series}.${++responses}`);
  });
  app.use(
    bodyLimit({
      maxSize: maxRequestBytes,
      onError: (c) => {
        const length = c.req.header("content-length");
        throw new RequestError(
          413,
          sizeExceeded(maxRequestBytes, length === undefined ? undefined : Number(length)),
        );
      },
    }),
  );

  app.post("/", async (c) => {
    const command = parseCommand(await bodyOf(c));
    return answer(c, await runOne(command, c.var.access));
  });

  app.post("/pipeline", async (c) => {
    const commands = parseCommands(await bodyOf(c));
    const refusals = commands.map((command) => refuse(command, c.var.access));
    const outcomes = await connectionOf(c).run(commands.filter((_, index) => refusals[index] === undefined));
    let next = 0;
    return answer(
      c,
      refusals.map((error) => (error === undefined ? outcomes[next++]! : { error, status: 400 })),
    );
  });

  app.post("/multi-exec", async (c) => {
    const commands = parseCommands(await bodyOf(c));
    for (const command of commands) {
      const error = refuse(command, c.var.access);
      if (error !== undefined) throw new RequestError(400, error);
    }
    const outcome = await connectionOf(c).transaction(commands);
    return answer(c, outcome, { resp2: false, base64: c.var.format.base64 });
  });

  app.on(["GET", "POST"], ["/subscribe/*", "/psubscribe/*"], (c) => {
    const [kind, ...names] = segmentsOf(new URL(c.req.url));
    const route = kind!.toString() as "subscribe" | "psubscribe";
    allowStream(c, route);
    return events.subscribe(route, names);
  });

  app.on(["GET", "POST"], "/monitor", (c) => {
    allowStream(c, "monitor");
    return events.monitor();
  });

  app.all("/pipeline", notAllowed);
  app.all("/multi-exec", notAllowed);
  app.on(["GET", "PUT"], "/", notAllowed);
  app.all("/*", async (c) => {
    const command = parsePath(new URL(c.req.url), await bodyOf(c));
    return answer(c, await runOne(command, c.var.access));
  });

  app.onError((error, c) => {
    if (error instanceof RequestError) return failure(error.status, error.message);
    // The client disconnected while sending its body. It gets no answer, and nothing is wrong here.
    if (c.req.raw.signal.aborted) return failure(400, "ERR the request was aborted");
    logger.warn(`${c.req.method} failed unexpectedly: ${error.stack ?? error.message}`);
    return failure(500, "ERR the bridge failed; its log says why");
  });

  const connectionOf = (c: Context<Env>) => (c.var.access === "read-only" ? connection.reads : connection);

  async function runOne(command: Command, access: Access): Promise<Outcome> {
    const error = refuse(command, access);
    if (error !== undefined) return { error, status: 400 };
    return (await (access === "read-only" ? connection.reads : connection).run([command]))[0]!;
  }

  return app;
}

/** A list is always answered with 200, with errors inside; for a single outcome, an error sets the status. */
function answer(c: Context<Env>, outcome: Outcome | Outcome[], format = c.var.format): Response {
  const status = !Array.isArray(outcome) && "error" in outcome ? outcome.status : 200;
  if (format.resp2) {
    const headers = { "content-type": "application/octet-stream" };
    return new Response(new Uint8Array(toResp2(outcome)), { status, headers });
  }
  return new Response(toJson(outcome, format.base64), { status, headers: { "content-type": JSON_TYPE } });
}

function formatOf(headers: Headers): ReplyFormat {
  const format = headers.get("upstash-response-format") ?? "json";
  const encoding = headers.get("upstash-encoding") ?? "";
  if (format !== "json" && format !== "resp2") {
    throw new RequestError(400, "ERR invalid Upstash-Response-Format: use json or resp2");
  }
  if (encoding !== "" && encoding !== "base64") {
    throw new RequestError(400, "ERR invalid Upstash-Encoding: use base64 or leave it out");
  }
  if (format === "resp2" && encoding === "base64") {
    throw new RequestError(400, "ERR Upstash-Encoding: base64 is for JSON; leave it out with resp2");
  }
  return { resp2: format === "resp2", base64: encoding === "base64" };
}

/** A stream reveals what others write and is not a read command, so the read-only token may not open one. */
function allowStream(c: Context<Env>, name: string): void {
  // HEAD runs a GET without its body, so nothing would ever end the stream.
  if (c.req.method === "HEAD") throw new RequestError(405, "ERR open an event stream with GET or POST");
  if (c.var.access === "read-only") throw new RequestError(400, notPermitted(name));
}

async function bodyOf(c: Context<Env>): Promise<Uint8Array> {
  return new Uint8Array(await c.req.arrayBuffer());
}

function notAllowed(): never {
  throw new RequestError(405, "ERR send this with POST, commands as JSON in the body");
}

function failure(status: FailureStatus | 500, error: string): Response {
  const headers: Record<string, string> = { "content-type": JSON_TYPE };
  if (status === 405) headers["allow"] = METHODS.join(", ");
  // The rest of the body is not read, so this connection is of no use to the next request.
  if (status === 413) headers["connection"] = "close";
  return new Response(JSON.stringify({ error }), { status, headers });
}
