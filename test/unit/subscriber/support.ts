/** A shard whose users come and go, and subscribers on it under a clock of the test. */
import type { Delivery } from "../../../src/core/delivery.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import {
  type DeliveryInfo,
  type Handle,
  type HandleBatch,
  resolveSubscriberOptions,
  type SubscriberOptions,
} from "../../../src/subscriber/options.ts";
import { type ServedSubscriber, subscriberOver } from "../../../src/subscriber/subscriber.ts";
import { operations, TestShard } from "../../../rig/shard.ts";

/** `+alice connect`, `-bob leave`, `gap trimmed`. */
export function short(delivery: Delivery): string {
  if (delivery.type === "gap") return `gap ${delivery.reason}`;
  const { user, cause, namespace, room } = delivery;
  const where = namespace === undefined ? "" : `${namespace}${room === undefined ? "" : `,${room}`} `;
  return `${where}${delivery.type === "online" ? "+" : "-"}${user} ${cause}`;
}

export class Crowd extends TestShard {
  #seq = 0;
  #sockets = 0;

  /** One record: `+alice` connects, `-alice` drops, `~alice` leaves. */
  async say(...what: string[]): Promise<void> {
    for (const one of what) this.#sockets += one.startsWith("+") ? 1 : -1;
    const process = "web";
    await this.record({ process, seq: ++this.#seq, sockets: this.#sockets, operations: operations(...what) });
    await this.drain();
  }

  /** A replica as of now. The function that this returns makes it the master: what happened since is lost. */
  async replica(): Promise<() => Promise<void>> {
    const names = () => this.redis.keys(`${this.keys.tag}:*`);
    const seq = this.#seq;
    const sockets = this.#sockets;
    const kept = await Promise.all(
      (await names()).map(async (name) => [name, await this.redis.dumpBuffer(name)] as const),
    );
    return async () => {
      await this.redis.del(...(await names()));
      for (const [name, value] of kept) await this.redis.restore(name, 0, value, "REPLACE");
      this.#seq = seq;
      this.#sockets = sockets;
    };
  }

  /** Registers again, with these users: after everything was lost. */
  async restart(...users: string[]): Promise<void> {
    this.#seq = 0;
    this.#sockets = 0;
    await this.say(...users.map((user) => `+${user}`));
  }
}

export interface Told extends ServedSubscriber {
  /** Each delivery that was handled, in short. */
  readonly got: string[];
  readonly deliveries: Delivery[];
  readonly infos: DeliveryInfo[];
  deliver(): Promise<{ handled: number; idle: boolean; due: number | null; disabled: boolean }>;
}

/** A subscriber whose handler notes what it gets; `handle` may do something before, and fail. */
export function subscriberOn(
  shard: TestShard,
  options: Partial<SubscriberOptions> = {},
  handle: Handle = () => {},
  caller?: string,
): Told {
  const got: string[] = [];
  const deliveries: Delivery[] = [];
  const infos: DeliveryInfo[] = [];
  const each = async (delivery: Delivery, info: DeliveryInfo) => {
    await handle(delivery, info);
    got.push(short(delivery));
    deliveries.push(delivery);
    infos.push(info);
  };
  const one: Handle = each;
  const many: HandleBatch = async (all, info) => {
    for (const delivery of all) await each(delivery, info);
  };
  const resolved = resolveSubscriberOptions({
    name: "billing",
    prefix: shard.prefix,
    logger: false,
    ...options,
  });
  const served = subscriberOver(
    ioredisPort(shard.redis),
    options.batch === undefined ? one : many,
    resolved,
    { now: () => shard.now, caller },
  );
  return { ...served, got, deliveries, infos, deliver: () => served.subscriber.deliver() };
}
