/**
 * Redis in the simulation: a real one that runs the real script, between a clock of ours and faults of ours. One
 * request is one event, so what it does is atomic here exactly where it is in Redis: a command, a script.
 *
 * Stream ids are ours too, made by Redis's own rule: the clock's ms, unless the last id is ahead of it; an id never
 * goes back. Changes and rejected entries keep the ids of the real clock; nothing here depends on them.
 */
import { type KeyName, keysOf, type ShardKeys, subscriberKeysOf } from "../../src/core/keys.ts";
import { AHEAD_MS, PROTOCOL } from "../../src/core/limits.ts";
import type { RecordEntry } from "../../src/core/record.ts";
import { type Command, type PipelinePort, type Reply, ReplyError } from "../../src/redis/port.ts";
import { subscriber } from "../../src/lua/generated.ts";
import { type Called, calledOf, checkCall, told } from "./check.ts";
import { hold, Violation } from "./faults.ts";
import {
  copyCommand,
  dropCommand,
  findCommand,
  readCommand,
  readState,
  readSubscriberCommand,
  readSubscriberState,
  SCRIPTS,
  type State,
} from "./inspect.ts";
import { NEXT, nextProject, ofNextVersion, OURS } from "./next-version.ts";
import { Oracle } from "./oracle.ts";
import { fieldsOf, isCommand, type Part, recordOf, type Refusal, type Request } from "./request.ts";
import { at } from "../../rig/random.ts";
import { StreamIds } from "./stream-ids.ts";
import type { ChangeEntry, SubscriberState, Told } from "./told.ts";
import type { World } from "./world.ts";

/** What one part asks of the real Redis, and what its replies come to. */
interface Task {
  readonly commands: readonly Command[];
  readonly finish: (replies: (Reply | ReplyError)[]) => Reply | ReplyError;
}

/** Where `reap` and `now_ms` stand in a call of project.lua: after the name, the hash, 11 keys and their number. */
const REAP = 16;
const CLOCK = 17;
/** Where the clock of Redis begins: far enough from 0 for a jump back. */
export const EPOCH_MS = 100_000_000;

/** Of each key: does everything add up without it? */
const KEPT: Readonly<Record<KeyName, boolean>> = {
  records: true, users: false, totals: false, processes: false, states: false, about: false, leaving: false, changes: true,
  rejected: true, ended: false, clock: true,
}; // prettier-ignore

/**
 * Of evictions, how many hit a key of scopes, and how the names of these begin. Not `scopes`: without it nobody knows which hashes a
 * rebuild has to delete, and what is left of one goes when its scope is used again.
 */
const EVICTS_OF_SCOPES = 0.4;
/** And how many hit what is kept of a subscriber: where it stands, or who is known. */
const EVICTS_OF_SUBSCRIBERS = 0.15;
const EVICTED = ["scope:", "scopes:", "lingering", "lingerers", "told"];

/** What a replica has, apart from the copies of the keys. */
interface Snapshot {
  readonly oracle: Oracle;
  readonly ids: StreamIds;
  readonly changes: readonly ChangeEntry[];
}

/** Where the time stands in a call of a subscriber's script, which comes after the hash, nine keys and their number. */
const SUBSCRIBER_WHAT = 12;
const serves = ([, script]: Command) => script === subscriber.sha1 || script === subscriber.text;

const isCall = (part: Part): part is Command =>
  isCommand(part) && (part[0] === "EVALSHA" || part[0] === "EVAL");

export class Server {
  readonly keys: ShardKeys;
  readonly #world: World;
  readonly #port: PipelinePort;
  /** The last state read, and its text: most calls find nothing to do, and what did not change was checked before. */
  #last: { readonly text: string; readonly state: State } | undefined;
  oracle = new Oracle();
  refusal: Refusal | undefined;
  /** Projector calls checked. */
  calls = 0;
  /** Of those, after how many somebody had the turn. */
  turns = 0;
  /** Calls refused since a projector of the next version was here, and first records of that version set aside. */
  refused = 0;
  setAside = 0;
  /** Told how long after it was appended a record was folded, ms. */
  onFolded: (record: RecordEntry, ms: number) => void = () => {};
  /** Durable subscribers by name. */
  readonly told = new Map<string, Told>();
  /** A key was evicted without which something does not add up. */
  hasLost = false;
  /** When a call last found that something does not add up, ms of the world. */
  rebuiltAt = 0;
  /** Every entry of `changes`, also those that are trimmed. */
  readonly changes: ChangeEntry[] = [];
  /** Calls of subscribers' scripts checked. */
  served = 0;
  /** Called after a call that appended changes. */
  onChanges: () => void = () => {};
  /** Called after every append, as a blocked XREAD is woken. */
  onAppend: () => void = () => {};
  #offset = EPOCH_MS;
  #forward = 0;
  #ids = new StreamIds();
  /** What a call by hash finds. */
  readonly #scripts = new Set(["project", "subscriber"]);
  #snapshot: Snapshot | undefined;

  constructor(world: World, port: PipelinePort, prefix: string) {
    this.#world = world;
    this.#port = port;
    this.keys = keysOf(prefix, 0, 1);
  }

  get clock(): number {
    return this.#world.now + this.#offset;
  }

  /**
   * The time in which no lease may end early: real time, and jumps forward of the clock, which use leases up. Jumps back
   * may only lengthen one.
   */
  get #elapsed(): number {
    return this.#world.now + this.#forward;
  }

  jump(ms: number): void {
    // Never before 0: such a clock has no stream ids.
    this.#offset += Math.max(ms, 1000 - this.clock);
    if (ms > 0) this.#forward += ms;
    for (const told of this.told.values()) told.upset();
  }

  forgetScripts(): void {
    this.#scripts.clear();
  }

  /** Carries out a request. From its part `refusedFrom` on, a refusing server refuses. */
  async run(request: Request, refusedFrom = 0, protocol = OURS): Promise<(Reply | ReplyError)[]> {
    const replies: (Reply | ReplyError)[] = [];
    // A call is checked against what the one before it left, so each goes with what comes before the next.
    const calls = request.flatMap((part, i) => (isCall(part) ? [i] : []));
    const ends = [...calls.slice(1), request.length];
    for (const [i, end] of ends.entries()) {
      const first = i === 0 ? 0 : calls[i]!;
      replies.push(
        ...(await this.#carryOut(request.slice(first, end), Math.max(0, refusedFrom - first), protocol)),
      );
    }
    return replies;
  }

  async #carryOut(request: Request, refusedFrom: number, protocol: number): Promise<(Reply | ReplyError)[]> {
    const tasks = request.map((part, i) =>
      this.#task(part, i >= refusedFrom ? this.refusal : undefined, protocol),
    );
    // One round trip for all of it: half of the simulation's time is spent there.
    const replies = await this.#send(tasks.flatMap((task) => task.commands));
    let first = 0;
    return tasks.map(({ commands, finish }) => {
      const own = replies.slice(first, (first += commands.length));
      return finish(own);
    });
  }

  #task(part: Part, refusal: Refusal | undefined, protocol: number): Task {
    const refuse = (text: string): Task => ({ commands: [], finish: () => new ReplyError(text) });
    if (refusal === "LOADING") return refuse("LOADING Redis is loading the dataset in memory");
    const evaluates = isCall(part);
    const appended = fieldsOf(part);
    const writes = evaluates || appended !== undefined;
    if (refusal === "READONLY" && writes) return refuse("READONLY You can't write here.");
    // Scripts go on without memory: what ours does first needs none.
    if (refusal === "OOM" && appended !== undefined) return refuse("OOM command not allowed");
    if (appended !== undefined) return this.#append(appended, recordOf(part) ?? null, protocol);
    if (!isCommand(part)) throw new Error("a part that appends nothing is a command");
    if (isCall(part)) {
      const script = serves(part) ? "subscriber" : "project";
      if (part[0] === "EVALSHA" && !this.#scripts.has(script)) return refuse("NOSCRIPT No matching script.");
      this.#scripts.add(script);
      if (script === "project") return this.#project(part, protocol);
      return refusal === "OOM" ? refuse("OOM command not allowed") : this.#serve(part);
    }
    return { commands: [part], finish: ([reply]) => reply! };
  }

  /** The real script with our clock for its placeholder, and everything it must hold checked in the same round trip. */
  #project(command: Command, protocol: number): Task {
    const { oracle, clock } = this;
    const known = { changeId: oracle.changeId, movedId: oracle.movedId };
    const isNext = protocol === NEXT;
    const script = command[0] === "EVAL" ? nextProject.text : nextProject.sha1;
    const timed: Command = [
      command[0],
      isNext ? script : command[1]!,
      ...command.slice(2, CLOCK),
      String(clock),
      ...command.slice(CLOCK + 1),
    ];
    const finish = ([answer, found]: (Reply | ReplyError)[]): Reply | ReplyError => {
      if (answer instanceof ReplyError && answer.message.includes("PRESENCE_VERSION")) {
        hold("INV-2", "the protocol of the totals", oracle.protocol, NEXT);
        hold("INV-2", "the protocol of who may not fold", protocol, OURS);
        this.refused++;
        return answer;
      }
      if (protocol < oracle.protocol)
        throw new Violation(
          "INV-2",
          `a projector of protocol ${protocol} folded after one of ${oracle.protocol}`,
        );
      oracle.protocol = protocol;
      // The processes of the next version are ours in all but the number.
      const reply = isNext && Array.isArray(answer) ? [PROTOCOL, ...answer.slice(1)] : answer;
      if (reply instanceof ReplyError)
        throw new Violation("INV-7", `a call of the projector failed: ${reply.message.slice(0, 200)}`);
      const called = calledOf(reply!, command[REAP] === "1");
      const same = this.#last?.text === found;
      const state = same ? this.#last!.state : readState(found as string, known);
      this.#last = { text: found as string, state };
      this.calls++;
      if (!same) this.changes.push(...state.entries);
      if (!same && state.entries.length > 0) this.onChanges();
      // Calls that found nothing to do would push what matters out of the trace.
      if (!same || called.records > 0)
        this.#world.note(`  ${told(called)}, tells ${state.changes.length} changes`);
      if (called.holder !== "") this.turns++;
      if (called.rebuilt) this.rebuiltAt = this.#world.now;
      const log = [...oracle.log];
      checkCall(this.#madeAnew(called, clock), state, oracle, { elapsed: this.#elapsed, clock }, same);
      for (const { record, made, protocol: theirs } of log.slice(0, log.length - oracle.log.length)) {
        if (record === null) continue;
        if (record.seq === 1 && theirs > protocol) this.setAside++;
        this.onFolded(record, this.#world.now - made);
      }
      return reply!;
    };
    return { commands: [timed, readCommand(this.keys, known)], finish };
  }

  /** The real script of subscribers with our clock, and what must hold of its keys. */
  #serve(command: Command): Task {
    const [what = "", , name = "", ...args] = command.slice(SUBSCRIBER_WHAT);
    const told = this.told.get(name)!;
    const timed: Command = [
      command[0],
      command[0] === "EVAL" ? subscriber.text : subscriber.sha1,
      ...command.slice(2, SUBSCRIBER_WHAT + 1),
      String(this.clock),
      ...command.slice(SUBSCRIBER_WHAT + 2),
    ];
    const read = readSubscriberCommand(this.keys, name);
    const { mustRead } = told;
    const finish = (replies: (Reply | ReplyError)[]): Reply | ReplyError => {
      const [reply, found] = replies.slice(-2);
      if (mustRead) told.read(readSubscriberState(replies[0] as string));
      if (reply instanceof ReplyError)
        throw new Violation("INV-14", `a call of a subscriber failed: ${reply.message.slice(0, 200)}`);
      const [word] = reply as [string];
      const state: SubscriberState = readSubscriberState(found as string);
      this.served++;
      if (word !== "held" && word !== "idle" && word !== "wait")
        this.#world.note(
          `  ${name}: ${what} ${args.slice(0, 6).join(" ").slice(0, 60)}: ${word} ${state.fields["entry"]}.${state.fields["place"]} ${state.fields["phase"]}`,
        );
      told.called({ what, args }, word, state);
      return reply!;
    };
    return { commands: [...(mustRead ? [read] : []), timed, read], finish };
  }

  /** A log whose ids the clock will not reach for long is made anew once it is empty, and told to be folded up to now. */
  #madeAnew(called: Called, clock: number): Called {
    const last = this.oracle.log.at(-1);
    if (called.foldedId !== `${clock}-0` || last === undefined) return called;
    if (Number(last.id.split("-", 1)[0]) <= clock + AHEAD_MS) return called;
    this.#ids = new StreamIds();
    return { ...called, foldedId: last.id };
  }

  /** XADD with the id Redis would give it. */
  #append(fields: readonly string[], record: RecordEntry | null, protocol: number): Task {
    const id = this.#ids.next(this.clock);
    this.oracle.log.push({ id, record, at: this.#elapsed, made: this.#world.now, protocol });
    this.onAppend();
    return {
      commands: [
        [
          "XADD",
          this.keys.records,
          id,
          ...(record !== null && protocol === NEXT ? ofNextVersion(fields) : fields),
        ],
      ],
      finish: ([reply]) => reply!,
    };
  }

  /** The whole projection as it is. */
  async state(): Promise<State> {
    const [found] = await this.#send([readCommand(this.keys, this.oracle)]);
    return readState(found as string, this.oracle);
  }

  /** Who has records in the log, apart from `others`. */
  unfolded(others: readonly string[]): string[] {
    return this.oracle.log.flatMap(({ record }) =>
      record === null || others.includes(record.process) ? [] : [record.process],
    );
  }

  /** The replica receives everything up to now. */
  async replicate(): Promise<void> {
    await this.#send([copyCommand(this.#start, replicaOf(this.#start))]);
    this.#snapshot = { oracle: this.oracle.clone(), ids: this.#ids.clone(), changes: [...this.changes] };
    for (const told of this.told.values()) told.replicate();
  }

  /** The replica takes over with what it has. */
  async failover(): Promise<void> {
    if (this.#snapshot === undefined) return;
    await this.#send([copyCommand(replicaOf(this.#start), this.#start)]);
    const { oracle, ids, changes } = this.#snapshot;
    await this.#tick();
    this.changes.splice(0, Infinity, ...changes);
    for (const told of this.told.values()) told.failover();
    this.oracle = oracle.clone();
    this.#ids = ids.clone();
    this.#last = undefined;
  }

  /** Redis loses all keys. */
  async wipe(): Promise<void> {
    await this.#send([dropCommand(this.#start)]);
    await this.#tick();
    this.changes.length = 0;
    for (const told of this.told.values()) told.wiped();
    this.oracle = new Oracle();
    this.#ids = new StreamIds();
    this.#last = undefined;
  }

  /** Changes have ids of the real clock: within one ms, one that was lost and a new one could have the same. */
  async #tick(): Promise<void> {
    if (this.told.size === 0) return;
    const ms = async () => {
      const [[seconds, us]] = (await this.#send([["TIME"]])) as unknown as [[string, string]];
      return Number(seconds) * 1000 + Math.floor(Number(us) / 1000);
    };
    const began = await ms();
    while ((await ms()) === began);
  }

  /** The oldest changes are trimmed. */
  async trimChanges(share: number): Promise<void> {
    const [length] = await this.#send([["XLEN", this.keys.changes]]);
    await this.#send([["XTRIM", this.keys.changes, "MAXLEN", String(Math.floor(Number(length) * share))]]);
  }

  /** How the name of every key begins. */
  get #start(): string {
    return `${this.keys.tag}:`;
  }

  /** Redis evicts one key. Returns its name. */
  async evict(pick: number, more: number): Promise<string> {
    const scoped = more < EVICTS_OF_SCOPES ? await this.#evictOfScopes(pick) : undefined;
    if (scoped !== undefined) return scoped;
    const told = more > 1 - EVICTS_OF_SUBSCRIBERS ? at([...this.told.values()], pick) : undefined;
    if (told !== undefined) {
      const { state, known } = subscriberKeysOf(this.keys, told.plan.name);
      await this.#send([["DEL", pick < 0.5 ? state : known]]);
      told.evicted();
      return `of ${told.plan.name} the ${pick < 0.5 ? "state" : "known"}`;
    }
    const name = at(Object.keys(KEPT) as KeyName[], pick);
    const [was] = await this.#send([["DEL", this.keys[name]]]);
    this.#last = undefined;
    if (name === "totals") this.oracle.protocol = OURS;
    if (name === "records") {
      this.oracle.log = [];
      this.#ids = new StreamIds();
    }
    if (was === 1 && !KEPT[name]) this.oracle.doubt = this.hasLost = true;
    return `${name}${was === 1 ? "" : ", which is not there"}`;
  }

  /** Undefined: there is none. */
  async #evictOfScopes(pick: number): Promise<string | undefined> {
    const [found] = await this.#send([findCommand(...EVICTED.map((name) => this.#start + name))]);
    const key = at(found as string[], pick);
    if (key === undefined) return undefined;
    await this.#send([["DEL", key]]);
    this.#last = undefined;
    this.oracle.doubt = true;
    this.hasLost = true;
    return key.slice(this.#start.length);
  }

  /** The oldest of what is not folded yet falls off the log. Returns how many entries that were. */
  async trim(share: number): Promise<number> {
    const { log } = this.oracle;
    const kept = Math.floor(log.length * share);
    const lost = log.length - kept;
    await this.#send([["XTRIM", this.keys.records, "MAXLEN", String(kept)]]);
    log.splice(0, lost);
    return lost;
  }

  /** Leaves nothing behind. */
  async close(): Promise<void> {
    await this.#send([dropCommand(this.#start), dropCommand(replicaOf(this.#start))]);
  }

  /** Only a script of the projection may fail; the rest is the simulation's own. */
  async #send(commands: readonly Command[]): Promise<(Reply | ReplyError)[]> {
    if (commands.length === 0) return [];
    const replies = await this.#port.pipeline(commands);
    for (const [i, reply] of replies.entries()) {
      const [name, hash] = commands[i]!;
      const isOurs = name === "EVAL" || (name === "EVALSHA" && !SCRIPTS.some(({ sha1 }) => sha1 === hash));
      if (reply instanceof ReplyError && !isOurs) throw new Error(`${name}: ${reply.message.slice(0, 200)}`);
    }
    return replies;
  }
}

function replicaOf(key: string): string {
  return `replica:${key}`;
}
