/** Plays the stories of model/vectors/subscriber.json with our own caller on a real Redis. */
import type { Redis } from "ioredis";
import { inOrder, type PlainSubscriber } from "../../../model/subscriber.ts";
import { readSubscriber } from "../../../rig/subscriber.ts";
import {
  type CallName,
  NAME,
  type SubscriberStep,
  type With,
} from "../../../scripts/vectors/subscriber-step.ts";
import { PresenceError } from "../../../src/core/errors.ts";
import { keysOf, subscriberKeysOf } from "../../../src/core/keys.ts";
import { list } from "../../../src/redis/decode.ts";
import { ioredisPort } from "../../../src/redis/ioredis.ts";
import type { Reply, WritePort } from "../../../src/redis/port.ts";
import { SubscriberScript } from "../../../src/subscriber/script.ts";

const keys = keysOf("vectors", 0, 1);
const own = subscriberKeysOf(keys, NAME);
const OWN = { subscriber: own.state, known: own.known, inbox: own.inbox, dead: own.dead };

interface Played {
  readonly sent: readonly string[];
  readonly reply: object;
  readonly after: PlainSubscriber;
}

/** The slots of the reply, as the script lists them. */
const SLOTS = ["word", "token", "number", "attempt", "place", "window", "entries", "fresh"];

/** Our caller, played: what it sent last, and the reply to that. */
export class SubscriberPlayer {
  readonly #redis: Redis;
  #now = 0;
  readonly #scripts = new Map<string, SubscriberScript>();
  /** Names of ids in the vectors → the ids that Redis gave. */
  #ids = new Map<string, string>();
  readonly #copies: ReadonlyMap<string, string>[] = [];
  readonly #given = { inbox: 0, dead: 0 };
  #sent: readonly string[] = [];
  #reply: readonly Reply[] = [];

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** What was sent, the reply to it, and the keys afterwards, in the form of the vectors. */
  async play(step: SubscriberStep): Promise<Played> {
    if (step.shard !== undefined) await this.#make(step.shard);
    if (step.lose !== undefined) await this.#lose(step.lose);
    if (step.restore !== undefined) await this.#restore(step.restore);
    this.#now = step.now;
    const given = [step.with.letter ?? "", step.with.entry ?? ""];
    const names = new Map(given.map((name) => [this.#idOf(name), name]));
    await this.#call(step.call, step.with, step.of === "scopes");
    const { inbox, dead, ...others } = await readSubscriber(this.#redis, keys, NAME);
    const after = {
      ...others,
      inbox: inbox.map((one) => ({ ...one, id: this.#nameOf("inbox", one.id) })),
      dead: dead.map((one) => ({ ...one, id: this.#nameOf("dead", one.id) })),
    };
    await this.#copy();
    return { sent: this.#sent.map((one) => names.get(one) ?? one), reply: this.#said(step), after };
  }

  /** The shard around it, whole. */
  async #make({ changes, users, ttl, cut, subscribers = 0 }: NonNullable<SubscriberStep["shard"]>) {
    const served = await this.#redis.zscore(keys.subscribers, NAME);
    await this.#redis.del(keys.changes, keys.users, keys.about, keys.totals, keys.subscribers);
    const many = this.#redis.pipeline();
    for (const { id, fields } of changes) many.xadd(keys.changes, id, ...fields);
    for (const user of users) many.hset(keys.users, user, "1");
    if (ttl !== undefined) many.hset(keys.about, "p", JSON.stringify({ host: "web-1", ttl: String(ttl) }));
    if (cut !== undefined) many.hset(keys.totals, "cut", cut);
    for (let i = 0; i < subscribers; i++) many.zadd(keys.subscribers, 1, `other-${i}`);
    if (served !== null) many.zadd(keys.subscribers, served, NAME);
    for (const [error] of (await many.exec()) ?? []) if (error !== null) throw error;
  }

  async #lose(lost: readonly (keyof typeof OWN)[]): Promise<void> {
    await this.#redis.del(...lost.map((key) => OWN[key]));
    for (const name of this.#ids.keys()) if (lost.some((key) => name.startsWith(key))) this.#ids.delete(name);
  }

  /** The keys as they were after an earlier step, and the ids in them. */
  async #restore(step: number): Promise<void> {
    for (const key of Object.values(OWN)) {
      await this.#redis.del(key);
      await this.#redis.copy(`${step}:${key}`, key);
    }
    this.#ids = new Map(this.#copies[step]);
  }

  async #copy(): Promise<void> {
    for (const key of Object.values(OWN)) await this.#redis.copy(key, `${this.#copies.length}:${key}`);
    this.#copies.push(new Map(this.#ids));
  }

  /** By order: an id that was not there before gets the next name. */
  #nameOf(stream: "inbox" | "dead", id: string): string {
    for (const [name, known] of this.#ids) if (known === id && name.startsWith(stream)) return name;
    const next = `${stream}-${++this.#given[stream]}`;
    this.#ids.set(next, id);
    return next;
  }

  /** Anything else is what it is. */
  #idOf(text: string): string {
    return this.#ids.get(text) ?? text;
  }

  #said({ call }: SubscriberStep): object {
    const said = Object.fromEntries(SLOTS.map((slot, i) => [slot, this.#reply[i]]));
    const { word, number, entries, ...others } = said;
    // How many keys there were.
    const rest = { word, ...(call !== "remove" && { number }), ...others };
    if (word === "disabled") return { ...rest, reason: (entries as string[])[0] };
    const found = (entries as [string, string[]][]).map(([id, fields]) =>
      word === "inbox" ? { id: this.#nameOf("inbox", id), fields: inOrder(fields) } : { id, fields },
    );
    return { ...rest, entries: found };
  }

  #port(): WritePort {
    const port = ioredisPort(this.#redis);
    return {
      ...port,
      call: async (command) => {
        const reply = await port.call(command);
        const [, , count, ...rest] = command;
        this.#sent = rest.slice(Number(count));
        this.#reply = list(reply, "the script", SLOTS.length);
        return reply;
      },
    };
  }

  #script(caller: string, isScoped: boolean): SubscriberScript {
    const name = isScoped ? `${caller}, of scopes` : caller;
    const found =
      this.#scripts.get(name) ?? new SubscriberScript(this.#port(), keys, NAME, () => this.#now, isScoped);
    this.#scripts.set(name, found);
    return found;
  }

  async #call(call: CallName, given: With, isScoped: boolean): Promise<void> {
    const { caller = "", token = 0, turn = 0 } = given;
    const script = this.#script(caller, isScoped);
    const letter = this.#idOf(given.letter ?? "");
    const position = { entry: this.#idOf(given.entry ?? ""), place: given.place ?? 0 };
    const states = new Map([
      ...(given.online ?? []).map((user) => [user, true] as const),
      ...(given.offline ?? []).map((user) => [user, false] as const),
    ]);
    const portion = { deliveries: Array<never>(given.handled ?? 0), position, states };
    const source = given.source ?? "changes";
    const calls: Record<CallName, () => Promise<unknown>> = {
      take: () => script.take({ caller, turn, count: given.count!, from: given.from!, keep: given.keep! }),
      note: () => script.note(token, turn, source, portion),
      renew: () => script.renew(token, turn),
      fail: () => script.fail(token, given.wait!, given.error!, source),
      bury: () => script.bury(token, given.letters!, source, portion, given.error!),
      page: () => script.page(token),
      leave: () => script.leave(token),
      disable: () => script.disable(token, given.reason!),
      enable: () => script.enable(),
      retry: () => script.retry(letter),
      drop: () => script.drop(letter),
      amend: () => script.amend(states),
      remove: () => script.remove(),
    };
    await calls[call]().catch((error: unknown) => {
      // `full` and `other` are words of the script, and errors of ours.
      const code = error instanceof PresenceError ? error.code : "";
      if (code !== "LIMIT_EXCEEDED" && code !== "OPTIONS_INVALID") throw error;
    });
  }
}
