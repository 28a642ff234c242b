/**
 * Processes that serve durable subscribers, in virtual time: the code of src/subscriber, with the loop of src/subscriber/loop.ts woken by
 * changes and by what is due, and a scheduler that calls deliver() now and then.
 */
import { backoff } from "../../src/core/backoff.ts";
import type { Delivery } from "../../src/core/delivery.ts";
import { DeliveryError } from "../../src/subscriber/delivery-error.ts";
import { type DeliveryInfo, resolveSubscriberOptions } from "../../src/subscriber/options.ts";
import { type ServedSubscriber, subscriberOver } from "../../src/subscriber/subscriber.ts";
import type { Random } from "../../rig/random.ts";
import { type Host, runtimeOf } from "./host.ts";
import type { Link } from "./link.ts";
import { mustBeRedis } from "./recorder.ts";
import type { Told } from "./told.ts";

export interface SubscriberOptions {
  readonly host: Host;
  readonly link: Link;
  readonly random: Random;
  readonly prefix: string;
  readonly told: Told;
  /** Unique in the history. */
  readonly caller: string;
  /** Whether receivers fail and take their time. */
  readonly isWild: () => boolean;
}

const NEVER = new AbortController().signal;

export class SubscriberProcess {
  readonly link: Link;
  readonly host: Host;
  readonly #options: SubscriberOptions;
  readonly #served: ServedSubscriber;
  #rung = false;
  #wake: (() => void) | undefined;

  constructor(options: SubscriberOptions) {
    const { host, link, random, prefix, told, caller } = options;
    const { name, from, turn, timeout, retries, batch, filter } = told.plan;
    this.host = host;
    this.link = link;
    this.#options = options;
    const resolved = resolveSubscriberOptions({
      name, prefix, from, turn, timeout, retries, logger: false,
      ...(batch > 1 && { batch }),
      ...(filter !== "all" && { filter: { types: [filter] } }),
    }); // prettier-ignore
    const handle = (given: Delivery | readonly Delivery[], info: DeliveryInfo) =>
      this.#handle(Array.isArray(given) ? (given as readonly Delivery[]) : [given as Delivery], info);
    this.#served = subscriberOver(link, handle, resolved, { runtime: runtimeOf(host, random), caller });
  }

  async #handle(deliveries: readonly Delivery[], info: DeliveryInfo): Promise<void> {
    const { host, random, told, caller, isWild } = this.#options;
    const { turn } = told.plan;
    // Thrown in a handler, it would be an attempt that failed.
    const holds = <T>(check: () => T): T => {
      try {
        return check();
      } catch (violation) {
        host.world.fail(violation);
        throw violation;
      }
    };
    const ends = holds(() => told.begins(caller, host, deliveries, info.signal));
    try {
      const [length, draw] = [random.next(), random.next()];
      if (isWild() && length < 0.35) await host.pause(length < 0.06 ? 3 * turn * draw : turn * 0.2 * draw);
      // As who heeds the signal.
      if (info.signal.aborted) throw new Error("told to stop");
      const fate = isWild() ? random.next() : 1;
      if (fate < 0.1) throw new Error("the receiver is down");
      if (fate < 0.11) throw new DeliveryError("never", { giveUp: true });
      if (fate < 0.12) throw new DeliveryError("later", { retryAfter: 2_000 });
      holds(() => told.finished(caller, deliveries));
      if (fate < 0.16) throw new Error("failed after it was done");
    } finally {
      ends();
    }
  }

  /** Something was appended to `changes`. A ring while awake counts for the next sleep. */
  ring(): void {
    if (!this.#served.shards[0]!.isHolder) return;
    this.#rung = true;
    this.#wake?.();
  }

  async run(): Promise<void> {
    const { host, link, random, told } = this.#options;
    const [shard] = this.#served.shards;
    link.onReconnect = () => this.ring();
    const most = told.plan.turn / 3;
    let failures = 0;
    for (;;) {
      try {
        await this.#served.open();
        const { state, ms } = await shard!.round({ signal: NEVER, mayGoOn: () => true, handled() {} });
        failures = 0;
        if (!this.#rung)
          await this.#sleep(state === "held" || state === "wait" ? Math.min(ms + 1, most) : most);
        this.#rung = false;
      } catch (error) {
        mustBeRedis(error);
        await host.pause(backoff(++failures, () => random.next()));
      }
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.host.after(ms, resolve);
    });
  }

  /** A scheduled function: never longer at it than its budget. */
  async deliverEvery(ms: number): Promise<void> {
    const { host, random } = this.#options;
    for (;;) {
      await host.pause(ms);
      const budget = {
        ms: random.int(0, 2 * ms),
        requests: random.int(4, 40),
        deliveries: random.int(1, 20),
      };
      try {
        await this.#served.subscriber.deliver({ budget });
      } catch (error) {
        mustBeRedis(error);
      }
    }
  }
}
