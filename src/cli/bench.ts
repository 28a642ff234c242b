/** `rollcall bench`: what one's own Redis takes, in a prefix that is removed again. */
import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { keysOf } from "../core/keys.ts";
import { encodeRecord } from "../core/record.ts";
import { VERSION } from "../core/version.ts";
import { redisUrlFrom } from "../edge/environment.ts";
import { createProjector } from "../projector/create.ts";
import { connect } from "../redis/connect.ts";
import { asking } from "./ask.ts";
import { type Call, EXIT, UsageError } from "./command.ts";
import { environmentOf, readFrom } from "./environment.ts";
import { Printer } from "./print.ts";
import { whereOf } from "./source.ts";

const PINGS = 200;
/** Operations in a record: what a busy server gathers while its last record is under way. */
const SIZE = 10;
/** Of those that are measured one by one. */
const SINGLE = 100;
/** Records in one pipeline. */
const PIPELINE = 100;
const TTL_MS = 600_000;

interface Measured {
  /** ms. */
  readonly roundTrip: { readonly median: number; readonly p99: number };
  /** From XADD to the change in Redis, ms. */
  readonly visible: { readonly median: number; readonly p99: number };
  /** µs an operation, with records of SIZE. */
  readonly append: number;
  readonly fold: number;
}

export async function run(call: Call): Promise<number> {
  const { given, io } = call;
  const printer = new Printer(io);
  const environment = environmentOf(call);
  if ((environment["REDIS_URL"] ?? "").trim() === "")
    throw new UsageError("this needs a connection: pass --redis redis://host:port, or set REDIS_URL");
  const url = readFrom(call, () => redisUrlFrom(environment));
  const prefix = `rollcall-bench-${randomUUID()}`;
  const operations = given.number("operations")!;
  printer.say(
    `Measuring ${whereOf(url)}: ${PINGS} PINGs, then ${operations} operations (sockets that come and go) in records of ${SIZE}, under the prefix ${prefix}, which is deleted afterwards.`,
  );
  // It tells why there is no connection; the client below would try for ever.
  const connection = connect(url, { timeout: 5_000, name: "rollcall-bench" });
  const redis = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1 });
  redis.on("error", () => {});
  const projector = createProjector({ redis: url, prefix, logger: false });
  const ask = asking(call);
  try {
    await ask(connection.port.call(["XLEN", keysOf(prefix, 0, 1).records]));
    const measured = await ask(measure(redis, projector, prefix, operations, printer));
    printer.progress(undefined);
    show(printer, measured, given.on("json"));
    return EXIT.ok;
  } finally {
    printer.progress(undefined);
    await redis.unlink(...keysOf(prefix, 0, 1).list).catch(() => {});
    redis.disconnect();
    connection.close();
    await projector.close();
  }
}

async function measure(
  redis: Redis,
  projector: ReturnType<typeof createProjector>,
  prefix: string,
  operations: number,
  printer: Printer,
): Promise<Measured> {
  const keys = keysOf(prefix, 0, 1);
  const process = `bench.${randomUUID()}`;
  let seq = 0;
  /** Odd ones bring users, even ones take the same users away. */
  const next = (size: number): string[] => {
    seq++;
    const isOdd = seq % 2 === 1;
    const users = Array.from({ length: size }, (_, i) => `bench-${Math.ceil(seq / 2)}-${i}`);
    return encodeRecord({
      process,
      seq,
      ttl: TTL_MS,
      ...(seq === 1 && { about: { host: "bench", pid: 0, version: VERSION, grace: 0 } }),
      [isOdd ? "connect" : "leave"]: users,
      sockets: isOdd ? size : 0,
    });
  };
  const add = (fields: readonly string[]) => redis.xadd(keys.records, "*", ...fields);

  printer.progress("round trips …");
  const pings: number[] = [];
  for (let i = 0; i < PINGS; i++) pings.push(await timed(() => redis.ping()));

  printer.progress("one operation at a time …");
  const singles: number[] = [];
  for (let i = 0; i < SINGLE; i++) {
    const fields = next(1);
    singles.push(
      await timed(async () => {
        await add(fields);
        await projector.step();
      }),
    );
  }

  const records = Math.max(2, Math.round(operations / SIZE));
  let appending = 0;
  let folding = 0;
  for (let done = 0; done < records; done += PIPELINE) {
    printer.progress(`${done * SIZE} of ${operations} operations …`);
    // Of an even number, so that everybody has left again.
    const pipeline = redis.pipeline();
    for (let i = 0; i < Math.min(PIPELINE, records - done); i++)
      pipeline.xadd(keys.records, "*", ...next(SIZE));
    appending += await timed(() => pipeline.exec());
    folding += await timed(() => projector.sweep());
  }
  return {
    roundTrip: quantiles(pings),
    visible: quantiles(singles),
    append: (appending * 1_000) / (records * SIZE),
    fold: (folding * 1_000) / (records * SIZE),
  };
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

function quantiles(times: readonly number[]): { median: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { median: at(0.5), p99: at(0.99) };
}

function show(printer: Printer, { roundTrip, visible, append, fold }: Measured, json: boolean): void {
  const rounded = (value: number) => Number(value.toFixed(3));
  const values = {
    roundTripMs: rounded(roundTrip.median),
    roundTripMsP99: rounded(roundTrip.p99),
    visibleMs: rounded(visible.median),
    visibleMsP99: rounded(visible.p99),
    appendUsPerOperation: rounded(append),
    foldUsPerOperation: rounded(fold),
  };
  if (json) {
    printer.json(values);
    return;
  }
  const about: Record<keyof typeof values, string> = {
    roundTripMs: "a PING, median, ms",
    roundTripMsP99: "a PING, 99th percentile, ms",
    visibleMs: "from append to visible, two round trips, median, ms",
    visibleMsP99: "the same, 99th percentile, ms",
    appendUsPerOperation: "append, µs an operation",
    foldUsPerOperation: "fold, µs an operation",
  };
  printer.table(
    [{ title: "VALUE", isNumber: true }, { title: "OF" }],
    Object.entries(values).map(([name, value]) => [
      value,
      printer.isTerminal ? about[name as keyof typeof values] : name,
    ]),
  );
}
