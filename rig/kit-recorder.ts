/** Our own recorder behind the lines of the conformance kit (docs/conformance.md). */
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { keysOf } from "../src/core/keys.ts";
import { resolveRecorderOptions } from "../src/recorder/options.ts";
import { Recorder } from "../src/recorder/recorder.ts";
import { connect } from "../src/redis/connect.ts";
import { until } from "./until.ts";

interface Line {
  readonly open?: { redis: string; prefix: string; ttl: number; heartbeat: number; grace: number; shards: number; recordKeys?: string[]; tracks?: string[] };
  readonly connect?: string | null;
  readonly socket?: number;
  readonly disconnect?: number;
  readonly how?: "disconnect" | "leave";
  readonly join?: string;
  readonly part?: string;
  readonly sync?: number;
  readonly close?: boolean;
} // prettier-ignore

const CLOSE_MS = 10_000;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const sockets = new Map<number, { readonly user: string; readonly scopes: Set<string> }>();
let recorder: Recorder;
/** Says when all of it is in the log: then it is folded as far as the journals have got. */
let isAppended: () => Promise<boolean>;

function open({ redis, tracks, ...settings }: NonNullable<Line["open"]>): void {
  const connection = connect(redis, { timeout: settings.ttl, name: "kit" });
  const own = new Redis(redis, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  own.on("error", () => {});
  const options = resolveRecorderOptions(settings);
  recorder = new Recorder({ connection, options, tracks, connections: () => 0, onError: () => {} });
  recorder.ready().catch(({ message }: Error) => say({ error: message }));
  isAppended = async () => {
    const { journals } = recorder;
    const states = journals.map(({ process }, shard) =>
      own.hget(keysOf(options.prefix, shard, options.shards).states, process),
    );
    const seqs = (await Promise.all(states)).map((state) => Number(state?.split(" ")[1] ?? 0));
    return journals.every(({ dirty, seq }, shard) => !dirty && seq > 0 && seqs[shard]! >= seq);
  };
  say({ ready: { projects: true, tracks: tracks !== undefined } });
}

for await (const text of createInterface({ input: process.stdin })) {
  const line = JSON.parse(text) as Line;
  if (line.open) open(line.open);
  else if (line.connect !== undefined) {
    sockets.set(line.socket!, { user: line.connect ?? "", scopes: new Set() });
    recorder!.connect(line.connect ?? "");
  } else if (line.join !== undefined) {
    const { user, scopes } = sockets.get(line.socket!)!;
    scopes.add(line.join);
    recorder!.join(line.join, user);
  } else if (line.part !== undefined) {
    const { user, scopes } = sockets.get(line.socket!)!;
    scopes.delete(line.part);
    recorder!.part(line.part, user, "leave");
  } else if (line.disconnect !== undefined) {
    const { user, scopes } = sockets.get(line.disconnect)!;
    for (const scope of scopes) recorder!.part(scope, user, line.how!);
    recorder!.disconnect(user, line.how!);
    sockets.delete(line.disconnect);
  } else if (line.sync !== undefined) {
    await until("all is appended", isAppended!);
    say({ synced: line.sync });
  } else if (line.close) {
    if (await recorder!.close(CLOSE_MS)) say({ closed: true });
    process.exit();
  }
}
