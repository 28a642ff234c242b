/** What the tests of the functions share: the bridge behind a tap that sees all a client sends, and child processes. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { startBridge } from "../../../packages/upstash-bridge/src/index.ts";
import { until } from "../../../rig/until.ts";

export const WRITE_TOKEN = "the-credentials-that-may-write";
export const READ_ONLY_TOKEN = "the-credentials-that-may-only-read";
export const TOKEN = "a-token-for-callers-of-the-api";

interface Sent {
  readonly token: string;
  /** The names of the commands of one request, in upper case. */
  readonly commands: readonly string[];
  /** When it came, Date.now(). */
  readonly came: number;
  /** The body of the answer, once there is one: `@upstash/redis` asks for strings in base64. */
  answer?: string;
}

export interface Tap extends AsyncDisposable {
  readonly url: string;
  /** What has come by so far, refused requests included. */
  readonly sent: Sent[];
  /** Requests that come from now on are noted and not answered, until resume() or until their sender goes away. */
  readonly hold: () => void;
  readonly resume: () => void;
  /**
   * What becomes of a request with these commands: it is carried out and its answer lost, at once ("early": whoever sends
   * it again may overtake it) or once it is there ("late"). undefined: nothing. Replaceable.
   */
  loses: (commands: readonly string[]) => "early" | "late" | undefined;
}

/** A bridge over a Redis, and before it a server that notes every request and hands it on. */
export async function startTappedBridge(redis: string): Promise<Tap> {
  const bridge = await startBridge({ redis, token: WRITE_TOKEN, readOnlyToken: READ_ONLY_TOKEN });
  const sent: Sent[] = [];
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const server = createServer((request, response) => {
    const came = Date.now();
    const hand = async () => {
      const body = await text(request);
      const json = JSON.parse(body) as string[] | string[][];
      const commands = (Array.isArray(json[0]) ? (json as string[][]) : [json as string[]]).map(([name]) =>
        name!.toUpperCase(),
      );
      const noted: Sent = {
        token: request.headers.authorization?.replace("Bearer ", "") ?? "",
        commands,
        came,
      };
      sent.push(noted);
      await gate.promise;
      const lost = tap.loses(commands);
      if (lost === "early") response.destroy();
      const headers = Object.entries(request.headers).filter(
        ([name]) => !/^(host|connection|content-length)$/.test(name),
      );
      const answer = await fetch(bridge.url + request.url!, {
        method: request.method!,
        headers: Object.fromEntries(headers) as Record<string, string>,
        body,
      });
      if (lost !== undefined) {
        response.destroy();
        return;
      }
      response.writeHead(answer.status, {
        "content-type": answer.headers.get("content-type") ?? "",
        "upstash-sync-token": answer.headers.get("upstash-sync-token") ?? "",
      });
      noted.answer = await answer.text();
      response.end(noted.answer);
    };
    hand().catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const tap: Tap = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sent,
    loses: () => undefined,
    hold: () => void (gate = Promise.withResolvers<void>()),
    resume: () => gate.resolve(),
    async [Symbol.asyncDispose]() {
      gate.resolve();
      server.closeAllConnections();
      server.close();
      await bridge.close();
    },
  };
  return tap;
}

export interface Entry extends AsyncDisposable {
  readonly child: ChildProcess;
  /** All it has printed so far, to both outputs. */
  readonly output: () => string;
  /** Its exit code once it has ended, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  /** Waits until it has printed something that matches. Fails at once when it ends instead. */
  readonly prints: (pattern: RegExp) => Promise<RegExpExecArray>;
}

export interface StartOptions {
  /** Default `functions/<name>`. */
  readonly file?: string;
  readonly cwd?: string;
  /** The user that runs it, by number. */
  readonly uid?: number;
}

/** Runs a function of ours with exactly this environment, as `node functions/<name>`. */
export function start(
  name: string,
  environment: Record<string, string>,
  { file = `functions/${name}`, ...more }: StartOptions = {},
): Entry {
  const child = spawn(process.execPath, [file], {
    ...more,
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  // A run that is cut short disposes of nothing.
  const onExit = () => child.kill("SIGKILL");
  process.once("exit", onExit);
  child.once("close", () => process.off("exit", onExit));
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  return {
    child,
    output: () => output,
    ended,
    async prints(pattern) {
      const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
      await until("it prints or ends", () => pattern.test(output) || hasEnded()).catch(() => {});
      const found = pattern.exec(output);
      if (found === null) throw new Error(`${name} did not print ${pattern}, it printed: ${output}`);
      return found;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}
