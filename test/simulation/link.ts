/**
 * The network between one process and Redis, as the process's connection: it drops, delays, repeats and cuts as the faults of
 * the history say, and is lost and reopened as in src/redis/connect.ts. What was sent before a loss may still arrive after
 * it.
 */
import { PresenceError } from "../../src/core/errors.ts";
import { redisError } from "../../src/redis/errors.ts";
import {
  type Command,
  type PipelinePort,
  type ReadCommand,
  type ReadPort,
  type Reply,
  ReplyError,
} from "../../src/redis/port.ts";
import type { Fault, FaultCounts, LinkFault } from "./faults.ts";
import type { Host } from "./host.ts";
import type { Random } from "../../rig/random.ts";
import type { Request } from "./request.ts";
import type { Server } from "./server.ts";

export interface LinkOptions {
  readonly host: Host;
  readonly server: Server;
  readonly random: Random;
  /** Faults that may strike a request; emptied when the history calms down. */
  readonly faults: ReadonlySet<Fault>;
  readonly injected: FaultCounts;
  /** Of the process whose connection it is. */
  readonly protocol: number;
  /** A connection on which nothing arrives for this long is given up, ms. */
  readonly timeout: number;
}

type Replies = (Reply | ReplyError)[];

/** Of the requests, when the fault is chosen for the history. */
const CHANCE = 0.06;
const LATE_MS = 6_000;

export class Link implements ReadPort, PipelinePort {
  readonly #options: LinkOptions;
  /** When the connection was last made again after a loss, ms of the world; -Infinity: never. */
  reconnectedAt: number | undefined;
  onReconnect: () => void = () => {};
  partitioned = false;
  #up = true;
  /** Requests without a reply, and calls that wait for the connection. */
  readonly #waiting = new Set<(error: PresenceError) => void>();
  #onUp: (() => void)[] = [];

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  async ready(): Promise<void> {
    if (!this.#up) await this.#untilUp();
  }

  read(commands: readonly ReadCommand[]): Promise<Replies> {
    return this.pipeline(commands);
  }

  async call(command: Command): Promise<Reply> {
    const [reply] = await this.pipeline([command]);
    if (reply instanceof ReplyError) throw redisError(reply);
    return reply!;
  }

  async pipeline(request: Request): Promise<Replies> {
    await this.ready();
    return new Promise((resolve, reject) => {
      const settled = () => {
        this.#waiting.delete(fail);
      };
      const fail = (error: PresenceError) => {
        settled();
        this.#options.host.resume(() => reject(error));
      };
      this.#waiting.add(fail);
      this.#options.host.world.after(this.#options.timeout, () => {
        if (this.#waiting.has(fail)) this.lose();
      });
      const answer = (replies: Replies) => {
        // The reply to a connection that was closed meanwhile is lost.
        if (!this.#waiting.has(fail)) return;
        settled();
        this.#options.host.resume(() => resolve(replies));
      };
      this.#send(request, answer);
    });
  }

  #send(request: Request, answer: (replies: Replies) => void): void {
    const { host, server, random, timeout, protocol } = this.#options;
    const { world } = host;
    // Always as many draws, so that the faults of a history can be told apart by leaving some out.
    const draw = () => random.next();
    const [there, back, slow, place, gap, late] = [draw(), draw(), draw(), draw(), draw(), draw()];
    const isLost = this.#strikes("lose-request", draw());
    const isUnanswered = this.#strikes("lose-reply", draw());
    const isCut = this.#strikes("cut", draw(), request.length > 1);
    const isSplit = this.#strikes("interleave", draw(), request.length > 1);
    const isSlow = this.#strikes("delay", draw());
    const isTwice = this.#strikes("duplicate", draw());
    const silent = draw() < 0.3;

    const delay = 1 + there * 15 + (isSlow && slow < 0.7 ? slow * LATE_MS : 0);
    const delayBack = 1 + back * 15 + (isSlow && slow >= 0.5 ? slow * LATE_MS * 0.7 : 0);
    const amid = 1 + Math.floor(place * (request.length - 1));
    // A connection says that it broke, or nothing at all.
    const breaks = () => world.after(silent ? timeout : 5, () => this.lose());
    const refusedFrom = place < 0.3 ? amid : 0;
    /** undefined: it did not arrive. */
    const arrive = async (first: number, last: number): Promise<Replies | undefined> => {
      if (this.partitioned) return undefined;
      return server.run(request.slice(first, last), Math.max(0, refusedFrom - first), protocol);
    };

    if (isTwice) {
      world.after(delay + late * LATE_MS, async () => {
        await arrive(0, request.length);
      });
    }
    if (isLost) return breaks();
    const reply = (replies: Replies | undefined) => {
      if (isUnanswered || isCut) return breaks();
      world.after(delayBack, () => {
        if (replies !== undefined && !this.partitioned) answer(replies);
      });
    };
    world.after(delay, async () => {
      if (!isCut && !isSplit) return reply(await arrive(0, request.length));
      const replies = await arrive(0, amid);
      if (isCut) return reply(replies);
      world.after(gap * 30, async () => {
        const others = await arrive(amid, request.length);
        reply(replies && others && [...replies, ...others]);
      });
    });
  }

  #strikes(fault: LinkFault, draw: number, possible = true): boolean {
    const { faults, injected } = this.#options;
    if (!possible || draw >= CHANCE || !faults.has(fault)) return false;
    injected.set(fault, (injected.get(fault) ?? 0) + 1);
    return true;
  }

  /** The connection is gone, and with it the replies to everything under way. */
  lose(): void {
    if (!this.#up) return;
    this.#up = false;
    this.#rejectAll();
    this.#reconnect(1);
  }

  #rejectAll(): void {
    const error = new PresenceError("REDIS_UNAVAILABLE", "the simulated connection was lost");
    for (const fail of Array.from(this.#waiting)) fail(error);
  }

  #reconnect(attempt: number): void {
    const { host, random } = this.#options;
    host.after(25 * 2 ** Math.min(attempt, 6) * (1 + random.next()), () => {
      if (this.partitioned) {
        this.#rejectAll();
        this.#reconnect(attempt + 1);
        return;
      }
      this.#up = true;
      this.reconnectedAt = host.world.now;
      // Those who wait go on; host.after has stirred the world for them.
      const waiters = this.#onUp;
      this.#onUp = [];
      for (const go of waiters) go();
      this.onReconnect();
    });
  }

  #untilUp(): Promise<void> {
    return new Promise((resolve, reject) => {
      const fail = (error: PresenceError) => {
        this.#waiting.delete(fail);
        this.#options.host.resume(() => reject(error));
      };
      this.#waiting.add(fail);
      this.#onUp.push(() => {
        this.#waiting.delete(fail);
        resolve();
      });
    });
  }
}
