/** What the vectors of subscriber.json are made of: a shard, a clock and calls in; replies and all keys of the subscriber out. */
import * as model from "../../model/subscriber.ts";
import { DEAD_LETTERS_KEPT_MS, TTL_MS, TTL_MS_MAX } from "../../src/core/limits.ts";
import {
  type Around,
  type CallName,
  type Lost,
  NAME,
  type SubscriberStep,
  type With,
} from "./subscriber-step.ts";

const TURN = 10_000;

/** Of one caller: what it was answered, and how far it got with what it read last. */
interface Caller {
  seen: number;
  token: number;
  /** What take said last, and what it handed out last. */
  word: string;
  read: Pick<model.Answer, "word" | "entries">;
  at: Position;
  /** Before the last step. */
  before: Position;
}

interface Position {
  readonly entries: number;
  readonly place: number;
}

/** How far a caller is with what it read: this many entries, and of the next one this many changes. Absent: all. */
interface Upto {
  readonly entries?: number;
  readonly place?: number;
  /** The step before once more, with the token that it was made with. */
  readonly token?: number;
  readonly turn?: number;
}

/** The users of an entry in their order, and whether they are online by it; null is a gap, or a letter. */
function told({ fields }: model.Entry): ([user: string, isOnline: boolean] | null)[] {
  if (fields[0] === "rebuilt") return [];
  if (fields[0] === "gap" || fields[0] === "again") return [null];
  return fields.flatMap((cause, i) =>
    i % 2 === 0
      ? (JSON.parse(fields[i + 1]!) as string[]).map((user): [string, boolean] => [
          user,
          cause === "connect" || cause === "online",
        ])
      : [],
  );
}

export class SubscriberStory {
  now = 1_700_000_000_000;
  readonly steps: SubscriberStep[] = [];
  #s: model.Subscriber | undefined;
  #isThere = false;
  readonly #callers = new Map<string, Caller>();
  readonly #copies: (model.Subscriber | undefined)[] = [];
  #changes: model.Entry[] = [];
  #users = new Set<string>();
  #ttl: number | undefined;
  #cut: string | undefined;
  #others = 0;
  #of: model.Shard["of"] = "";
  /** Entries so far, by stream. */
  readonly #numbers = { changes: 0, inbox: 0, dead: 0 };
  #stated = "";
  #before: Pick<SubscriberStep, "lose" | "restore"> = {};

  wait(ms: number): this {
    this.now += ms;
    return this;
  }

  // What happens around it.

  /** An entry of `changes`. */
  say(...fields: string[]): this {
    this.#changes.push({ id: `${this.now}-${++this.#numbers.changes}`, fields });
    return this;
  }

  come(...users: string[]): this {
    return this.is(...users).say("connect", JSON.stringify(users));
  }

  go(...users: string[]): this {
    return this.isNot(...users).say("leave", JSON.stringify(users));
  }

  /** They are present, and no entry says so. */
  is(...users: string[]): this {
    for (const user of users) this.#users.add(user);
    return this;
  }

  isNot(...users: string[]): this {
    for (const user of users) this.#users.delete(user);
    return this;
  }

  /** The first entries are removed. */
  trim(entries: number): this {
    this.#cut = this.#changes[entries]?.id ?? `${this.now}-0`;
    this.#changes = this.#changes.slice(entries);
    return this;
  }

  /** A failover takes the last entries. */
  failOver(entries: number): this {
    this.#changes = this.#changes.slice(0, -entries);
    return this;
  }

  /** The longest lease in `about`. */
  ttl(ms: number | undefined): this {
    this.#ttl = ms;
    return this;
  }

  /** What follows is called as of a subscriber of scopes, or not. */
  of(of: model.Shard["of"]): this {
    this.#of = of;
    return this;
  }

  others(count: number): this {
    this.#others = count;
    return this;
  }

  /** Redis loses these keys of the subscriber. */
  lose(...keys: Lost[]): this {
    this.#before = { lose: keys };
    const s = this.#s!;
    if (keys.includes("subscriber")) this.#isThere = false;
    if (keys.includes("known")) s.known.clear();
    if (keys.includes("inbox")) s.inbox = [];
    if (keys.includes("dead")) s.dead = [];
    return this;
  }

  /** A failover: they are as they were after an earlier step. `subscribers` is none of them. */
  restore(step: number): this {
    this.#before = { restore: step };
    this.#s = { ...structuredClone(this.#copies[step]!), served: this.#s!.served };
    this.#isThere = true;
    return this;
  }

  // The calls.

  take(
    caller: string,
    { turn = TURN, count = 100, from = "now", keep = DEAD_LETTERS_KEPT_MS }: Partial<model.Taking> = {},
  ): this {
    const own = this.#caller(caller);
    const taking = { caller, turn, count, from, keep, seen: own.seen };
    const [s, reply] = model.take(this.#s, this.#isThere, taking, this.#around());
    this.#s = s;
    this.#isThere ||= s !== undefined && reply.word !== "full";
    own.word = reply.word;
    if (reply.word === "changes" || reply.word === "inbox") {
      own.read = reply;
      own.at = own.before = { entries: 0, place: reply.place };
    }
    return this.#did("take", taking, [caller, turn, count, from, keep, taking.seen], reply, own);
  }

  note(caller: string, { token, turn = TURN, ...upto }: Upto = {}): this {
    const own = this.#caller(caller);
    const proof = token ?? own.token;
    const { handled, states, next, ...position } = this.#step(own, upto, token !== undefined);
    const reply = this.#held(caller, proof, (s) =>
      model.note(s, turn, { ...position, states }, handled, this.#around()),
    );
    const { named, args } = this.#position(position, states);
    if (reply.word === "done") Object.assign(own, { before: own.at, at: next });
    const given = { caller, token: proof, turn, handled, ...named };
    const [source, entry, place, ...users] = args;
    const list = [`${proof} ${caller}`, turn, source!, entry!, place!, handled, ...users];
    return this.#did("note", given, list, reply, own);
  }

  renew(caller: string, token = this.#caller(caller).token): this {
    const reply = this.#held(caller, token, (s) => model.note(s, TURN, undefined, 0, this.#around()));
    const args = [`${token} ${caller}`, TURN, ""];
    return this.#did("renew", { caller, token, turn: TURN }, args, reply, this.#caller(caller));
  }

  fail(caller: string, wait: number, error: string, token = this.#caller(caller).token): this {
    const own = this.#caller(caller);
    const source = own.word === "inbox" ? "inbox" : "changes";
    const reply = this.#held(caller, token, (s) => model.fail(s, wait, error, source, this.#around()));
    const args = [`${token} ${caller}`, wait, error, source];
    return this.#did("fail", { caller, token, wait, error, source }, args, reply, own);
  }

  bury(caller: string, letters: readonly string[], error: string, { token, ...upto }: Upto = {}): this {
    const own = this.#caller(caller);
    const proof = token ?? own.token;
    const { handled: _, states, next, ...position } = this.#step(own, upto, token !== undefined);
    const reply = this.#held(caller, proof, (s) =>
      model.bury(s, letters, { ...position, states }, error, this.#around()),
    );
    const { named, args } = this.#position(position, states);
    if (reply.word === "done") Object.assign(own, { before: own.at, at: next });
    const given = { caller, token: proof, letters, error, ...named };
    const [source, entry, place, ...users] = args;
    const list = [`${proof} ${caller}`, JSON.stringify(letters), source!, entry!, place!, error, ...users];
    return this.#did("bury", given, list, reply, own);
  }

  page(caller: string, token = this.#caller(caller).token): this {
    const reply = this.#held(caller, token, (s) => {
      const { word } = this.#caller(caller);
      if (word !== "page") throw new Error(`page, though take said ${word}`);
      return model.page(s, this.#around());
    });
    return this.#did("page", { caller, token }, [`${token} ${caller}`], reply, this.#caller(caller));
  }

  leave(caller: string, token = this.#caller(caller).token): this {
    const reply = this.#held(caller, token, (s) => model.leave(s, this.#around()));
    return this.#did("leave", { caller, token }, [`${token} ${caller}`], reply, this.#caller(caller));
  }

  disable(caller: string, reason: string, token = this.#caller(caller).token): this {
    const reply = this.#held(caller, token, (s) => model.disable(s, reason, this.#around()));
    const args = [`${token} ${caller}`, reason];
    return this.#did("disable", { caller, token, reason }, args, reply, this.#caller(caller));
  }

  enable(): this {
    return this.#did("enable", {}, [], model.enable(this.#known));
  }

  /** A dead letter by its number; there has been none: by an id that no letter has. */
  retry(number: number): this {
    return this.#settle("retry", number);
  }

  drop(number: number): this {
    return this.#settle("drop", number);
  }

  amend(caller: string, online: readonly string[], offline: readonly string[] = []): this {
    const own = this.#caller(caller);
    const { seen } = own;
    const states = new Map([
      ...online.map((user) => [user, true] as const),
      ...offline.map((user) => [user, false] as const),
    ]);
    const reply = model.amend(this.#s!, seen, states, this.#around());
    const args = [seen, online.length, ...online, ...offline];
    return this.#did("amend", { caller, seen, online, offline }, args, reply, own);
  }

  remove(): this {
    this.#s = undefined;
    this.#isThere = false;
    return this.#did("remove", {}, [], model.remove());
  }

  /** The newest token of a caller. */
  tokenOf(caller: string): number {
    return this.#caller(caller).token;
  }

  #settle(call: "retry" | "drop", number: number): this {
    const letter = number > this.#numbers.dead ? "1-1" : `dead-${number}`;
    return this.#did(call, { letter }, [letter], model.settle(this.#known, `${number}-0`, call === "retry"));
  }

  get #known(): model.Subscriber | undefined {
    return this.#isThere ? this.#s : undefined;
  }

  #caller(name: string): Caller {
    const at = { entries: 0, place: 0 };
    const read = { word: "changes", entries: [] };
    const found = this.#callers.get(name) ?? { seen: 0, token: 0, word: "", read, at, before: at };
    this.#callers.set(name, found);
    return found;
  }

  #around(): model.Shard {
    return {
      now: this.now,
      changes: [...this.#changes],
      users: this.#users,
      longest: Math.min(Math.max(TTL_MS, this.#ttl ?? 0), TTL_MS_MAX),
      isCut: this.#cut !== undefined,
      of: this.#of,
      subscribers: this.#others + (this.#s === undefined || this.#s.served === 0 ? 0 : 1),
    };
  }

  #held(caller: string, token: number, own: (s: model.Subscriber) => model.Answer): model.Answer {
    const s = this.#known;
    return s !== undefined && model.holds(s, token, caller) ? own(s) : model.lost(s);
  }

  /** From where the caller is to where it says. */
  #step(
    own: Caller,
    { entries, place = 0 }: Upto,
    isOnceMore: boolean,
  ): model.Step & { handled: number; next: Position } {
    const from = isOnceMore ? own.before : own.at;
    const { word, entries: read } = own.read;
    const upto = entries ?? read.length;
    const passed = read
      .slice(from.entries, upto + 1)
      .flatMap((entry, i) =>
        told(entry).slice(i === 0 ? from.place : 0, from.entries + i === upto ? place : undefined),
      );
    return {
      source: word === "inbox" ? "inbox" : "changes",
      entry: read[upto - 1]?.id ?? "",
      place,
      states: new Map(passed.flatMap((one) => (one === null ? [] : [one]))),
      handled: passed.length,
      next: { entries: upto, place },
    };
  }

  /** As the last arguments of note and bury; in between is a third one of each. */
  #position(
    { source, entry, place }: Omit<model.Step, "states">,
    states: model.Step["states"],
  ): { named: With; args: (string | number)[] } {
    const of = (isOnline: boolean) => [...states].filter(([, one]) => one === isOnline).map(([user]) => user);
    const [online, offline] = [of(true), of(false)];
    const id = source === "inbox" && entry !== "" ? this.#named("inbox", entry) : entry;
    return {
      named: { source, entry: id, place, online, offline },
      args: [source, id, place, online.length, ...online, ...offline],
    };
  }

  #named(stream: "inbox" | "dead", id: string): string {
    return `${stream}-${id.split("-", 1)[0]}`;
  }

  #did(
    call: CallName,
    given: With,
    args: readonly (string | number)[],
    reply: model.Answer,
    own?: Caller,
  ): this {
    this.#s?.inbox.forEach((one) => (one.id ||= `${++this.#numbers.inbox}-0`));
    this.#s?.dead.forEach((one) => (one.id ||= `${++this.#numbers.dead}-0`));
    const { entries, reason, isFresh, ...said } = reply;
    if (own !== undefined) {
      if (reply.word !== "lost") own.token = reply.token;
      if (!["behind", "held", "disabled", "lost"].includes(reply.word))
        own.seen = Math.max(own.seen, reply.token);
    }
    const shard: Around = {
      changes: this.#changes.map((one) => ({ ...one })),
      users: [...this.#users],
      ...(this.#ttl !== undefined && { ttl: this.#ttl }),
      ...(this.#cut !== undefined && { cut: this.#cut }),
      ...(this.#others > 0 && { subscribers: this.#others }),
    };
    const stated = JSON.stringify(shard);
    const after = model.plainSubscriber(this.#s, this.#isThere);
    this.steps.push({
      ...this.#before,
      ...(stated !== this.#stated && { shard }),
      now: this.now,
      ...(this.#of !== "" && { of: this.#of }),
      call,
      with: given,
      arguments: [call === "renew" ? "note" : call, String(this.now), NAME, ...args.map(String)],
      reply: {
        ...said,
        ...(call === "remove" && { number: undefined }),
        ...(reply.word === "disabled"
          ? { reason }
          : {
              entries: entries.map(({ id, fields }) =>
                reply.word === "inbox"
                  ? { id: this.#named("inbox", id), fields: model.inOrder(fields) }
                  : { id, fields },
              ),
            }),
        fresh: Number(isFresh),
      },
      after: {
        ...after,
        inbox: after.inbox.map((one) => ({ ...one, id: this.#named("inbox", one.id) })),
        dead: after.dead.map((one) => ({ ...one, id: this.#named("dead", one.id) })),
      },
    });
    this.#stated = stated;
    this.#before = {};
    this.#copies.push(structuredClone(this.#s));
    return this;
  }
}
