/**
 * The real recorder, projecting inline, on a virtual clock: the commands it sends to a real Redis during sessions. The script
 * uses the same clock, so leases and heartbeats behave as in production.
 */
import type { Redis } from "ioredis";
import { keysOf } from "../../src/core/keys.ts";
import { resolveRecorderOptions } from "../../src/recorder/options.ts";
import { Recorder } from "../../src/recorder/recorder.ts";
import { ioredisPort } from "../../src/redis/ioredis.ts";
import type { Command, PipelinePort, ReadPort } from "../../src/redis/port.ts";
import { Clock } from "./clock.ts";
import type { Meter } from "./meter.ts";
import type { Session } from "./sessions.ts";

/** Not 0, so that it is a valid stream id. */
const EPOCH_MS = 1_000_000_000_000;
/** The position of `now` in a call of project.lua: after name, hash, number of keys, the keys, shards, budget and `reap`. */
const CLOCK = 3 + keysOf("", 0, 1).list.length + 3;
/** Time from a request to its reply, ms of the virtual clock. */
const ROUND_TRIP_MS = 1;
const IDLE_FROM_MS = 60_000;

export interface OursOptions {
  readonly redis: Redis;
  readonly meter: Meter;
  readonly prefix: string;
  readonly linger: number;
  readonly nodes: number;
  /** Whether numbers over time are kept. */
  readonly history?: boolean;
}

class World {
  readonly clock: Clock;
  readonly port: PipelinePort & ReadPort;
  #underWay = 0;
  #ids = 0;

  constructor(redis: Redis, seed: string) {
    this.clock = new Clock(seed);
    const port = ioredisPort(redis);
    this.port = {
      read: (commands) => port.read(commands),
      call: (command) => this.#send(() => port.call(this.#timed(command))),
      pipeline: (commands) =>
        this.#send(() => port.pipeline(commands.map((command) => this.#timed(command)))),
    };
  }

  async #send<T>(request: () => Promise<T>): Promise<T> {
    this.#underWay++;
    const replies = await request().finally(() => this.#underWay--);
    await new Promise<void>((resolve) => this.clock.after(ROUND_TRIP_MS, resolve));
    return replies;
  }

  #timed(command: Command): Command {
    const now = EPOCH_MS + Math.floor(this.clock.now());
    if (command[0] === "XADD") {
      const id = `${now}-${++this.#ids}`;
      return command.map((part, i) => (i === command.indexOf("*") ? id : part)) as unknown as Command;
    }
    if (command[0] !== "EVALSHA" && command[0] !== "EVAL") return command;
    return command.map((part, i) => (i === CLOCK ? String(now) : part)) as unknown as Command;
  }

  /** Resolves when no work is pending. */
  readonly settled = async (): Promise<void> => {
    do await new Promise(setImmediate);
    while (this.#underWay > 0);
    await new Promise(setImmediate);
  };

  start(options: OursOptions): Recorder {
    return new Recorder({
      connection: {
        port: this.port,
        ready: async () => {},
        reconnectedAt: undefined,
        onReconnect: undefined,
      },
      options: resolveRecorderOptions({
        prefix: options.prefix,
        linger: options.linger,
        history: options.history,
      }),
      connections: () => 0,
      onError(error) {
        throw error;
      },
      runtime: this.clock,
    });
  }
}

async function started(options: OursOptions): Promise<{ world: World; recorders: Recorder[] }> {
  const world = new World(options.redis, options.prefix);
  const recorders = Array.from({ length: options.nodes }, () => world.start(options));
  await world.clock.runUntil(1_000, world.settled);
  await Promise.all(recorders.map((recorder) => recorder.ready()));
  return { world, recorders };
}

async function stopped(world: World, recorders: readonly Recorder[]): Promise<void> {
  const closed = recorders.map((recorder) => recorder.close(1_000));
  await world.clock.runUntil(world.clock.now() + 2_000, world.settled);
  await Promise.all(closed);
}

/** Commands for these sessions, including heartbeats during that time. */
export async function sessionsCost(options: OursOptions, sessions: readonly Session[]): Promise<number> {
  const { world, recorders } = await started(options);
  const end = sessions.at(-1)!.to + 5_000;
  // Each arrival schedules the next one, so that few timers are pending at once.
  const chain = (moments: readonly { at: number; run: () => void }[], next = 0) => {
    const now = world.clock.now();
    while (next < moments.length && moments[next]!.at <= now) moments[next++]!.run();
    if (next < moments.length) world.clock.after(moments[next]!.at - now, () => chain(moments, next));
  };
  const moments = (of: "from" | "to", run: (recorder: Recorder, user: string) => void) =>
    sessions.map((session, i) => ({
      at: session[of],
      run: () => run(recorders[i % recorders.length]!, session.user),
    }));
  const cost = await options.meter(async () => {
    chain(moments("from", (recorder, user) => recorder.connect(user)));
    chain(moments("to", (recorder, user) => recorder.disconnect(user, "disconnect")));
    await world.clock.runUntil(end, world.settled);
  });
  const { users, records } = await left(options);
  // Heartbeats may wait in the log for who folds next.
  if (users !== 0 || records > 8 * recorders.length)
    throw new Error(`${users} users and ${records} records are left`);
  await stopped(world, recorders);
  return cost;
}

async function left({ redis, prefix }: OursOptions): Promise<{ users: number; records: number }> {
  return { users: await redis.hlen(`{${prefix}}:users`), records: await redis.xlen(`{${prefix}}:records`) };
}

/** Commands during `ms` without a session. */
export async function idleCost(options: OursOptions, ms: number): Promise<number> {
  const { world, recorders } = await started(options);
  await world.clock.runUntil(IDLE_FROM_MS, world.settled);
  const cost = await options.meter(() => world.clock.runUntil(IDLE_FROM_MS + ms, world.settled));
  await stopped(world, recorders);
  return cost;
}
